//! Worked numbers of latency objectives.

use super::*;

#[test]
fn a_sample_is_what_a_run_took_without_our_own_stalls_and_none_where_most_of_it_was_ours() {
    for (took, stalled, sample) in [(10, 0, Some(10)), (10, 4, Some(6)), (10, 5, Some(5)), (10, 6, None), (0, 0, Some(0))] {
        assert_eq!(net(took * SECOND, stalled * SECOND), sample.map(|sample| sample * SECOND), "{stalled} of {took}");
    }
}

#[test]
fn what_a_failed_run_never_came_to_is_lost_and_what_it_was_not_at_says_nothing() {
    use Verdict::{Errored, Failed, Missed, Passed};
    let of = Arc::new(probe(Vec::new(), AlertPolicy::default()));
    let broken = |reason| StepResult::Failed(cause(reason, "wait", None));
    let wait = |result, convergence| StepReport { duration: 3 * SECOND, convergence, ..made("wait", None, result) };
    let other = || made("other", None, StepResult::Failed(cause(Reason::Timeout, "other", None)));
    let slo = |step: Option<&str>, of| LatencySlo { step: step.map(Into::into), of, mean: None, p95: None, p99: None };
    let (whole, convergence, duration) =
        (slo(None, LatencyOf::Duration), slo(Some("wait"), LatencyOf::Convergence), slo(Some("wait"), LatencyOf::Duration));
    for (what, slo, verdict, steps, expected) in [
        ("the whole run", &whole, Passed, vec![], vec![Some(5 * SECOND)]),
        ("the whole run failed", &whole, Failed, vec![], vec![None]),
        ("it converged", &convergence, Passed, vec![wait(StepResult::Passed, Some(SECOND))], vec![Some(SECOND)]),
        ("it never did", &convergence, Failed, vec![wait(broken(Reason::Expectation), None)], vec![None]),
        ("the step failed", &duration, Failed, vec![wait(broken(Reason::Timeout), None)], vec![None]),
        ("another step failed", &convergence, Failed, vec![other()], vec![]),
        ("the prober's fault", &convergence, Failed, vec![wait(broken(Reason::Stall), None), other()], vec![]),
        ("no result", &whole, Errored, vec![], vec![]),
        ("no run", &whole, Missed, vec![], vec![]),
    ] {
        let report = RunReport { duration: 5 * SECOND, ..report(&canary(&of, "eu"), 1, verdict, None, steps) };
        assert_eq!(samples(slo, &report), expected, "{what}");
    }
}

/// Runs each minute that took so long, or failed.
fn minutes(
    watched: &mut Watched<Latency>,
    minutes: std::ops::Range<u32>,
    took: impl Fn(u32) -> Option<Duration>,
) -> Vec<(u32, &'static str)> {
    let mut levels = vec![(minutes.start, watched.state())];
    for minute in minutes {
        let now = moment(Duration::from_mins(minute.into()));
        watched.waits(now);
        let level = watched.ran((took(minute).is_some(), took(minute).unwrap_or_default()), (RunRole::Alone, None), now);
        if levels.last().is_some_and(|(_, last)| *last != level) {
            levels.push((minute, level));
        }
    }
    levels
}

#[test]
fn a_mean_that_is_broken_beyond_doubt_pages_and_ends_with_its_short_window() {
    let mut watched = bounds(&slow(Some(2), None));
    // A day at 1 s ± 0.1; then 5 s. The mean of 24 h passes 2 s when a quarter is slow: after 6 h.
    let took = |minute: u32| Some(if minute < 1_440 { SECOND * 9 / 10 + SECOND / 10 * (minute % 3) } else { 5 * SECOND });
    let levels = minutes(&mut watched, 0..2_880, took);
    let [(0, "well"), (paged, "page")] = levels[..] else { panic!("{levels:?}") };
    assert!((1_440 + 360..1_440 + 480).contains(&paged), "{levels:?}");
    let words = watched.fact.as_ref().unwrap().words.clone().unwrap();
    assert!(words.starts_with("its mean is ") && words.contains(" and may be 2s over "), "{words}");
    // Both levels end when the last two hours are fast, though the mean of the day is not yet.
    let levels = minutes(&mut watched, 2_880..5_760, |_| Some(SECOND));
    let [(_, "page"), (well, "well")] = levels[..] else { panic!("{levels:?}") };
    assert!((2_880 + 60..2_880 + 121).contains(&well), "{levels:?}");
}

#[test]
fn a_bound_on_the_95th_percentile_that_is_broken_warns_and_one_that_is_broken_beyond_doubt_lately_pages() {
    for (one_in, wanted) in [(4, "page"), (10, "warn"), (40, "well")] {
        let mut watched = bounds(&slow(None, Some(2)));
        minutes(&mut watched, 0..2_880, |minute| Some(if minute % one_in == 0 { 9 * SECOND } else { SECOND }));
        assert_eq!(watched.state(), wanted, "one in {one_in}");
    }
}

#[test]
fn what_is_lost_breaks_a_quantile_and_no_mean() {
    for (of, wanted) in [(slow(None, Some(2)), "page"), (slow(Some(2), None), "well")] {
        let mut watched = bounds(&of);
        minutes(&mut watched, 0..200, |minute| (minute % 4 != 0).then_some(SECOND));
        assert_eq!(watched.state(), wanted);
    }
    let mut watched = bounds(&slow(None, Some(2)));
    minutes(&mut watched, 0..200, |minute| (minute % 4 != 0).then_some(SECOND));
    let words = watched.fact.as_ref().unwrap().words.clone().unwrap();
    assert!(words.starts_with("its p95 is beyond measure and may be 2s over ") && words.contains(" lost)"), "{words}");
}

#[test]
fn a_bound_ends_though_no_run_comes_any_more() {
    let mut watched = bounds(&slow(None, Some(2)));
    minutes(&mut watched, 0..100, |_| Some(9 * SECOND));
    assert_eq!(watched.state(), "page");
    watched.waits(moment(Duration::from_mins(100) + 3 * HOUR));
    assert_eq!((watched.state(), watched.rules.due()), ("well", None));
}

#[test]
fn a_handful_of_durations_decides_nothing() {
    for of in [slow(Some(2), None), slow(None, Some(2))] {
        let mut watched = bounds(&of);
        assert_eq!(minutes(&mut watched, 0..9, |_| Some(60 * SECOND)), [(0, "well")]);
    }
}

#[test]
fn a_level_survives_a_restart_and_another_window() {
    let of = slow(Some(2), None);
    let mut watched = bounds(&of);
    minutes(&mut watched, 0..60, |minute| (minute % 2 == 0).then_some(9 * SECOND));
    let now = moment(Duration::from_mins(61));
    let before = watched.rules.facts();
    watched.again(Latency::new(&of), now);
    assert_eq!((watched.rules.facts(), watched.state()), (before, "page"));
}

#[test]
fn durations_of_members_explain_a_bound_that_they_broke() {
    for (part, alone) in [(RunRole::Member, false), (RunRole::Alone, true)] {
        let mut watched = bounds(&slow(None, Some(2)));
        minutes(&mut watched, 0..30, |_| Some(SECOND));
        for minute in 30..60 {
            watched.ran((false, Duration::ZERO), (part, None), moment(Duration::from_mins(minute)));
        }
        assert_eq!((watched.state(), watched.alone()), ("page", alone));
    }
}
