//! Two Alertmanagers that know each other, of which one is away: what their one receiver got.

use std::time::Duration;

use super::real::{Alertmanager, ROUTES, Receiver, Ring, SHORT, now, two_looks};
use crate::waiting::until;

#[tokio::test]
async fn a_peer_that_comes_back_rings_nobody_twice_and_is_told_what_it_missed_by_the_next_round() {
    let receiver = Receiver::start().await;
    let (first, mut second) = Alertmanager::pair(&receiver, SHORT).await;
    second.kill();
    let rings = [Ring::new("p", 1, "page", "eu"), Ring::new("p", 2, "page", "us")];
    let alive = || rings.iter().map(Ring::fires).collect::<Vec<_>>();
    first.post(&alive()).await;
    receiver.hears("1", false).await;
    receiver.hears("2", false).await;
    let before = receiver.told().len();
    second.run().await;
    second.has_peers(2).await;
    for peer in [&first, &second] {
        peer.post(&alive()).await;
    }
    two_looks(SHORT).await;
    assert_eq!(receiver.told().len(), before, "{:?}", receiver.told());
    // It misses the end as well, comes back, and gets it with a round.
    second.kill();
    let over: Vec<_> = rings.iter().map(Ring::over).collect();
    first.post(&over).await;
    receiver.hears("1", true).await;
    receiver.hears("2", true).await;
    let before = receiver.told().len();
    second.run().await;
    second.has_peers(2).await;
    second.post(&over).await;
    two_looks(SHORT).await;
    assert_eq!(receiver.told().len(), before, "{:?}", receiver.told());
}

/// Peers share what they said, not what fires. So a peer that goes on but that we cannot reach contradicts the other: it ends
/// what lapses there, and rings again what it was not told the end of.
#[tokio::test]
async fn a_peer_that_runs_on_unreached_ends_what_lapses_there_and_rings_what_it_does_not_know_the_end_of() {
    let receiver = Receiver::start().await;
    let (first, second) = Alertmanager::pair(&receiver, SHORT).await;
    let (lapses, ended) = (Ring::new("lapses", 1, "page", "eu"), Ring::new("ended", 2, "page", "eu"));
    let lapse = now() + Duration::from_secs(6);
    second.post(&[lapses.until(lapse), ended.until(lapse + Duration::from_mins(15))]).await;
    first.post(&[lapses.fires(), ended.fires()]).await;
    receiver.hears("1", false).await;
    receiver.hears("2", false).await;
    first.post(&[ended.over()]).await;
    receiver.hears("2", true).await;
    for (ring, over) in [("1", true), ("2", false)] {
        until(&format!("the second one contradicting the first about ring {ring}"), || async {
            let contradicts = |route: &str| {
                receiver.of(route).iter().any(|told| {
                    let (firing, resolved) = told.rings();
                    told.by == "second" && if over { resolved } else { firing }.contains(&ring)
                })
            };
            ROUTES.iter().all(|(route, _)| contradicts(route)).then_some(())
        })
        .await;
    }
    // The end, told again, is what mends it.
    second.post(&[lapses.over(), ended.over()]).await;
    first.post(&[lapses.over(), ended.over()]).await;
    until("all being over", || async { ROUTES.iter().all(|(route, _)| over_at_last(&receiver, route)).then_some(()) }).await;
    two_looks(SHORT).await;
    assert!(ROUTES.iter().all(|(route, _)| over_at_last(&receiver, route)), "{:?}", receiver.told());
}

/// Whether the last word on both rings is that they are over.
fn over_at_last(receiver: &Receiver, route: &str) -> bool {
    ["1", "2"].iter().all(|ring| {
        let told = receiver.of(route);
        let last = told.iter().rev().find_map(|told| {
            let (firing, resolved) = told.rings();
            if resolved.contains(ring) { Some(true) } else { firing.contains(ring).then_some(false) }
        });
        last == Some(true)
    })
}
