//! The days of a component, from the counts of its probes. Pure.

use std::collections::BTreeMap;

use crate::history::RunCounts;

use super::model::{PublicDay, PublicState};

pub(super) const DAY_MS: i64 = 86_400_000;
/// The share of checks that must complete on a good day of a probe that promises nothing.
pub(super) const GOOD: f64 = 0.99;

/// Counted runs by the begin of their day, in UTC.
pub(super) type ByDay = BTreeMap<i64, RunCounts>;

/// The begin of a moment's day.
pub(super) fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}

/// The days until now, each with how it was; `good` is the share of checks that must complete on a good day, below 1.
pub(super) fn history(counts: &ByDay, days: u32, good: f64, now_ms: i64) -> Vec<PublicDay> {
    let today = day_of(now_ms);
    let day = |ago: i64| {
        let day_ms = today - ago * DAY_MS;
        let share = counts.get(&day_ms).copied().unwrap_or_default().success();
        PublicDay { day_ms, state: share.map_or(PublicState::Unknown, |share| judged(share, good)), share }
    };
    (0..i64::from(days)).rev().map(day).collect()
}

/// Disrupted is ten times as much as may fail, or half.
fn judged(share: f64, good: f64) -> PublicState {
    let (failed, allowed) = (1.0 - share, 1.0 - good);
    // What rounding makes of a share that is exactly kept is no failure.
    let more_than = |bound: f64| failed > bound + 1e-9;
    if more_than((allowed * 10.0).min(0.5)) {
        PublicState::Disrupted
    } else if more_than(allowed) {
        PublicState::Degraded
    } else {
        PublicState::Operational
    }
}

/// The share of all these days.
pub(super) fn share(counts: &ByDay, days: u32, now_ms: i64) -> Option<f64> {
    let since = day_of(now_ms) - (i64::from(days) - 1) * DAY_MS;
    let mut all = RunCounts::default();
    counts.range(since..=day_of(now_ms)).for_each(|(_, day)| all.add(*day));
    all.success()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000_000 + 12 * 3_600_000;

    fn by_day(of: &[(i64, u64, u64)]) -> ByDay {
        of.iter()
            .map(|(ago, passed, failed)| {
                (day_of(NOW) - ago * DAY_MS, RunCounts { passed: *passed, failed: *failed, ..RunCounts::default() })
            })
            .collect()
    }

    #[test]
    fn days_end_with_today_and_one_without_runs_is_not_a_good_one() {
        use PublicState::{Degraded, Disrupted, Operational, Unknown};
        let counts = by_day(&[(0, 10, 0), (2, 1, 1), (3, 97, 3), (9, 0, 9)]);
        let history = history(&counts, 5, GOOD, NOW);
        assert_eq!(history.last().map(|day| day.day_ms), Some(day_of(NOW)));
        let states: Vec<_> = history.iter().map(|day| day.state).collect();
        assert_eq!(states, [Unknown, Degraded, Disrupted, Unknown, Operational]);
        assert_eq!(history[0].share, None);
        assert_eq!(share(&counts, 5, NOW), Some(108.0 / 112.0), "what is older does not count");
        assert_eq!(share(&ByDay::new(), 5, NOW), None);
    }

    #[test]
    fn a_journey_that_may_fail_one_time_in_twenty_has_good_days_where_it_does() {
        use PublicState::{Degraded, Disrupted, Operational};
        for (share, good, expected) in [
            (0.95, 0.95, Operational),
            (0.94, 0.95, Degraded),
            (0.49, 0.95, Disrupted),
            (0.99, GOOD, Operational),
            (0.9, GOOD, Degraded),
            (0.89, GOOD, Disrupted),
            (1.0, 1.0, Operational),
            (0.999_9, 1.0, Disrupted),
        ] {
            assert_eq!(judged(share, good), expected, "{share} of {good}");
        }
    }
}
