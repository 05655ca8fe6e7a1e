//! Which rollups tell of some hours: days where whole ones may come and are summed, and the hours around them.
//!
//! Pure: a store keeps hours in the table `rollups`, days in the table `days`, and in two marks how far days are summed.

use std::ops::Range;

use super::retention_clock::{DAY_MS, HOUR_MS};

/// Hours of a day.
pub(super) const HOURS: i64 = DAY_MS / HOUR_MS;

/// How far days are summed: the marks `days` and `days_canary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summed {
    /// The last day that is there of every canary.
    pub(super) day: i64,
    /// The last canary, by its number, of which the day after that is there.
    pub(super) canary: i64,
}

impl Summed {
    /// Every day up to this one is there.
    #[cfg(test)]
    fn up_to(day: i64) -> Self {
        Self { day, canary: 0 }
    }

    /// The first day that is not there of every canary.
    pub(super) fn end(self) -> i64 {
        self.day + 1
    }

    /// Whether the day of an hour of a canary is there.
    pub(super) fn covers(self, canary: i64, hour: i64) -> bool {
        let day = hour.div_euclid(HOURS);
        day <= self.day || day == self.day + 1 && canary <= self.canary
    }
}

/// What a rollup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Unit {
    /// Its column, its table, and how long it is.
    pub(super) fn place(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::Hour => ("hour", "rollups", HOUR_MS),
            Self::Day => ("day", "days", DAY_MS),
        }
    }
}

/// Rollups of a unit, by their numbers.
pub(super) type Part = (Unit, Range<i64>);

/// The hours that begin before `until_ms`, from the one that `since_ms` lies in.
pub(super) fn hours(since_ms: i64, until_ms: i64) -> Range<i64> {
    since_ms.div_euclid(HOUR_MS)..until_ms.div_euclid(HOUR_MS) + i64::from(until_ms.rem_euclid(HOUR_MS) > 0)
}

/// Which rollups tell of these hours: where days may come, whole ones as far as they are summed, and the hours around them.
pub(super) fn parts(by_day: bool, hours: Range<i64>, summed: Option<Summed>) -> Vec<Part> {
    let first = hours.start.saturating_add(HOURS - 1).div_euclid(HOURS);
    let last = summed.map_or(first, |summed| summed.end().min(hours.end.div_euclid(HOURS)));
    if !by_day || last <= first {
        return vec![(Unit::Hour, hours)];
    }
    let all = [(Unit::Hour, hours.start..first * HOURS), (Unit::Day, first..last), (Unit::Hour, last * HOURS..hours.end)];
    all.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}

/// The last so many of them, and when those begin if there are more.
pub(super) fn newest(mut parts: Vec<Part>, mut most: i64) -> (Vec<Part>, Option<i64>) {
    let mut is_cut = false;
    for (_, numbers) in parts.iter_mut().rev() {
        let kept = numbers.end.saturating_sub(numbers.start).clamp(0, most);
        is_cut |= numbers.end.saturating_sub(kept) > numbers.start;
        numbers.start = numbers.end - kept;
        most -= kept;
    }
    parts.retain(|(_, numbers)| !numbers.is_empty());
    let cut_ms = parts.first().filter(|_| is_cut).map(|(unit, numbers)| numbers.start.saturating_mul(unit.place().2));
    (parts, cut_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of these hours where days up to this one are summed.
    fn days_to(day: i64, hours: Range<i64>) -> Vec<Part> {
        parts(true, hours, Some(Summed::up_to(day)))
    }

    #[test]
    fn whole_days_that_are_summed_come_as_one_and_what_is_around_them_by_the_hour() {
        assert_eq!(days_to(9, 30..100), [(Unit::Hour, 30..48), (Unit::Day, 2..4), (Unit::Hour, 96..100)]);
        assert_eq!(days_to(9, 48..96), [(Unit::Day, 2..4)]);
        assert_eq!(days_to(2, 48..96), [(Unit::Day, 2..3), (Unit::Hour, 72..96)]);
        let hours = [(Unit::Hour, 48..96)];
        assert_eq!((days_to(1, 48..96), parts(true, 48..96, None)), (hours.to_vec(), hours.to_vec()));
        assert_eq!(parts(false, 48..96, Some(Summed::up_to(9))), hours);
        assert_eq!(days_to(9, 50..70), [(Unit::Hour, 50..70)]);
    }

    #[test]
    fn of_too_many_the_newest_stay_and_it_is_told_since_when() {
        let all = || days_to(9, 30..100);
        assert_eq!(newest(all(), 24), (all(), None));
        assert_eq!(newest(all(), 8), (vec![(Unit::Hour, 46..48), (Unit::Day, 2..4), (Unit::Hour, 96..100)], Some(46 * HOUR_MS)));
        assert_eq!(newest(all(), 5), (vec![(Unit::Day, 3..4), (Unit::Hour, 96..100)], Some(3 * DAY_MS)));
    }
}
