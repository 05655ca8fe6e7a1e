//! Windows over all canaries, against the plain reading.

use proptest::prelude::*;

use super::*;
use crate::alert::testing::moment;
use crate::plan::{AcrossPolicy, AlertPolicy};

/// K of N for six canaries that run every minute.
fn rule(failures: u32, of: u32) -> AcrossRule {
    let [failures, of] = [failures, of].map(|number| number.try_into().unwrap());
    let alert = AlertPolicy { across: Some(AcrossPolicy { failures, of }), ..AlertPolicy::default() };
    AcrossRule::of(&crate::alert::testing::probe(Vec::new(), alert), 6).unwrap()
}

fn id(canary: u8) -> CanaryId {
    CanaryId::read_back(&format!("p/eu/n={canary}"))
}

fn at(second: u64) -> Duration {
    moment(second).steady
}

/// Runs ten seconds apart, in order: which canary, and whether it failed.
fn after(rule: &AcrossRule, runs: &[(u8, bool)]) -> (Across, Vec<Option<Crossing>>) {
    let mut across = Across::default();
    let mut seen =
        |(order, (canary, failed)): (u64, &(u8, bool))| across.seen(rule, &id(*canary), order, at(order * 10), *failed);
    let crossings = (1..).zip(runs).map(&mut seen).collect();
    (across, crossings)
}

fn names(crossing: Option<&Crossing>) -> Vec<String> {
    crossing.iter().flat_map(|crossing| &crossing.canaries).map(|(id, _)| id.to_string()).collect()
}

#[test]
fn the_canaries_that_failed_in_the_window_come_to_page_level_and_the_deciding_one_is_the_last() {
    let (_, seen) = after(&rule(3, 5), &[(1, true), (2, true), (3, false), (4, false), (5, false), (1, true), (0, true)]);
    assert!(seen.iter().take(6).all(Option::is_none), "{seen:?}");
    assert_eq!(seen[6], None, "the first failure has left the window, and the second one");
    let (_, seen) = after(&rule(3, 5), &[(2, true), (3, false), (2, true), (4, false), (1, true), (0, true)]);
    let crossing = seen[4].as_ref().unwrap();
    assert_eq!(crossing.canaries, [(id(2), at(10)), (id(1), at(50))]);
    assert_eq!((crossing.failed, crossing.of, crossing.first), (3, 5, true));
    assert_eq!(names(seen[5].as_ref()), ["p/eu/n=1", "p/eu/n=2", "p/eu/n=0"]);
    assert!(!seen[5].as_ref().unwrap().first);
}

#[test]
fn a_failure_that_comes_after_newer_passes_is_judged_among_its_neighbours() {
    let rule = rule(3, 3);
    let mut across = Across::default();
    let mut seen = |order: u64, failed| across.seen(&rule, &id(0), order, at(order), failed);
    for (order, failed) in [(1, true), (4, false), (5, false), (6, false), (2, true)] {
        assert_eq!(seen(order, failed), None);
    }
    assert_eq!(seen(2, true), None, "a run is not counted twice");
    assert!(seen(3, true).is_some(), "1 to 3 failed, however late it is known");
}

#[test]
fn failures_are_forgotten_after_an_hour_without_a_run_and_not_sooner() {
    for (pause, crosses) in [(3_600, true), (3_601, false)] {
        let mut across = Across::default();
        let rule = rule(2, 9);
        assert_eq!(across.seen(&rule, &id(0), 1, at(0), true), None);
        assert_eq!(across.seen(&rule, &id(1), 2, at(pause), true).is_some(), crosses);
    }
}

#[test]
fn once_the_probe_is_well_it_begins_anew() {
    let rule = rule(3, 9);
    let (mut across, seen) = after(&rule, &[(1, true), (2, true), (3, true)]);
    assert!(seen[2].is_some());
    assert!(across.ended() && !across.ended());
    assert_eq!(across.seen(&rule, &id(1), 4, at(40), true), None);
    assert_eq!(across.seen(&rule, &id(2), 3, at(30), true), None, "a late result of what is over");
    assert_eq!(across.seen(&rule, &id(2), 5, at(50), true), None);
    assert!(across.seen(&rule, &id(3), 6, at(60), true).unwrap().first);
}

#[test]
fn what_was_no_page_is_not_forgotten_when_another_problem_ends() {
    let (mut across, _) = after(&rule(3, 9), &[(1, true), (2, true)]);
    assert!(!across.ended());
    assert!(across.seen(&rule(3, 9), &id(3), 3, at(30), true).is_some());
}

#[test]
fn failures_of_a_canary_that_is_no_more_do_not_count() {
    let (mut across, _) = after(&rule(3, 9), &[(1, true), (2, true)]);
    across.forget(&id(1));
    assert_eq!(across.seen(&rule(3, 9), &id(3), 3, at(30), true), None);
    assert_eq!(names(across.seen(&rule(3, 9), &id(4), 4, at(40), true).as_ref()), ["p/eu/n=2", "p/eu/n=3", "p/eu/n=4"]);
}

#[test]
fn it_is_written_at_each_failure_and_after_enough_passes_to_let_one_go() {
    let (mut across, _) = after(&rule(3, 8), &[(1, false), (1, false)]);
    let mut order = 2;
    let mut written = |failed| {
        order += 1;
        let _ = across.seen(&rule(3, 8), &id(1), order, at(order), failed);
        across.take_changed(&rule(3, 8), failed, moment(order)).is_some()
    };
    assert_eq!([false, true, false, false, false].map(&mut written), [false, true, false, true, false]);
}

proptest! {
    #[test]
    fn it_agrees_with_the_plain_reading_in_whichever_order_runs_end(
        runs in proptest::collection::vec((0..6_u8, proptest::bool::weighted(0.4), 0..8_u64), 1..60),
        failures in 1..6_u32,
        more in 0..10_u32,
        late in any::<bool>(),
        restart in 0..60_usize,
    ) {
        let of = failures + more;
        let rule = rule(failures, of);
        let mut ends: Vec<usize> = (0..runs.len()).collect();
        ends.sort_by_key(|&run| run as u64 + if late { runs[run].2 } else { 0 });
        let mut across = Across::default();
        let mut known: Vec<usize> = Vec::new();
        for run in ends {
            let (canary, failed, _) = runs[run];
            known.push(run);
            known.sort_unstable();
            let place = known.iter().position(|&other| other == run).unwrap();
            let n = of as usize;
            let most = (place + 1..=(place + n).min(known.len()))
                .map(|end| known[end.saturating_sub(n)..end].iter().filter(|&&run| runs[run].1).count())
                .max()
                .unwrap();
            let expected = failed && most >= failures as usize;
            // Orders begin again with a process, and what an earlier one left is older than everything.
            if !late && run == restart {
                let now = moment(run as u64);
                across = Across::from_json(&across.to_json(&rule, now), &rule, now).unwrap();
            }
            let seen = across.seen(&rule, &id(canary), run as u64 + 1, at(run as u64), failed);
            prop_assert_eq!(seen.is_some(), expected);
            if let Some(crossing) = seen {
                prop_assert_eq!(crossing.failed, most);
                prop_assert_eq!(crossing.canaries.last().map(|(id, _)| id), Some(&id(canary)));
                prop_assert!(crossing.canaries.len() <= most);
            }
            prop_assert!(across.runs.len() <= rule.of + rule.overlapping);
        }
    }
}
