//! Muting: paused canaries, muted reasons, and what happens afterwards.

use super::*;
use crate::alert::mute::{Closed, Mute, Mutes};
use crate::alert::testing::moment;

#[test]
fn a_paused_region_mutes_no_other_and_holds_the_incident_open() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.breaks(0, "p/eu");
    bench.at(100).take(paused(&["p/eu"]));
    bench.breaks(200, "p/us").at(400);
    assert_eq!(bench.ring_times("chat").len(), 2, "{:?}", bench.rings("chat"));
    let said = &bench.heard.last().unwrap().message;
    assert!(said.title.contains("us") && !said.title.contains("eu"), "{}", said.title);
    assert!(said.apart.iter().any(|line| line.contains("eu") && line.contains("ann")), "{:?}", said.apart);
    bench.mends(500, "p/us").at(2_000);
    assert!(bench.came("chat", Action::End).is_empty(), "eu is not well");
}

#[test]
fn what_was_muted_rings_by_its_first_failed_run_afterwards() {
    let mut bench = Bench::chat(&["eu"]);
    bench.take(paused(&["p/eu"]));
    bench.breaks(0, "p/eu").at(500);
    assert!(bench.heard.is_empty());
    bench.at(600).take(paused(&[]));
    bench.at(650);
    assert!(bench.heard.is_empty(), "nothing failed since");
    bench.at(660).fail("p/eu");
    assert_eq!(bench.ring_times("chat"), [660]);
}

#[test]
fn a_known_bug_is_muted_by_its_reason_and_another_rings() {
    let mute = |reason: &str| Mute {
        probe: "p".into(),
        mutes: Mutes::Reason(reason.into()),
        since_ms: 0,
        until_ms: None,
        by: "ann".into(),
        why: None,
    };
    for (reason, rings) in [("expectation", 0), ("timeout", 1)] {
        let mut bench = Bench::chat(&["eu"]);
        bench.take(Event::Muted(vec![mute(reason)]));
        bench.breaks(0, "p/eu").at(300);
        assert_eq!(bench.ring_times("chat").len(), rings, "{reason}");
    }
}

#[test]
fn closing_is_refused_while_another_member_fails_and_makes_muted_ones_well() {
    let mut bench = Bench::chat(&["eu", "us"]);
    bench.breaks(0, "p/eu").breaks(61, "p/us");
    bench.at(200).take(paused(&["p/eu"]));
    let refused = bench.evaluator.close("p", "ann", "gone", moment(201));
    assert_eq!(refused, Closed::Refused { failing: vec!["canary/p/us".to_owned()] });
    bench.mends(240, "p/us").at(500);
    assert_eq!(bench.evaluator.close("p", "ann", "gone", moment(500)), Closed::Done { members: 1 });
    bench.at(510);
    let end = bench.heard.last().unwrap();
    assert_eq!(end.what, Action::End);
    assert!(end.message.title.contains("ann"), "{}", end.message.title);
}

#[test]
fn a_failure_for_another_reason_than_the_known_bug_rings_at_once() {
    let mute = Mute {
        probe: "p".into(),
        mutes: Mutes::Reason("expectation".into()),
        since_ms: 0,
        until_ms: None,
        by: "ann".into(),
        why: None,
    };
    let mut bench = Bench::chat(&["eu"]);
    bench.take(Event::Muted(vec![mute]));
    bench.breaks(0, "p/eu").at(180).run_for("p/eu", Verdict::Failed, Reason::Timeout);
    assert_eq!(bench.ring_times("chat"), [180]);
}

#[test]
fn what_was_muted_and_well_meanwhile_rings_when_it_crosses_and_not_a_run_later() {
    // It is well for longer than ten minutes, and for less: muting began a new episode in either case.
    for crosses in [1_200, 700] {
        let mut bench = Bench::chat(&["eu", "us"]);
        bench.breaks(0, "p/eu").breaks(61, "p/us").at(130).take(paused(&["p/eu"]));
        bench.mends(180, "p/eu").at(400).take(paused(&[]));
        bench.at(500).fail("p/us");
        let before = bench.ring_times("chat").len();
        bench.breaks(crosses - 60, "p/eu").at(crosses + 30);
        assert_eq!(bench.ring_times("chat").len(), before + 1, "{:?}", bench.rings("chat"));
    }
}
