//! One alert per ring, one Alertmanager: what its receiver got.

use std::collections::BTreeMap;
use std::time::Duration;

use super::real::{Alertmanager, ROUTES, Receiver, Ring, SHORT, Told, now, two_looks};
use crate::waiting::until;

/// When each ring was first told as firing, and last as over.
fn times(told: &[Told]) -> BTreeMap<String, (Duration, Option<Duration>)> {
    let mut times: BTreeMap<String, (Duration, Option<Duration>)> = BTreeMap::new();
    for one in told {
        let (firing, resolved) = one.rings();
        for ring in firing {
            times.entry(ring.to_owned()).or_insert((one.at, None));
        }
        for ring in resolved {
            let known = times.get_mut(ring).expect("what is over was told as firing before");
            assert_eq!(known.1, None, "ring {ring} ended twice: {told:?}");
            known.1 = Some(one.at);
        }
    }
    times
}

#[tokio::test]
async fn each_further_ring_notifies_a_changed_text_does_not_and_nobody_hears_of_an_end_before_the_end() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::start(&receiver, SHORT).await;
    let mut rings: Vec<Ring> = Vec::new();
    let spread = [("page", "eu"), ("page", "us"), ("critical", "ap")];
    for (number, (severity, region)) in (1..).zip(spread) {
        rings.push(Ring::new("p", number, severity, region));
        alertmanager.post(&[rings.last().unwrap().fires()]).await;
        receiver.hears(&number.to_string(), false).await;
    }
    let before = receiver.told().len();
    for ring in &mut rings {
        ring.summary = "p fails in eu, us and ap".to_owned();
    }
    let alive: Vec<_> = rings.iter().map(Ring::fires).collect();
    alertmanager.post(&alive).await;
    assert_eq!(alertmanager.summaries().await, ["p fails in eu, us and ap"; 3]);
    two_looks(SHORT).await;
    assert_eq!(receiver.told().len(), before, "nobody is notified of a text: {:?}", receiver.told());
    let end = now();
    alertmanager.post(&rings.iter().map(Ring::over).collect::<Vec<_>>()).await;
    for number in ["1", "2", "3"] {
        receiver.hears(number, true).await;
    }
    two_looks(SHORT).await;
    for (route, _) in ROUTES {
        let told = receiver.of(route);
        let seen = times(&told);
        assert!(told.iter().all(|one| one.resolved.is_empty() || one.at >= end), "{route}: {told:?}");
        for (ring, (number, (first, over))) in rings.iter().zip(&seen) {
            let (first, over) = (first.saturating_sub(ring.starts), over.expect("it is over").saturating_sub(end));
            eprintln!("{route}: ring {number} was told after {first:?}, its end after {over:?}");
        }
        // A ring is one more notification; the end is one, or one for each ring where they are grouped by all labels.
        let ends = if route == "all" { 3 } else { 1 };
        assert_eq!(told.len(), 3 + ends, "{route}: {told:?}");
        assert!(told[3..].iter().all(|one| one.firing.is_empty()), "{route}: {told:?}");
    }
}

#[tokio::test]
async fn an_alert_that_nobody_sends_again_ends_by_itself_and_a_later_end_is_not_made_earlier_but_by_an_end() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::start(&receiver, SHORT).await;
    let (lapses, ended) = (Ring::new("lapses", 1, "page", "eu"), Ring::new("ended", 2, "page", "eu"));
    let end = now() + Duration::from_secs(6);
    for ends in [end, now() + Duration::from_secs(3)] {
        alertmanager.post(&[lapses.until(ends), ended.until(ends)]).await;
    }
    receiver.hears("2", false).await;
    alertmanager.post(&[ended.over()]).await;
    receiver.hears("2", true).await;
    receiver.hears("1", true).await;
    let over = |ring: &str| receiver.told().into_iter().find(|told| told.rings().1.contains(&ring)).expect("it is over").at;
    assert!(over("2") < end, "an end is one at once");
    assert!(over("1") >= end, "the later end counts");
}

#[tokio::test]
async fn a_restart_is_heard_by_nobody_if_what_fires_is_sent_again_and_an_end_that_it_missed_is_told_by_its_repetition() {
    let receiver = Receiver::start().await;
    let mut alertmanager = Alertmanager::start(&receiver, SHORT).await;
    let rings = [Ring::new("p", 1, "page", "eu"), Ring::new("p", 2, "page", "us")];
    let alive = || rings.iter().map(Ring::fires).collect::<Vec<_>>();
    alertmanager.post(&alive()).await;
    receiver.hears("1", false).await;
    receiver.hears("2", false).await;
    let before = receiver.told().len();
    alertmanager.stop();
    alertmanager.run().await;
    alertmanager.post(&alive()).await;
    two_looks(SHORT).await;
    assert_eq!(receiver.told().len(), before, "{:?}", receiver.told());
    alertmanager.stop();
    alertmanager.run().await;
    // Ends go out again with the rounds; the first one that arrives is news.
    for _ in 0..3 {
        alertmanager.post(&rings.iter().map(Ring::over).collect::<Vec<_>>()).await;
    }
    until("the end being told", || async {
        ROUTES.iter().all(|(route, _)| receiver.of(route).last().is_some_and(|told| told.firing.is_empty())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_end_before_the_start_is_refused_and_what_ended_before_it_was_sent_is_told_to_nobody() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::start(&receiver, SHORT).await;
    let ring = Ring::new("p", 1, "page", "eu");
    let (status, text) = alertmanager.try_post(&[ring.until(ring.starts.saturating_sub(Duration::from_millis(1)))]).await;
    assert_eq!(status, 400);
    assert!(text.contains("start time must be before end time"), "{text}");
    // A sender whose clock is slow by more than what it gives an alert tells nobody.
    let slow = Ring { starts: ring.starts.saturating_sub(Duration::from_mins(20)), ..ring.clone() };
    alertmanager.post(&[slow.until(ring.starts.saturating_sub(Duration::from_mins(5)))]).await;
    two_looks(SHORT).await;
    assert!(receiver.told().is_empty(), "{:?}", receiver.told());
    alertmanager.post(&[ring.fires()]).await;
    receiver.hears("1", false).await;
}
