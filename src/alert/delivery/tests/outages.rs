//! 200 incidents while a receiver is away for two hours: how many tries that costs, and how soon all have left when it is back.

use super::*;

const INCIDENTS: u64 = 200;
const AWAY: u64 = 2 * 3_600;

/// Incidents come over the first hour; the receiver answers everything with `outcome` for two hours, then takes everything.
/// Gives the tries while it was away, the requests after it was back, and when the last was taken after that.
fn outage(receiver: ReceiverKind, burst: bool, chance: f64, outcome: &Outcome) -> (usize, usize, u64) {
    let mut bench = Bench { chance, ..Bench::new(&[("a", receiver)]) };
    let (mut tries, mut after) = (0, 0);
    for second in 0..AWAY + 1_000 {
        for number in 0..INCIDENTS {
            if second == if burst { 0 } else { number * 3_600 / INCIDENTS } {
                bench.enqueue([page(&format!("p{number:03}"), second)]);
            }
        }
        let back = second >= AWAY;
        let left = bench.settle(at(second), |_| if back { Outcome::Taken } else { outcome.clone() });
        *(if back { &mut after } else { &mut tries }) += left;
        let backlog = &bench.delivery.backlog()[0];
        if back && backlog.due == 0 && backlog.unknown == 0 {
            return (tries, after, second - AWAY);
        }
    }
    panic!("not all left: {:?}", bench.delivery.backlog());
}

#[test]
fn a_receiver_that_is_away_for_two_hours_is_tried_at_most_800_times_and_all_leave_within_a_minute_of_its_return() {
    for receiver in [ReceiverKind::Alerts, ReceiverKind::Incidents, ReceiverKind::Posts] {
        for (burst, chance) in [(false, 0.0), (false, 1.0), (true, 0.0), (true, 1.0)] {
            for outcome in [refused(RefusalKind::Unreachable), refused(RefusalKind::Busy(None)), unknown()] {
                let (tries, after, seconds) = outage(receiver, burst, chance, &outcome);
                assert!(tries <= 800, "{tries} tries, {receiver:?} {outcome:?}");
                assert!(seconds <= 60, "{seconds} s, {receiver:?} {outcome:?}");
                if receiver != ReceiverKind::Alerts {
                    assert!(after <= 11 + UNKNOWN_AT_MOST, "{after} requests, {outcome:?}");
                }
            }
        }
    }
}

/// Rings that left singly while it was away, and of unknown outcome: these are repeated as they are.
const UNKNOWN_AT_MOST: usize = 40;

#[test]
fn a_receiver_that_refuses_all_for_two_hours_is_tried_at_most_800_times_and_all_leave_at_once_when_it_is_mended() {
    let mut bench = Bench::new(&[("a", ReceiverKind::Posts)]);
    bench.enqueue((0..INCIDENTS).map(|number| page(&format!("p{number:03}"), 0)));
    let mut tries = 0;
    for second in 0..AWAY {
        tries += bench.settle(at(second), |_| refused(RefusalKind::Rejected));
    }
    assert!(tries <= 800, "{tries}");
    bench.delivery.mended("a", at(AWAY));
    let requests = bench.settle(at(AWAY), |_| Outcome::Taken);
    assert_eq!((requests, bench.delivery.backlog()[0].due), (11, 0));
}

#[test]
fn a_new_incident_is_not_held_up_by_three_whose_requests_the_receiver_cannot_bear() {
    for poison in [refused(RefusalKind::Unreadable), unknown(), refused(RefusalKind::Rejected)] {
        let mut bench = Bench::new(&[("a", ReceiverKind::Posts)]);
        bench.enqueue((0..3).map(|number| page(&format!("bad{number:03}"), 0)));
        let mut taken = None;
        for second in 0..1_000 {
            if second == 500 {
                bench.enqueue([page("good", 500)]);
            }
            for left in bench.round(at(second)) {
                let is_good = left.incidents == ["good"];
                taken = taken.or(is_good.then_some(second));
                bench.land(&left.id, if is_good { &Outcome::Taken } else { &poison }, at(second));
            }
        }
        let waited = taken.map(|second| second - 500);
        assert!(waited.is_some_and(|waited| waited <= 60), "{waited:?} {poison:?}");
    }
}

#[test]
fn what_the_receiver_cannot_bear_does_not_keep_others_from_being_tried_once_it_is_back() {
    let mut bench = Bench::new(&[("a", ReceiverKind::Alerts)]);
    // The bad ones are older, so they would be tried again and again.
    bench.enqueue((0..12).map(|number| page(&format!("bad{number:02}"), 0)));
    bench.enqueue([page("good", 1)]);
    let back = 1_000;
    for second in 0..back + 240 {
        let is_good = |left: &Left| second >= back && left.incidents == ["good"];
        bench.settle(at(second), |left| if is_good(left) { Outcome::Taken } else { refused(RefusalKind::Unreachable) });
    }
    let waited = bench.delivery.backlog()[0].taken.map(|taken| taken.saturating_sub(at(back).steady));
    assert!(waited.is_some_and(|waited| waited <= Duration::from_mins(4)), "{waited:?}");
}
