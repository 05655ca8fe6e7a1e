//! How far back a page of a probe looks, and into how many bins of time that is cut.
//!
//! Bins are multiples of their length since the epoch, in UTC: a change of clocks neither shortens nor repeats one.

use crate::web::model::strip::Axis;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::web) enum Range {
    /// The last hour, run by run.
    Hour,
    /// 24 hours, hour by hour.
    #[default]
    Day,
    /// 7 days, by 3 hours.
    Week,
    /// 30 days, day by day.
    Month,
    /// 90 days, day by day.
    Quarter,
}

impl Range {
    /// All of them, the shortest first.
    pub(in crate::web) const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// The word in addresses.
    pub(in crate::web) fn word(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// The range of a word; the last hour for a word that is none.
    pub(in crate::web) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|range| range.word() == word).unwrap_or(Self::Hour)
    }

    /// After "in": `the last hour`, `24 hours`.
    pub(in crate::web) fn words(self) -> &'static str {
        match self {
            Self::Hour => "the last hour",
            Self::Day => "the last 24 hours",
            Self::Week => "the last 7 days",
            Self::Month => "the last 30 days",
            Self::Quarter => "the last 90 days",
        }
    }

    fn length_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
            Self::Quarter => 90 * DAY,
        }
    }

    fn bin_ms(self) -> i64 {
        match self {
            Self::Hour => MINUTE,
            Self::Day => HOUR,
            Self::Week => 3 * HOUR,
            Self::Month | Self::Quarter => DAY,
        }
    }

    /// How far back that lies with which a funnel is compared: the same hours of last week, or the period before.
    pub(in crate::web) fn compared_ms(self) -> i64 {
        match self {
            Self::Hour | Self::Day | Self::Week => 7 * DAY,
            Self::Month | Self::Quarter => self.length_ms(),
        }
    }

    /// What that is called.
    pub(in crate::web) fn compared(self) -> &'static str {
        match self {
            Self::Hour | Self::Day => "the same hours of last week",
            Self::Week => "the week before",
            Self::Month => "the 30 days before",
            Self::Quarter => "the 90 days before",
        }
    }

    /// Its bins up to the end of the one that is going on.
    pub(in crate::web) fn bins(self, now_ms: i64) -> Bins {
        let bin_ms = self.bin_ms();
        let to_ms = now_ms.div_euclid(bin_ms).saturating_add(1).saturating_mul(bin_ms);
        Bins { from_ms: to_ms.saturating_sub(self.length_ms()), to_ms, bin_ms }
    }
}

/// A range cut into equal bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "times end in their unit everywhere")]
pub(in crate::web) struct Bins {
    /// Where the first begins, milliseconds since the epoch.
    pub(in crate::web) from_ms: i64,
    /// Where the last ends.
    pub(in crate::web) to_ms: i64,
    /// How long each is, milliseconds.
    pub(in crate::web) bin_ms: i64,
}

impl Bins {
    /// Whether each is made of whole days.
    pub(in crate::web) fn is_by_day(self) -> bool {
        self.bin_ms % DAY == 0
    }

    /// How many there are.
    pub(in crate::web) fn count(self) -> usize {
        usize::try_from((self.to_ms - self.from_ms) / self.bin_ms).unwrap_or(0)
    }

    /// The bin of a moment; none outside.
    pub(in crate::web) fn of(self, ms: i64) -> Option<usize> {
        let bin = usize::try_from(ms.checked_sub(self.from_ms)?.div_euclid(self.bin_ms)).ok()?;
        (bin < self.count()).then_some(bin)
    }

    /// Where a bin begins.
    pub(in crate::web) fn start(self, bin: usize) -> i64 {
        self.from_ms + i64::try_from(bin).unwrap_or(0) * self.bin_ms
    }

    /// The same as an axis of strips.
    pub(in crate::web) fn axis(self) -> Axis {
        Axis { from_ms: self.from_ms, to_ms: self.to_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_lie_on_multiples_of_their_length_in_utc_also_over_a_change_of_clocks() {
        // Clocks in Europe were set back on 2026-10-25.
        let now = chrono::DateTime::parse_from_rfc3339("2026-10-26T10:17:00Z").unwrap().timestamp_millis();
        for range in Range::ALL {
            let bins = range.bins(now);
            assert_eq!((bins.from_ms % bins.bin_ms, bins.to_ms % bins.bin_ms), (0, 0), "{range:?}");
            assert_eq!((bins.to_ms - bins.from_ms, bins.of(now)), (range.length_ms(), Some(bins.count() - 1)), "{range:?}");
            assert!((24..=90).contains(&bins.count()), "{range:?}");
            assert!((0..bins.count()).all(|bin| bins.of(bins.start(bin)) == Some(bin)));
            assert_eq!((bins.of(bins.from_ms - 1), bins.of(bins.to_ms), bins.of(i64::MIN)), (None, None, None));
        }
    }

    #[test]
    fn a_word_that_is_no_range_means_the_last_hour() {
        assert_eq!((Range::of("90d"), Range::of(""), Range::of("<script>")), (Range::Quarter, Range::Hour, Range::Hour));
    }
}
