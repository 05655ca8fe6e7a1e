//! Regions and the window.

use proptest::prelude::*;

use super::*;
use crate::alert::testing::{canary, moment, moment_ms, probe, run};
use crate::outcome::Trigger;
use crate::plan::{AlertPolicy, Canary};

fn rule() -> CriticalRule {
    AlertPolicy::default().critical.unwrap()
}

fn canaries() -> Vec<Arc<Canary>> {
    let probe = Arc::new(probe(Vec::new(), AlertPolicy::default()));
    ["eu", "us", "ap"].map(|region| canary(&probe, region)).into()
}

/// Runs by region (0 is eu), verdict and minute.
fn after(runs: &[(usize, Verdict, u64)]) -> Regions {
    let canaries = canaries();
    let mut regions = Regions::default();
    for &(region, verdict, minute) in runs {
        regions.seen(&run(&canaries[region], 1, verdict, None, Vec::new()), moment(minute * 60));
    }
    regions
}

#[test]
fn critical_is_page_level_and_two_regions_with_a_failed_run_within_the_window() {
    use Verdict::{Blocked, Errored, Failed, Missed, Passed, Skipped};
    for (runs, at_page_level, minute, critical) in [
        (&[(0, Failed, 1), (1, Failed, 1)][..], true, 1, true),
        (&[(0, Failed, 1), (1, Failed, 1)], false, 1, false),
        (&[(0, Failed, 1), (0, Failed, 2)], true, 2, false),
        (&[(0, Failed, 1), (1, Failed, 11)], true, 11, true),
        (&[(0, Failed, 1), (1, Failed, 12)], true, 12, false),
        (&[(0, Failed, 1), (1, Failed, 2), (1, Passed, 3)], true, 3, true),
        (&[(0, Failed, 1), (1, Errored, 2), (2, Missed, 2), (1, Blocked, 2), (2, Skipped, 2)], true, 3, false),
    ] {
        assert_eq!(after(runs).is_critical(Some(&rule()), at_page_level, moment(minute * 60)), critical, "{runs:?}");
        assert!(!after(runs).is_critical(None, at_page_level, moment(minute * 60)));
    }
}

#[test]
fn runs_by_hand_fail_no_region() {
    let mut regions = Regions::default();
    for canary in canaries() {
        let report = RunReport { trigger: Trigger::Manual, ..run(&canary, 1, Verdict::Failed, None, Vec::new()) };
        regions.seen(&report, moment(0));
    }
    assert_eq!(regions, Regions::default());
}

#[test]
fn a_region_that_says_nothing_is_unknown_and_not_well() {
    use Verdict::{Errored, Failed, Passed};
    let known = ["eu", "us", "ap"].map(Arc::from);
    let memory = Duration::from_hours(1);
    for (runs, minute, expected) in [
        (&[][..], 0, ["unknown", "unknown", "unknown"]),
        (&[(0, Failed, 1), (1, Passed, 1), (2, Errored, 1)], 2, ["failing", "passing", "unknown"]),
        (&[(0, Failed, 1), (0, Passed, 2)], 3, ["failing", "unknown", "unknown"]),
        (&[(0, Failed, 1), (0, Passed, 2)], 12, ["passing", "unknown", "unknown"]),
        (&[(0, Failed, 1)], 12, ["unknown", "unknown", "unknown"]),
        (&[(0, Passed, 1), (1, Passed, 2)], 62, ["unknown", "passing", "unknown"]),
    ] {
        let states = after(runs).states(&known, rule().within, memory, moment(minute * 60));
        let words: Vec<&str> = states.iter().map(|state| state.state.as_str()).collect();
        assert_eq!(words, expected, "{runs:?}");
    }
}

proptest! {
    #[test]
    fn it_is_due_exactly_when_the_number_of_failing_regions_falls(
        runs in proptest::collection::vec((0..3_usize, any::<bool>(), 0..30_u64), 0..20),
        hours in -1..=1_i64,
    ) {
        let mut runs: Vec<_> =
            runs.into_iter().map(|(region, failed, at)| (region, if failed { Verdict::Failed } else { Verdict::Passed }, at)).collect();
        runs.sort_by_key(|run| run.2);
        let last = runs.last().map_or(0, |run| run.2);
        let regions = after(&runs);
        let within = rule().within;
        // By the plain reading: regions with a failed run not older than the window.
        let at = |millis: u64| {
            let failing = |run: &&(usize, Verdict, u64)| run.1 == Verdict::Failed && millis <= run.2 * 60_000 + 600_000;
            runs.iter().filter(failing).map(|run| run.0).collect::<std::collections::BTreeSet<_>>().len()
        };
        let mut now = last * 60_000;
        loop {
            prop_assert_eq!(regions.failing(within, moment_ms(now, hours)), at(now));
            let Some(due) = regions.due(within, moment_ms(now, hours)) else { break };
            let due = now + u64::try_from(due.saturating_sub(moment_ms(now, 0).steady).as_millis()).unwrap();
            prop_assert_eq!(at(due - 1), at(now));
            prop_assert!(at(due) < at(now));
            now = due;
        }
        prop_assert_eq!(at(now), 0);
        let again = Regions::from_json(&regions.to_json(moment(now)), moment(now)).unwrap();
        prop_assert_eq!(again, regions);
    }
}
