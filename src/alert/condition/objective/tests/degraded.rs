//! The share of passed runs that may be degraded.

use super::*;
use crate::outcome::testing::warned;

fn soft(degraded: f64) -> Arc<Probe> {
    let slo = Slo { success: None, degraded: Some(degraded), latency: None, window: 720 * HOUR };
    Arc::new(Probe { slo: Some(slo), ..probe(Vec::new(), AlertPolicy::default()) })
}

fn budget(of: &Arc<Probe>) -> Watched<BurnRate> {
    Watched::new(BurnRate::new(of, Budget::Degraded), of)
}

/// Runs a minute apart from that one on: `d` is degraded, `p` passed, `f` failed though it warned, `e` was the prober's own fault.
fn runs(watched: &mut Watched<BurnRate>, from: u32, letters: &str) -> &'static str {
    for (at, letter) in (from..).zip(letters.chars()) {
        let (verdict, reason, steps) = match letter {
            'd' => (Verdict::Passed, None, vec![warned("search", "latency < 0.3")]),
            'f' => (Verdict::Failed, Some(Reason::Expectation), vec![warned("search", "latency < 0.3")]),
            'e' => (Verdict::Errored, Some(Reason::Stall), Vec::new()),
            _ => (Verdict::Passed, None, vec![made("search", None, StepResult::Passed)]),
        };
        let ended = report(&watched.canary, 1, verdict, reason.map(|reason| cause(reason, "search", None)), steps);
        let now = moment(Duration::from_mins(1) * at);
        watched.waits(now);
        watched.ended(&ended, (RunRole::Alone, None), now);
    }
    watched.state()
}

#[test]
fn more_degraded_runs_than_may_be_page_and_less_of_them_warn() {
    let mut watched = budget(&soft(0.05));
    assert_eq!(runs(&mut watched, 0, &format!("pppp{}", "d".repeat(11))), "well", "eleven may be chance");
    assert_eq!(runs(&mut watched, 15, "d"), "page");
    let fact = Arc::clone(watched.fact.as_ref().unwrap());
    assert_eq!(fact.key, FactKey::Objective("p".into(), Objective::Degraded));
    let words = "12 of 16 passed runs over 15m were degraded, 15.0 times the 5 % that may be; the last: search: it drags: \
                 `latency < 0.3` does not hold: `latency` was 0.7";
    assert_eq!(fact.words.as_deref(), Some(words));
    assert!(fact.shares["eu"].reaches && fact.shares["eu"].failed == 12, "{:?}", fact.shares);

    let mut slowly = budget(&soft(0.05));
    runs(&mut slowly, 0, &"dppppppppp".repeat(500));
    assert_eq!((slowly.state(), &*slowly.said), ("warn", &["well", "warn"][..]), "one in ten where one in twenty may be");
}

#[test]
fn only_passed_runs_count_and_a_failed_one_is_not_degraded() {
    let mut watched = budget(&soft(0.05));
    assert_eq!(runs(&mut watched, 0, &"fe".repeat(200)), "well");
    // The same shares as without the runs between.
    assert_eq!(runs(&mut watched, 1_000, &format!("pppp{}", "df".repeat(11))), "well");
    assert_eq!(runs(&mut watched, 1_026, "d"), "page");
    assert!(watched.fact.as_ref().unwrap().words.as_deref().unwrap().starts_with("12 of 16 passed runs "));
}

#[test]
fn it_ends_with_its_short_window_and_is_kept_over_a_restart() {
    let of = soft(0.05);
    let mut watched = budget(&of);
    assert_eq!(runs(&mut watched, 0, &"d".repeat(40)), "page");
    let now = moment(Duration::from_mins(40));
    let rows = watched.rules.rows(now);
    assert_eq!((rows[0].kind, &*rows[0].key), ("degraded", "p"));
    let mut success = BurnRate::new(&of, Budget::Bad);
    let kept = RestoredState { kind: rows[0].kind.to_owned(), key: "p".to_owned(), json: rows[0].json.clone().unwrap() };
    assert!(!success.restore(&kept, now).unwrap(), "the row of another budget");
    watched.again(BurnRate::new(&of, Budget::Degraded), now);
    assert_eq!(watched.state(), "page");
    let words = watched.rules.facts()[0].words.clone().unwrap();
    assert!(words.starts_with("40 of 40 ") && words.contains("; the last: search: it drags: "), "{words}");
    assert_eq!(runs(&mut watched, 41, &"p".repeat(60)), "warn");
    assert_eq!(runs(&mut watched, 101, &"p".repeat(7 * 60)), "well");
}

#[test]
fn a_probe_that_does_not_page_only_warns_and_without_burn_rate_it_is_only_looked_at() {
    for (alert, expected) in [
        (AlertPolicy { page: false, ..AlertPolicy::default() }, "warn"),
        (AlertPolicy { burn_rate: false, ..AlertPolicy::default() }, "well"),
    ] {
        let of = Arc::new(Probe { slo: soft(0.05).slo.clone(), ..probe(Vec::new(), alert) });
        assert_eq!(runs(&mut budget(&of), 0, &"d".repeat(100)), expected);
    }
}

#[test]
fn a_budget_of_failures_does_not_see_degraded_runs() {
    let of = burning(0.99, 720 * HOUR);
    let mut watched = super::budget(&of);
    assert_eq!(runs(&mut watched, 0, &"d".repeat(1_000)), "well");
    assert!((watched.rules.left(moment(1_000 * Duration::from_mins(1))).unwrap() - 1.0).abs() < f64::EPSILON);
}
