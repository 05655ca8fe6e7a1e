//! Windows over all canaries of a probe, against the plain reading.

use proptest::prelude::*;

use super::*;
use crate::alert::condition::testing::{Harness, named, plan};
use crate::alert::fact::Level;
use crate::alert::testing::moment;
use crate::outcome::Verdict::{self, Failed, Passed};
use crate::plan::{AcrossPolicy, AlertPolicy, PageRule};

/// K of N for canaries of two regions and some platforms, whose own rule is never crossed.
fn harness(failures: u32, of: u32, platforms: &[&str]) -> Harness {
    let [failures, of] = [failures, of].map(|number| number.try_into().unwrap());
    let many = 1_000.try_into().unwrap();
    let alert =
        AlertPolicy { across: Some(AcrossPolicy { failures, of }), rule: PageRule::Consecutive(many), ..AlertPolicy::default() };
    Harness::new(plan(vec![named("p", alert)], &["eu", "us"], platforms))
}

fn key() -> FactKey {
    FactKey::Across("p".into())
}

/// Runs ten seconds apart, in order: which canary, and whether it failed. Says after which it failed together.
fn feed(harness: &mut Harness, runs: &[(usize, Verdict)]) -> Vec<bool> {
    let mut second = 0;
    let mut fed = |&(canary, verdict): &(usize, Verdict)| {
        second += 10;
        harness.run(canary, verdict, second);
        harness.state(&key()) != State::Well
    };
    runs.iter().map(&mut fed).collect()
}

#[test]
fn it_fails_when_so_many_of_the_last_runs_did_whoever_made_them() {
    let mut one = harness(3, 5, &["ios", "web"]);
    let runs = [(1, Failed), (2, Failed), (3, Passed), (0, Passed), (0, Passed), (1, Failed), (0, Failed)];
    assert!(feed(&mut one, &runs).iter().all(|fails| !fails), "the first two have left the window");
    let mut other = harness(3, 5, &["ios", "web"]);
    let runs = [(2, Failed), (3, Passed), (2, Failed), (0, Passed), (1, Failed)];
    assert_eq!(feed(&mut other, &runs), [false, false, false, false, true]);
    let fact = &other.facts[&key()];
    assert_eq!((fact.state, fact.failed, fact.of), (State::Failing(Level::Page), 3, 5));
    assert_eq!((fact.since, fact.last_failed), (moment(10).steady, Some(moment(50).steady)));
    assert_eq!(fact.scope, Scope::Probe("p".into()));
    assert_eq!(&**fact.words.as_ref().unwrap(), "3 of the last 5 runs failed: platform=ios 2 of 3, platform=web 1 of 2");
    assert!(fact.evidence.is_some());
}

#[test]
fn a_region_counts_whose_own_share_of_failures_is_as_bad() {
    // The rule is 3 of 6. Two of four runs failed in eu and one of two in us; then only us goes on failing.
    let mut harness = harness(3, 6, &[]);
    feed(&mut harness, &[(0, Failed), (0, Failed), (1, Passed), (0, Passed), (0, Passed), (1, Failed)]);
    let reaching = |harness: &Harness| -> Vec<(String, u32, u32, bool)> {
        let shares = &harness.facts[&key()].shares;
        shares.iter().map(|(region, share)| (region.to_string(), share.failed, share.counted, share.reaches)).collect()
    };
    assert_eq!(reaching(&harness), [("eu".to_owned(), 2, 4, true), ("us".to_owned(), 1, 2, true)]);
    harness.run(1, Failed, 70);
    assert_eq!(reaching(&harness), [("eu".to_owned(), 1, 3, false), ("us".to_owned(), 2, 3, true)]);
}

#[test]
fn it_is_settled_after_a_whole_window_below_the_rule() {
    let mut harness = harness(3, 5, &[]);
    let runs = [Failed, Failed, Failed, Passed, Passed, Passed, Passed, Failed, Passed, Passed];
    let fails = feed(&mut harness, &runs.map(|verdict| (0, verdict)));
    // Three of five are bad up to the fifth run; the window that ends at the tenth is the fifth one below.
    assert_eq!(fails, [false, false, true, true, true, true, true, true, true, false]);
    assert_eq!(harness.run(0, Failed, 110).iter().filter(|changed| changed.key == key()).count(), 0, "two of five are none");
}

#[test]
fn a_failure_that_comes_after_newer_passes_is_judged_among_its_neighbours() {
    let mut harness = harness(3, 3, &[]);
    let report = |harness: &mut Harness, order: u64, verdict| {
        let mut report = harness.report(0, verdict, (verdict == Failed).then_some(crate::outcome::Reason::Timeout));
        report.tick.order = order;
        harness.take(super::super::Input::Run(&report), 600);
        harness.state(&key()) != State::Well
    };
    for (order, verdict) in [(1, Failed), (4, Passed), (5, Passed), (6, Passed), (2, Failed)] {
        assert!(!report(&mut harness, order, verdict), "{order}");
    }
    assert!(!report(&mut harness, 2, Failed), "a run is not counted twice");
    assert!(report(&mut harness, 3, Failed), "1 to 3 failed, however late it is known");
}

#[test]
fn failures_are_forgotten_after_an_hour_without_a_run_and_not_sooner() {
    for (pause, fails) in [(3_600, true), (3_601, false)] {
        let mut harness = harness(2, 9, &[]);
        harness.run(0, Failed, 0);
        harness.run(1, Failed, pause);
        assert_eq!(harness.state(&key()) != State::Well, fails, "{pause}");
    }
}

#[test]
fn failures_of_a_canary_that_is_no_more_do_not_count() {
    let mut harness = harness(3, 9, &[]);
    feed(&mut harness, &[(0, Failed), (0, Failed)]);
    let alert = harness.plan.probes[0].alert.clone();
    harness.apply(plan(vec![named("p", alert)], &["us"], &[]), 30);
    harness.run(0, Failed, 40);
    assert_eq!(harness.state(&key()), State::Well);
}

#[test]
fn what_is_closed_is_well_and_begins_anew() {
    let mut harness = harness(2, 4, &[]);
    feed(&mut harness, &[(0, Failed), (0, Failed)]);
    let closed = harness.conditions.close(&[key()], moment(30));
    assert!(closed.iter().all(|changed| changed.fact.as_ref().unwrap().state == State::Well) && closed.len() == 1);
    assert!(harness.conditions.facts().iter().all(|fact| fact.key != key()));
}

#[test]
fn a_row_of_the_version_before_still_fails() {
    let now = moment(100);
    let at = |ago: i64| now.wall_ms() - ago * 1_000;
    let json = format!(
        r#"{{"runs":5,"last":{},"failed":[[0,{},"p/us"],[2,{},"p/eu"],[4,{},"p/eu"]],"crossed":true}}"#,
        at(10),
        at(10),
        at(30),
        at(50)
    );
    let policy = harness(3, 5, &[]).plan;
    let store = [(("across".to_owned(), "p".to_owned()), json)].into();
    let mut harness = Harness::with(policy, store, 100);
    let fact = &harness.facts[&key()];
    assert_eq!((fact.state, fact.failed, fact.since), (State::Failing(Level::Page), 3, moment(50).steady));
    for second in 101..105 {
        harness.run(0, Passed, second);
    }
    assert_eq!(harness.state(&key()), State::Failing(Level::Page), "below for four runs");
    harness.run(0, Passed, 105);
    assert_eq!(harness.state(&key()), State::Well);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_the_plain_reading_in_whichever_order_runs_end(
        runs in proptest::collection::vec((0..6_usize, proptest::bool::weighted(0.4), 0..8_u64), 1..60),
        failures in 1..6_u32,
        more in 0..10_u32,
        late in any::<bool>(),
        restart in 0..60_usize,
    ) {
        let of = (failures + more) as usize;
        let mut harness = harness(failures, failures + more, &["ios", "web", "tv"]);
        let mut ends: Vec<usize> = (0..runs.len()).collect();
        ends.sort_by_key(|&run| run as u64 + if late { runs[run].2 } else { 0 });
        let mut known: Vec<usize> = Vec::new();
        let (mut fails, mut below, mut restarted) = (false, 0, 0);
        for run in ends {
            let (canary, failed, _) = runs[run];
            known.push(run);
            known.sort_unstable();
            let count = |end: usize| known[end.saturating_sub(of)..end].iter().filter(|&&run| runs[run].1).count();
            let place = known.iter().position(|&other| other == run).unwrap();
            // A failed run is judged in whichever window it is in, a passed one in the newest.
            let ends = if failed { place + 1..=(place + of).min(known.len()) } else { known.len()..=known.len() };
            let bad = ends.map(count).max().unwrap() >= failures as usize && (failed || fails);
            if bad {
                (fails, below) = (true, 0);
            } else if fails {
                below += 1;
                fails = below < of;
            }
            // Orders begin again with a process, and what an earlier one left is older than everything.
            if !late && run == restart {
                harness.restart_exactly(run as u64);
                restarted = run as u64;
            }
            let verdict = if failed { Failed } else { Passed };
            let mut report = harness.report(canary, verdict, failed.then_some(crate::outcome::Reason::Timeout));
            report.tick.order = run as u64 + 1 - restarted;
            harness.take(super::super::Input::Run(&report), 100);
            prop_assert_eq!(harness.state(&key()) != State::Well, fails, "run {}", run);
        }
    }
}
