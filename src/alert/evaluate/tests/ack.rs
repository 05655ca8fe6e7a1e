//! What somebody is at, and what becomes owed later.

use super::super::super::mute::Acked;
use super::*;
use crate::alert::testing::moment;

#[test]
fn what_is_acknowledged_is_sent_to_nobody_anew_and_what_becomes_owed_later_rings_after_five_seconds() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.breaks(0, "p/eu");
    assert_eq!(bench.evaluator.acknowledge("p", "ann", None, moment(100)), Acked::Done { members: 1 });
    bench.at(101).fail("p/eu").at(600).fail("p/eu").at(900);
    assert_eq!(bench.ring_times("chat"), [60]);
    bench.breaks(1_000, "p/us").at(1_200);
    assert_eq!(bench.ring_times("chat"), [60, 1_060]);
    let last = bench.heard.iter().rev().find(|heard| heard.what == Action::Ring).unwrap();
    assert!(last.message.apart.iter().any(|line| line.contains("ann")), "{:?}", last.message.apart);
}

#[test]
fn a_member_that_somebody_was_at_and_that_was_well_begins_a_new_episode() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.breaks(0, "p/eu").breaks(61, "p/us");
    bench.at(130).evaluator.acknowledge("p", "ann", None, moment(130));
    bench.mends(181, "p/us");
    bench.at(310).fail("p/eu");
    let before = bench.ring_times("chat").len();
    bench.breaks(400, "p/us").at(700);
    assert_eq!(bench.ring_times("chat").len(), before + 1, "{:?}", bench.rings("chat"));
}

#[test]
fn nothing_that_nobody_took_can_be_acknowledged_and_a_second_time_says_who_was_first() {
    let mut bench = Bench::chat(&["eu"]);
    bench.answers.insert("chat".to_owned(), refuses());
    bench.breaks(0, "p/eu");
    assert_eq!(bench.evaluator.acknowledge("p", "ann", None, moment(61)), Acked::NothingTold);
    bench.answers.clear();
    bench.at(200);
    assert_eq!(bench.evaluator.acknowledge("probe/p", "ann", Some("on it"), moment(201)), Acked::Done { members: 1 });
    let Acked::Already { by, newly, .. } = bench.evaluator.acknowledge("p", "bob", None, moment(202)) else { panic!() };
    assert_eq!((&*by, newly), ("ann", 0));
    assert_eq!(bench.evaluator.acknowledge("q", "bob", None, moment(203)), Acked::Unknown);
}
