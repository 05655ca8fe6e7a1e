//! The rule *needs* on the whole evaluator: `d` needs `r`, and told failures of `r` explain `d`.

use super::*;
use crate::alert::mute::{Mute, Mutes};
use crate::alert::testing::{moment, step};
use crate::plan::AcrossPolicy;

fn needing(name: &str, needs: &[&str]) -> Probe {
    Probe { needs: needs.iter().map(|name| Arc::from(*name)).collect(), ..quiet(name) }
}

fn bench_of(probes: Vec<Probe>) -> Bench {
    Bench::new(probes, &["eu", "us"], Alerting { channels: vec![pagerduty("pager")], ..Alerting::default() })
}

/// `d` needs `r`; one pager.
fn bench() -> Bench {
    bench_of(vec![needing("d", &["r"]), quiet("r")])
}

/// When the pager was rung for `d`.
fn rung_for(bench: &Bench, probe: &str) -> Vec<u64> {
    bench.rings("pager").into_iter().filter(|(_, title)| title.starts_with(probe)).map(|(at, _)| at).collect()
}

#[test]
fn what_fails_while_a_root_that_was_told_fails_rings_nobody_and_is_listed_with_the_root() {
    let mut bench = bench();
    bench.breaks(0, "r/eu").at(70).fail("d/eu").at(120).fail("r/eu").at(130).fail("d/eu");
    assert_eq!((rung_for(&bench, "r"), rung_for(&bench, "d")), (vec![60], vec![]));
    // Its own message lists what it explains.
    bench.at(140).fail("r/us").at(200).fail("r/us").at(230);
    let said = bench.last("pager").message.apart.join("\n");
    assert!(said.contains("d "), "{said}");
    bench.mends(240, "r/eu").mends(361, "r/us").at(490).pass("d/eu").at(550).pass("d/eu").at(2_000);
    assert!(rung_for(&bench, "d").is_empty(), "it was well before anybody had to know");
    let ends = bench.heard.iter().filter(|heard| heard.what == Action::End && heard.message.title.starts_with('d'));
    assert_eq!(ends.count(), 0, "nobody was told of it, so nobody is told of its end");
}

#[test]
fn a_root_that_fails_a_run_brought_forward_is_failing_at_once_whatever_its_rule() {
    let mut bench = bench();
    bench.breaks(0, "d/eu");
    assert_eq!(bench.wanted, [(60, "r/eu".to_owned())], "in its region only");
    assert!(bench.heard.is_empty());
    bench.at(65).answers("r/eu", true);
    bench.at(120).fail("d/eu").at(180);
    assert_eq!((rung_for(&bench, "r"), rung_for(&bench, "d")), (vec![65], vec![]));
}

#[test]
fn a_dependent_waits_one_minute_at_most_and_not_after_a_pass_of_a_run_that_started_after_its_first_failure() {
    let mut waits = bench();
    waits.breaks(0, "d/eu").at(400);
    assert_eq!(waits.ring_times("pager"), [120]);
    let mut answered = bench();
    answered.breaks(0, "d/eu").at(70).answers("r/eu", false).at(400);
    assert_eq!(answered.ring_times("pager"), [70]);
    let mut before = bench();
    before.at(0).fail("d/eu").at(30).pass("r/eu").at(60).fail("d/eu").at(400);
    assert_eq!(before.ring_times("pager"), [60], "the root was well when it failed");
}

#[test]
fn a_dependent_does_not_wait_for_a_root_that_is_paused_muted_or_blocked() {
    let mut bench_paused = bench();
    bench_paused.take(paused(&["r/eu"]));
    bench_paused.breaks(0, "d/eu").at(400);
    assert_eq!(bench_paused.ring_times("pager"), [60]);
    assert!(bench_paused.wanted.is_empty());

    let mut blocked = bench();
    blocked.at(0).misses("r/eu", Reason::Guard);
    blocked.breaks(10, "d/eu").at(200);
    assert_eq!(rung_for(&blocked, "d"), [70]);

    let mut muted = bench();
    let mute = Mute {
        probe: "r".into(),
        mutes: Mutes::Reason("expectation".into()),
        since_ms: 0,
        until_ms: None,
        by: "ann".into(),
        why: None,
    };
    muted.take(Event::Muted(vec![mute]));
    muted.breaks(0, "r/eu").breaks(70, "d/eu").at(400);
    assert_eq!(rung_for(&muted, "d"), [130], "nobody will be told of the root");
}

#[test]
fn a_root_of_another_region_or_of_which_no_waking_channel_was_told_explains_nothing() {
    let mut elsewhere = bench();
    elsewhere.breaks(0, "r/us").at(62).pass("r/eu").breaks(70, "d/eu").at(400);
    assert_eq!(rung_for(&elsewhere, "d").len(), 1);

    let alerting = Alerting { channels: vec![pagerduty("pager"), chat("chat")], ..Alerting::default() };
    let mut untold = Bench::new(vec![needing("d", &["r"]), quiet("r")], &["eu"], alerting);
    untold.answers.insert("pager".to_owned(), refuses());
    untold.breaks(0, "r/eu").breaks(70, "d/eu").at(135).fail("r/eu").at(400);
    let rung = untold.rings("chat").into_iter().filter(|(_, title)| title.starts_with('d')).map(|(at, _)| at);
    assert_eq!(rung.collect::<Vec<_>>(), [190], "it waits a minute for somebody to hear of the root, and no longer");
}

/// The root fails, and so does its dependent, which is explained; the root passes at 195, and so on as it is asked.
fn outage(bench: &mut Bench) {
    bench.breaks(0, "r/eu").at(70).fail("d/eu").at(120).fail("r/eu").at(130).fail("d/eu");
    bench.at(180).fail("r/eu").at(190).fail("d/eu");
    assert!(rung_for(bench, "d").is_empty());
}

#[test]
fn when_evidence_ends_it_is_rung_by_as_many_failures_of_its_own_as_its_rule_asks_at_most_two() {
    for (rule, rung) in [(1, 250), (2, 310), (5, 310)] {
        let alert = AlertPolicy {
            rule: crate::plan::PageRule::Consecutive(std::num::NonZeroU32::new(rule).unwrap()),
            critical: None,
            ..AlertPolicy::default()
        };
        let mut bench = bench_of(vec![Probe { alert, ..needing("d", &["r"]) }, quiet("r")]);
        bench.breaks(0, "r/eu");
        for at in 1..=4 {
            bench.at(60 + at * 30).fail("d/eu").at(60 + at * 30 + 5).fail("r/eu");
        }
        bench.at(190).fail("d/eu").at(240).pass("r/eu").at(245);
        assert!(rung_for(&bench, "d").is_empty(), "nothing of its own yet");
        bench.at(250).fail("d/eu").at(310).fail("d/eu").at(370).fail("d/eu");
        assert_eq!(rung_for(&bench, "d"), [rung], "{rule}");
    }
}

#[test]
fn evidence_that_returns_explains_again_and_keeps_the_count() {
    let mut bench = bench();
    outage(&mut bench);
    bench.at(195).pass("r/eu").at(250).fail("d/eu");
    bench.at(255).fail("r/eu").at(310).fail("d/eu").at(312);
    assert!(rung_for(&bench, "d").is_empty(), "the root still fails, and somebody knows");
    bench.at(315).pass("r/eu").at(370).fail("d/eu");
    assert_eq!(rung_for(&bench, "d"), [370], "one failure without evidence was counted before");
}

#[test]
fn evidence_that_ages_rings_nobody_by_itself() {
    let mut bench = bench();
    outage(&mut bench);
    bench.at(700);
    assert!(rung_for(&bench, "d").is_empty(), "the root says nothing any more, and the dependent nothing either");
    let asked = bench.wanted.iter().filter(|(at, id)| *at > 190 && id == "r/eu");
    assert!(asked.count() > 0, "the root is asked before evidence ages: {:?}", bench.wanted);
    bench.breaks(710, "d/eu");
    assert_eq!(rung_for(&bench, "d"), [770]);
}

#[test]
fn it_is_transitive() {
    let mut bench = bench_of(vec![needing("c", &["d"]), needing("d", &["r"]), quiet("r")]);
    outage(&mut bench);
    bench.at(195).fail("c/eu").at(240).fail("r/eu").at(250).fail("d/eu").at(255).fail("c/eu").at(290);
    assert_eq!((rung_for(&bench, "d"), rung_for(&bench, "c")), (vec![], vec![]));
}

#[test]
fn a_dependent_stays_explained_whatever_ends_the_root() {
    type End = (&'static str, fn(&mut Bench));
    let ways: [End; 3] = [
        ("closed", |bench| {
            bench.take(paused(&["r/eu"]));
            bench.evaluator.close("r", "ann", "a known bug", moment(200));
        }),
        ("paused", |bench| bench.take(paused(&["r/eu", "r/us"]))),
        ("removed", |bench| {
            let plan = plan(vec![needing("d", &[])], &["eu", "us"]);
            bench.plan = Arc::clone(&plan);
            let alerting = Arc::clone(&bench.alerting);
            bench.take(Event::Plan { plan, alerting, found: false });
        }),
    ];
    for (way, ends) in ways {
        let mut bench = bench();
        outage(&mut bench);
        bench.at(200);
        ends(&mut bench);
        bench.at(245);
        assert!(rung_for(&bench, "d").is_empty(), "{way}");
        bench.at(600).fail("d/eu").at(660).fail("d/eu").at(800);
        assert_eq!(rung_for(&bench, "d"), [660], "{way}");
    }
}

#[test]
fn a_restart_keeps_what_is_explained_and_what_explains_it() {
    let mut bench = bench();
    outage(&mut bench);
    bench.at(200).restart();
    bench.at(245).fail("r/eu").at(250).fail("d/eu").at(310).fail("d/eu");
    assert!(rung_for(&bench, "d").is_empty(), "{:?}", bench.rings("pager"));
    bench.at(312).pass("r/eu").at(370).fail("d/eu").at(430).fail("d/eu");
    assert_eq!(rung_for(&bench, "d"), [430]);
}

#[test]
fn what_crosses_just_after_a_restart_is_explained_by_a_root_that_failed_before() {
    let mut bench = bench();
    bench.breaks(0, "r/eu").at(70).fail("d/eu").at(120).fail("r/eu");
    bench.at(125).restart();
    bench.at(130).fail("d/eu").at(200);
    assert!(rung_for(&bench, "d").is_empty(), "{:?}", bench.rings("pager"));
}

#[test]
fn a_root_that_passed_before_a_restart_is_not_waited_for() {
    let mut bench = bench();
    bench.at(0).fail("d/eu").at(30).pass("r/eu").at(40).restart();
    bench.at(60).fail("d/eu").at(200);
    assert_eq!(bench.ring_times("pager"), [60]);
}

#[test]
fn what_all_canaries_of_a_root_share_explains_where_it_reaches_the_rule() {
    let number = |number| std::num::NonZeroU32::new(number).unwrap();
    let alert = AlertPolicy {
        rule: crate::plan::PageRule::Consecutive(number(9)),
        across: Some(AcrossPolicy { failures: number(2), of: number(4) }),
        critical: None,
        ..AlertPolicy::default()
    };
    let root = Probe { steps: vec![step("s", false)].into(), alert, ..quiet("r") };
    let mut bench = bench_of(vec![needing("d", &["r"]), root]);
    bench.at(0).pass("r/us").fail("r/eu").at(60).pass("r/us").fail("r/eu");
    assert_eq!(rung_for(&bench, "r"), [60]);
    bench.at(70).fail("d/eu").at(120).fail("r/eu").at(130).fail("d/eu").at(250);
    assert!(rung_for(&bench, "d").is_empty(), "{:?}", bench.rings("pager"));
}
