//! A window over time, divided into buckets of equal width.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::millis;

use super::Ratio;

/// What a bucket holds.
pub(in super::super) trait Tally: Default + Clone {
    /// Adds what another bucket holds.
    fn merge(&mut self, other: &Self);

    /// Whether nothing was put in.
    fn is_empty(&self) -> bool;
}

/// At most `count` buckets; empty ones take no room.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Buckets<T, S> {
    /// Whole milliseconds, at least 1.
    width: u64,
    count: u64,
    /// The slots' number is steady time divided by the width.
    pub(in super::super) ratio: Ratio<T, S>,
    /// When something was put in first, since it was empty.
    begun: Option<Duration>,
}

/// The stored form of buckets.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct BucketsRow<T> {
    width_ms: u64,
    /// Where the newest bucket begins, by the wall clock.
    newest_ms: i64,
    /// The newest first.
    buckets: Vec<T>,
    /// When something was first put in; an earlier version did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun_ms: Option<i64>,
}

impl<T: Tally, S> Buckets<T, S> {
    /// Buckets that hold `span` in all.
    pub(in super::super) fn of(span: Duration, count: u64) -> Self {
        Self { width: width(span, count), count, ratio: Ratio::default(), begun: None }
    }

    /// The current bucket, and whether it was just begun. A time before the newest bucket counts into the newest.
    pub(in super::super) fn at(&mut self, now: Duration) -> (&mut T, bool) {
        let number = self.number(now).max(self.ratio.newest());
        let begun = self.ratio.all().is_empty() || number > self.ratio.newest();
        self.ratio.prune(number, self.count);
        if self.ratio.window(number, self.count).is_empty() {
            self.begun = Some(now);
        }
        (self.ratio.slot(number), begun)
    }

    /// The number of the bucket of that time.
    pub(in super::super) fn number(&self, at: Duration) -> u64 {
        millis(at) / self.width
    }

    /// The bucket of a time that has been, if it is not too old.
    pub(in super::super) fn past(&mut self, at: Duration) -> Option<&mut T> {
        let number = self.number(at);
        let oldest = self.ratio.newest().saturating_sub(self.count);
        (number > oldest && number <= self.ratio.newest()).then(|| self.ratio.slot(number))
    }

    /// When the next bucket begins.
    pub(in super::super) fn next(&self, now: Duration) -> Duration {
        Duration::from_millis((self.number(now) + 1) * self.width)
    }

    /// How much of the window was recorded up to now; the whole window if at most one bucket is missing.
    pub(in super::super) fn recorded(&self, now: Duration) -> Duration {
        let whole = Duration::from_millis(self.width * self.count);
        let window = self.ratio.window(self.number(now).max(self.ratio.newest()), self.count);
        let oldest = window.first().map_or(now, |(number, _)| Duration::from_millis(number * self.width));
        let recorded = now.saturating_sub(self.begun.map_or(oldest, |begun| begun.max(oldest)));
        if recorded + Duration::from_millis(self.width) >= whole { whole } else { recorded }
    }

    /// How many buckets are at least so long.
    pub(in super::super) fn spanning(&self, time: Duration) -> u64 {
        millis(time).div_ceil(self.width)
    }

    /// Changes the span. The content of an old bucket goes into the new bucket in which it began.
    pub(in super::super) fn resize(&mut self, span: Duration) {
        let width = width(span, self.count);
        if width == self.width {
            return;
        }
        let old = std::mem::replace(&mut self.width, width);
        let slots: Vec<(u64, T)> = self.ratio.all().iter().map(|(number, tally)| (number * old / width, tally.clone())).collect();
        self.ratio.clear();
        for (number, tally) in slots {
            self.ratio.slot(number).merge(&tally);
        }
        self.ratio.prune(self.ratio.newest(), self.count);
    }

    /// The row for the store; `wall_ms` converts a steady time to the wall clock.
    pub(in super::super) fn to_row(&self, wall_ms: impl Fn(Duration) -> i64) -> BucketsRow<T> {
        let newest = self.ratio.newest();
        let slots = self.ratio.window(newest, self.count);
        let oldest = slots.iter().find(|(_, tally)| !tally.is_empty()).map_or(newest + 1, |(number, _)| *number);
        let bucket = |number: u64| {
            let place = slots.binary_search_by_key(&number, |(other, _)| *other);
            place.map_or_else(|_| T::default(), |place| slots[place].1.clone())
        };
        BucketsRow {
            width_ms: self.width,
            newest_ms: wall_ms(Duration::from_millis(newest * self.width)),
            buckets: (oldest..=newest).rev().map(bucket).collect(),
            begun_ms: self.begun.map(wall_ms),
        }
    }

    /// Restores the buckets from a row.
    pub(in super::super) fn from_row(kept: BucketsRow<T>, count: u64, steady: impl Fn(i64) -> Duration) -> Self {
        let width = kept.width_ms.max(1);
        let newest = millis(steady(kept.newest_ms)) / width;
        let numbered = kept.buckets.into_iter().zip((0..=newest).rev()).take(usize::try_from(count).unwrap_or(usize::MAX));
        let ratio = numbered.filter(|(tally, _)| !tally.is_empty()).map(|(tally, number)| (number, tally)).collect();
        Self { width, count, ratio, begun: kept.begun_ms.map(steady) }
    }
}

/// What several slots hold together.
pub(in super::super) fn sum<T: Tally>(slots: &super::Slots<T>) -> T {
    slots.iter().fold(T::default(), |mut sum, (_, tally)| {
        sum.merge(tally);
        sum
    })
}

fn width(span: Duration, count: u64) -> u64 {
    (millis(span) / count.max(1)).max(1)
}
