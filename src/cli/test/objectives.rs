//! Where runs would be over the objectives of their probe. It is told, and decides nothing: an objective is about a window of many runs.

use std::time::Duration;

use crate::alert::condition::latency_samples;
use crate::cli::report::FinishedRun;
use crate::cli::style::human_duration;
use crate::outcome::Verdict;
use crate::plan::{LatencyOf, LatencySlo, Probe};

/// What a probe's latency objective measures, such as `convergence of "read back"`.
pub(super) fn measured(slo: &LatencySlo) -> String {
    let of = match slo.of {
        LatencyOf::Duration => "duration",
        LatencyOf::Convergence => "convergence",
    };
    match &slo.step {
        Some(step) => format!("{of} of \"{step}\""),
        None => of.to_owned(),
    }
}

/// The durations of passed runs that a probe's latency objective is about, shortest first; nothing without one.
pub(super) fn durations(runs: &[FinishedRun]) -> Vec<Duration> {
    let mut all = Vec::new();
    for run in runs {
        if let Some(slo) = latency(&run.report.canary.probe) {
            all.extend(latency_samples(slo, &run.report).into_iter().flatten());
        }
    }
    all.sort_unstable();
    all
}

fn latency(probe: &Probe) -> Option<&LatencySlo> {
    probe.slo.as_ref()?.latency.as_ref()
}

/// Where one run that passed is over a bound of its probe's latency objective.
pub(super) fn of_run(run: &FinishedRun) -> Option<String> {
    let slo = latency(&run.report.canary.probe)?;
    let longest = *durations(std::slice::from_ref(run)).last()?;
    let over: Vec<String> = [("mean", slo.mean), ("p95", slo.p95), ("p99", slo.p99)]
        .into_iter()
        .filter_map(|(name, bound)| Some((name, bound.filter(|bound| longest > *bound)?)))
        .map(|(name, bound)| objective(name, bound))
        .collect();
    let (last, others) = over.split_last()?;
    let over = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    Some(format!("{} {}, over {over}", measured(slo), human_duration(longest)))
}

/// Where several runs of one canary together miss an objective of their probe, a sentence each.
pub(super) fn of_canary(runs: &[FinishedRun]) -> Vec<String> {
    let Some(slo) = runs.first().and_then(|run| run.report.canary.probe.slo.as_ref()) else { return Vec::new() };
    let count = |verdict| runs.iter().filter(|run| run.report.verdict == verdict).count();
    let (passed, failed) = (count(Verdict::Passed), count(Verdict::Failed));
    let mut missed = Vec::new();
    if let Some(success) = slo.success.filter(|success| passed + failed > 0 && share(passed, passed + failed) < *success) {
        let passed = percent(share(passed, passed + failed));
        missed.push(format!("{passed} passed, under the success objective of {}", percent(success)));
    }
    let durations = durations(runs);
    let Some(slo) = slo.latency.as_ref().filter(|_| !durations.is_empty()) else { return missed };
    let mean = durations.iter().sum::<Duration>() / u32::try_from(durations.len()).unwrap_or(u32::MAX);
    let seen =
        [("mean", mean, slo.mean), ("p95", percentile(&durations, 95), slo.p95), ("p99", percentile(&durations, 99), slo.p99)];
    for (name, seen, bound) in seen {
        if let Some(bound) = bound.filter(|bound| seen > *bound) {
            let seen = human_duration(seen);
            missed.push(format!("{name} {} {seen}, over {}", measured(slo), objective(name, bound)));
        }
    }
    missed
}

fn objective(name: &str, bound: Duration) -> String {
    format!("the {name} objective of {}", humantime::format_duration(bound))
}

/// The least duration that so many of a hundred do not exceed. There must be one, and they must be in order.
pub(super) fn percentile(ordered: &[Duration], percent: usize) -> Duration {
    let rank = (ordered.len() * percent).div_ceil(100).max(1);
    ordered[rank - 1]
}

#[expect(clippy::cast_precision_loss, reason = "nobody makes so many runs")]
pub(super) fn share(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}

/// `95 %`, `99.9 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", (share * 1_000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outcome::testing as made;
    use crate::outcome::{RunReport, StepReport};
    use crate::plan::{Slo, testing};

    fn run(latency: LatencySlo, millis: u64, verdict: Verdict) -> FinishedRun {
        let slo = Slo { success: Some(0.9), degraded: None, latency: Some(latency), window: Duration::from_hours(1) };
        let canary = testing::canary(&Arc::new(Probe { slo: Some(slo), ..testing::probe("p") }), "eu");
        let took = Duration::from_millis(millis);
        let step = StepReport { convergence: Some(took), ..made::step("read") };
        let report = made::run(&canary, verdict, std::time::SystemTime::UNIX_EPOCH);
        FinishedRun { report: Arc::new(RunReport { duration: took, steps: vec![step], ..report }), cleanup: None }
    }

    fn bounds(step: Option<&str>, mean: u64, p95: u64) -> LatencySlo {
        let of = if step.is_some() { LatencyOf::Convergence } else { LatencyOf::Duration };
        let bound = |secs| Some(Duration::from_secs(secs));
        LatencySlo { step: step.map(Into::into), of, mean: bound(mean), p95: bound(p95), p99: None }
    }

    #[test]
    fn a_run_is_held_against_each_bound_and_only_if_it_passed() {
        let told = |slo, millis, verdict| of_run(&run(slo, millis, verdict));
        assert_eq!(told(bounds(None, 2, 5), 1_999, Verdict::Passed), None);
        assert_eq!(told(bounds(None, 2, 5), 2_400, Verdict::Passed).unwrap(), "duration 2.40 s, over the mean objective of 2s");
        assert_eq!(
            told(bounds(Some("read"), 2, 5), 6_000, Verdict::Passed).unwrap(),
            "convergence of \"read\" 6.00 s, over the mean objective of 2s and the p95 objective of 5s"
        );
        assert_eq!(told(bounds(None, 2, 5), 9_000, Verdict::Failed), None);
    }

    #[test]
    fn runs_of_a_canary_are_judged_together() {
        let several = |millis: &[u64], failed: usize| {
            let passed = millis.iter().map(|millis| run(bounds(None, 2, 5), *millis, Verdict::Passed));
            let failed = (0..failed).map(|_| run(bounds(None, 2, 5), 9_000, Verdict::Failed));
            of_canary(&passed.chain(failed).collect::<Vec<_>>())
        };
        assert_eq!(several(&[1_000, 2_900], 0), Vec::<String>::new());
        assert_eq!(several(&[1_000, 3_100], 0), ["mean duration 2.05 s, over the mean objective of 2s"]);
        assert_eq!(several(&[1_000, 1_000, 1_000], 1), ["75 % passed, under the success objective of 90 %"]);
        assert_eq!(several(&[], 0), Vec::<String>::new());
    }

    #[test]
    fn a_percentile_is_a_duration_that_was_seen() {
        let ordered: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
        let seen = |percent| percentile(&ordered, percent).as_secs();
        assert_eq!([seen(50), seen(95), seen(99), seen(100)], [10, 19, 20, 20]);
        assert_eq!(percentile(&ordered[..1], 50).as_secs(), 1);
    }
}
