//! What is promised, how much of the error budget is left, and when it will be gone.

use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::base::time::signed_millis;
use crate::history::RunCounts;
use crate::plan::Slo;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Points of the course.
const POINTS: i64 = 84;

/// An objective of success over its window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::web) struct Budget {
    /// The share that must pass.
    pub(in crate::web) objective: f64,
    /// Over how long, in milliseconds.
    #[serde(rename = "window_ms", serialize_with = "in_ms")]
    #[schema(value_type = i64)]
    pub(in crate::web) window: Duration,
    /// Runs that failed within it, as far as they were read.
    pub(in crate::web) failed: u64,
    /// Runs that passed or failed within it.
    pub(in crate::web) all: u64,
    /// What is left, from 0 to 1; none where everything must pass, and without runs.
    pub(in crate::web) left: Option<f64>,
    /// What was left over time: milliseconds since the epoch, and a share.
    pub(in crate::web) course: Vec<(i64, f64)>,
    /// When nothing is left if runs go on failing as in the last hour; none if it lasts.
    pub(in crate::web) gone_ms: Option<i64>,
}

fn in_ms<S: Serializer>(window: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(signed_millis(*window))
}

impl Budget {
    /// The share of runs that passed.
    pub(in crate::web) fn success(&self) -> Option<f64> {
        (self.all > 0).then(|| (self.all - self.failed.min(self.all)) as f64 / self.all as f64)
    }

    /// Whether everything must pass, so that there is no budget.
    pub(in crate::web) fn is_whole(&self) -> bool {
        self.objective >= 1.0
    }
}

/// Whether what counts for an objective of this window may come by whole days.
pub(super) fn is_by_day(window: Duration) -> bool {
    window > Duration::from_hours(24 * 7)
}

/// The budget of an objective; none if it says nothing of success. Given is how runs of its window ended, by when an hour or a day
/// began. What alerting knows of what is left goes before what these say.
pub(super) fn budget(slo: &Slo, counts: &[(i64, RunCounts)], left: Option<f64>, now_ms: i64) -> Option<Budget> {
    let objective = slo.success?;
    let from_ms = now_ms.saturating_sub(signed_millis(slo.window));
    let (failed, all) = summed(counts.iter());
    let mut found = Budget { objective, window: slo.window, failed, all, left: None, course: Vec::new(), gone_ms: None };
    let may_fail = (1.0 - objective) * all as f64;
    if found.is_whole() || all == 0 {
        return Some(found);
    }
    found.left = Some(left.unwrap_or_else(|| left_after(failed, may_fail)));
    let least_ms = if is_by_day(slo.window) { DAY_MS } else { HOUR_MS };
    found.course = course(counts, (from_ms, now_ms), least_ms, may_fail);
    if let (Some(last), Some(left)) = (found.course.last_mut(), found.left) {
        last.1 = left;
    }
    found.gone_ms = gone(counts, objective, may_fail * found.left.unwrap_or_default(), (now_ms, slo.window));
    Some(found)
}

/// What is left after so many failures, without the noise of the last digits, which would turn a half into less than one.
fn left_after(failed: u64, may_fail: f64) -> f64 {
    ((1.0 - failed as f64 / may_fail).max(0.0) * 1e9).round() / 1e9
}

/// How many failed, and how many passed or failed.
fn summed<'a>(counts: impl Iterator<Item = &'a (i64, RunCounts)>) -> (u64, u64) {
    counts.fold((0, 0), |(failed, all), (_, count)| (failed + count.failed, all + count.counted()))
}

/// The course in steps that are at least so long.
fn course(counts: &[(i64, RunCounts)], (from_ms, now_ms): (i64, i64), least_ms: i64, may_fail: f64) -> Vec<(i64, f64)> {
    let step = ((now_ms - from_ms) / POINTS).max(least_ms).min((now_ms - from_ms).max(1));
    let mut failed = vec![0_u64; usize::try_from((now_ms - from_ms) / step + 1).unwrap_or(1)];
    for (at_ms, count) in counts {
        // The hour that the window begins in counts from its begin.
        let at = usize::try_from(((*at_ms).max(from_ms) - from_ms) / step).unwrap_or(0).min(failed.len() - 1);
        failed[at] += count.failed;
    }
    let mut points = vec![(from_ms, 1.0)];
    let mut spent = 0;
    for (at, failed) in (1_i64..).zip(failed) {
        spent += failed;
        let end = (from_ms + at * step).min(now_ms);
        points.push((end, left_after(spent, may_fail)));
    }
    points.dedup_by_key(|(at, _)| *at);
    points
}

/// When so many more runs will have failed; none if that is not within another window, or if the present share of failures is
/// allowed for ever.
fn gone(counts: &[(i64, RunCounts)], objective: f64, may_still_fail: f64, (now_ms, window): (i64, Duration)) -> Option<i64> {
    let since = now_ms.div_euclid(HOUR_MS) * HOUR_MS - HOUR_MS;
    let (failed, all) = summed(counts.iter().filter(|(at_ms, _)| *at_ms >= since));
    // A share such as 0.9 has no exact binary form, and one failure of ten must count as the tenth that is allowed.
    let is_allowed = failed as f64 <= (1.0 - objective) * all as f64 + 1e-9;
    if may_still_fail <= 0.0 || failed == 0 || is_allowed {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is compared with a window, and what is too large stays so")]
    let lasts = (may_still_fail / failed as f64 * (now_ms - since) as f64).round() as i64;
    (lasts < signed_millis(window)).then(|| now_ms + lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000 * HOUR_MS;

    fn slo(success: f64) -> Slo {
        Slo { success: Some(success), degraded: None, latency: None, window: Duration::from_hours(24) }
    }

    /// Each hour of a day 10 runs, with so many failures in each of the last hours.
    fn day(failures: &[u64]) -> Vec<(i64, RunCounts)> {
        let failed = |at: usize| failures.get((at + failures.len()).wrapping_sub(24)).copied().unwrap_or(0);
        let hour = |at: usize| {
            let start = NOW - HOUR_MS * (24 - i64::try_from(at).unwrap());
            (start, RunCounts { passed: 10 - failed(at), failed: failed(at), ..RunCounts::default() })
        };
        (0..24).map(hour).collect()
    }

    #[test]
    fn what_is_left_falls_with_each_failure_and_ends_at_what_alerting_says() {
        let found = budget(&slo(0.9), &day(&[6, 6]), None, NOW).unwrap();
        assert_eq!((found.failed, found.all, found.left), (12, 240, Some(0.5)));
        assert!(found.course.windows(2).all(|pair| pair[1].0 > pair[0].0 && pair[1].1 <= pair[0].1), "{:?}", found.course);
        assert_eq!((found.course[0], found.course.last().copied()), ((NOW - 24 * HOUR_MS, 1.0), Some((NOW, 0.5))));
        let told = budget(&slo(0.9), &day(&[6, 6]), Some(0.4), NOW).unwrap();
        assert_eq!((told.left, told.course.last().copied()), (Some(0.4), Some((NOW, 0.4))));
    }

    #[test]
    fn it_is_gone_when_the_last_hour_goes_on_and_lasts_where_that_is_allowed() {
        // 12 more may fail, and 6 did within the last hour.
        assert_eq!(budget(&slo(0.9), &day(&[6, 6]), None, NOW).unwrap().gone_ms, Some(NOW + 2 * HOUR_MS));
        assert_eq!(budget(&slo(0.9), &day(&[1, 1]), None, NOW).unwrap().gone_ms, None);
        assert_eq!(budget(&slo(0.9), &day(&[9, 9, 9, 9]), None, NOW).unwrap().left, Some(0.0));
    }

    #[test]
    fn where_everything_must_pass_there_is_no_budget_and_without_runs_there_is_none_either() {
        let whole = budget(&slo(1.0), &day(&[2]), None, NOW).unwrap();
        assert!(whole.is_whole() && whole.left.is_none() && whole.course.is_empty() && whole.failed == 2);
        let none = budget(&slo(0.9), &[], Some(1.0), NOW).unwrap();
        assert_eq!((none.success(), none.left, none.course.len()), (None, None, 0));
        assert!(budget(&Slo { success: None, ..slo(0.9) }, &[], None, NOW).is_none());
    }
}
