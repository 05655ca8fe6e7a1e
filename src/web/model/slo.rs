//! Objectives by the calendar: the share of runs that passed, what is left of the error budget and how fast it burns, by week and month.
//!
//! Pure functions from hours and days that were counted. Weeks are those of ISO 8601, all times are UTC. The window of an objective slides, and
//! these periods do not: they are for reports, and the pages show the window.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::history::{ProbeCounts, RunCounts};

/// How long a period is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum SloBy {
    /// From Monday on.
    #[default]
    Week,
    /// From the first on.
    Month,
}

/// A week or a month.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::web) struct SloPeriod {
    /// `2026-W47` or `2026-11`.
    pub(in crate::web) name: String,
    /// Where it begins, milliseconds since the epoch.
    pub(in crate::web) from_ms: i64,
    /// Where it ends.
    pub(in crate::web) to_ms: i64,
    /// Whether it goes on.
    pub(in crate::web) is_partial: bool,
    /// Since when its runs are kept, where that is only a part of it, or none: history was removed, or the probe began later.
    pub(in crate::web) kept_since_ms: Option<i64>,
    /// Counted runs that passed.
    pub(in crate::web) passed: u64,
    /// Counted runs that failed.
    pub(in crate::web) failed: u64,
    /// The share that passed, 0..=1; absent without runs.
    pub(in crate::web) share: Option<f64>,
    /// What is left of the error budget of the runs so far: 1 is all, below 0 more failed than may. Absent without an objective below 1
    /// and without runs.
    pub(in crate::web) left: Option<f64>,
    /// How many times as fast as it may the budget burns: 1 is just what is allowed. Absent as `left` is.
    pub(in crate::web) burn: Option<f64>,
}

/// Where the period of a day begins, and the next one.
fn bounds(by: SloBy, day: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let from = match by {
        SloBy::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()))?,
        SloBy::Month => day.with_day(1)?,
    };
    let to = match by {
        SloBy::Week => from.checked_add_days(Days::new(7))?,
        SloBy::Month => from.checked_add_months(Months::new(1))?,
    };
    Some((from, to))
}

fn name(by: SloBy, from: NaiveDate) -> String {
    match by {
        SloBy::Week => from.format("%G-W%V").to_string(),
        SloBy::Month => from.format("%Y-%m").to_string(),
    }
}

fn ms(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

/// So many periods up to now, the newest first, of hours or days in any order; a day lies within one period.
pub(in crate::web) fn periods(
    by: SloBy,
    most: usize,
    counts: &[ProbeCounts],
    objective: Option<f64>,
    kept_since_ms: Option<i64>,
    now_ms: i64,
) -> Vec<SloPeriod> {
    let today = DateTime::from_timestamp_millis(now_ms).map(|now| now.date_naive());
    let mut next = today.and_then(|today| bounds(by, today));
    let mut found = Vec::new();
    while let Some((from, to)) = next.filter(|_| found.len() < most) {
        let (from_ms, to_ms) = (ms(from), ms(to));
        let within = counts.iter().filter(|counts| (from_ms..to_ms).contains(&counts.start_ms));
        let mut sum = RunCounts::default();
        within.for_each(|within| sum.add(within.counts));
        let (share, burn) = (sum.success(), burn(sum, objective));
        let left = burn.map(|burn| 1.0 - burn);
        found.push(SloPeriod {
            name: name(by, from),
            from_ms,
            to_ms,
            is_partial: now_ms < to_ms,
            kept_since_ms: kept_since_ms.filter(|since_ms| *since_ms > from_ms),
            passed: sum.passed,
            failed: sum.failed,
            share,
            left,
            burn,
        });
        next = from.pred_opt().and_then(|before| bounds(by, before));
    }
    found
}

/// Where so many periods begin and end, the newest first, milliseconds since the epoch.
pub(in crate::web) fn spans_ms(by: SloBy, most: usize, now_ms: i64) -> Vec<(i64, i64)> {
    periods(by, most, &[], None, None, now_ms).into_iter().map(|period| (period.from_ms, period.to_ms)).collect()
}

/// The share that failed, in parts of the one that may.
#[expect(clippy::cast_precision_loss, reason = "there are fewer runs than 2⁵²")]
fn burn(counts: RunCounts, objective: Option<f64>) -> Option<f64> {
    let objective = objective.filter(|objective| *objective < 1.0 && counts.counted() > 0)?;
    let share = counts.failed as f64 / ((1.0 - objective) * counts.counted() as f64);
    // Without the noise of the last digits, which would turn all of a budget into less.
    Some((share * 1e9).round() / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn at(day: (i32, u32, u32), hour: i64) -> i64 {
        ms(NaiveDate::from_ymd_opt(day.0, day.1, day.2).unwrap()) + hour * HOUR_MS
    }

    fn hour(start_ms: i64, passed: u64, failed: u64) -> ProbeCounts {
        ProbeCounts { start_ms, counts: RunCounts { passed, failed, ..RunCounts::default() } }
    }

    #[test]
    fn weeks_begin_on_mondays_also_over_the_end_of_a_year() {
        // The first of January 2027 is a Friday of the last week of 2026.
        let now = at((2027, 1, 1), 5);
        let hours = [
            hour(at((2026, 12, 28), 0), 90, 10),
            hour(at((2026, 12, 27), 23), 99, 1),
            hour(at((2026, 12, 20), 23), 1_000, 1_000),
        ];
        let found = periods(SloBy::Week, 2, &hours, Some(0.9), None, now);
        let said: Vec<_> = found.iter().map(|week| (&*week.name, week.is_partial, week.passed, week.failed)).collect();
        assert_eq!(said, [("2026-W53", true, 90, 10), ("2026-W52", false, 99, 1)]);
        assert_eq!((found[0].left, found[0].burn), (Some(0.0), Some(1.0)), "all of the budget is spent, and no more");
        assert_eq!((found[1].left, found[1].burn), (Some(0.9), Some(0.1)));
        let begin = (at((2026, 12, 21), 0), at((2026, 12, 28), 0));
        assert_eq!(spans_ms(SloBy::Week, 2, now)[1], begin);
    }

    #[test]
    fn months_have_their_own_lengths_and_more_failures_than_may_be_leave_less_than_nothing() {
        let hours = [hour(at((2027, 2, 28), 23), 50, 50), hour(at((2027, 3, 1), 0), 1, 0)];
        let found = periods(SloBy::Month, 3, &hours, Some(0.75), None, at((2027, 3, 1), 1));
        let said: Vec<_> = found.iter().map(|month| (&*month.name, month.share, month.left)).collect();
        assert_eq!(said, [("2027-03", Some(1.0), Some(1.0)), ("2027-02", Some(0.5), Some(-1.0)), ("2027-01", None, None)]);
    }

    #[test]
    fn without_an_objective_and_where_everything_must_pass_there_is_a_share_and_no_budget() {
        for objective in [None, Some(1.0)] {
            let found = periods(SloBy::Month, 1, &[hour(at((2027, 3, 1), 0), 3, 1)], objective, None, at((2027, 3, 1), 1));
            assert_eq!((found[0].share, found[0].left, found[0].burn), (Some(0.75), None, None));
        }
    }

    #[test]
    fn a_period_of_which_only_a_part_is_kept_says_since_when() {
        let since = at((2027, 2, 10), 7);
        let found = periods(SloBy::Month, 3, &[hour(since, 1, 0)], None, Some(since), at((2027, 3, 1), 1));
        let said: Vec<_> = found.iter().map(|month| (&*month.name, month.kept_since_ms, month.passed)).collect();
        assert_eq!(said, [("2027-03", None, 0), ("2027-02", Some(since), 1), ("2027-01", Some(since), 0)]);
        let begin = Some(at((2027, 2, 1), 0));
        assert_eq!(periods(SloBy::Month, 2, &[], None, begin, at((2027, 3, 1), 1))[1].kept_since_ms, None);
    }
}
