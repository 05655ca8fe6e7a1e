//! A ring of time buckets: what happened in the last so many spans of equal width.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a bucket holds.
pub(super) trait Bucket: Default + Clone {
    /// Adds what another bucket holds.
    fn merge(&mut self, other: &Self);

    /// Whether nothing was put in.
    fn is_empty(&self) -> bool;
}

/// At most `slots` buckets, the newest first. Those before the first entry are not allocated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ring<B> {
    /// Whole milliseconds, at least 1.
    width: u64,
    slots: u16,
    /// Number of the newest bucket: steady time divided by the width.
    newest: u64,
    buckets: VecDeque<B>,
}

/// A ring as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept<B> {
    width_ms: u64,
    /// Where the newest bucket begins, by the wall clock.
    newest_ms: i64,
    buckets: Vec<B>,
}

impl<B: Bucket> Ring<B> {
    pub(super) fn new(width: Duration, slots: u16) -> Self {
        Self { width: millis(width).max(1), slots, newest: 0, buckets: VecDeque::new() }
    }

    /// A ring whose buckets hold `span` in all.
    pub(super) fn of(span: Duration, slots: u16) -> Self {
        Self::new(span / u32::from(slots), slots)
    }

    /// Whether [`of`](Self::of) this span gives buckets of the same width.
    pub(super) fn spans(&self, span: Duration) -> bool {
        self.width == Self::of(span, self.slots).width
    }

    /// How long so many buckets are.
    pub(super) fn time(&self, buckets: u16) -> Duration {
        self.width() * u32::from(buckets)
    }

    /// How long a bucket is.
    fn width(&self) -> Duration {
        Duration::from_millis(self.width)
    }

    /// The bucket of now, and whether it was just begun. Time that goes back stays in the newest.
    pub(super) fn at(&mut self, now: Duration) -> (&mut B, bool) {
        let number = millis(now) / self.width;
        let begun = self.buckets.is_empty() || number > self.newest;
        if begun {
            let gap = usize::try_from(number.saturating_sub(self.newest)).unwrap_or(usize::MAX);
            if self.buckets.is_empty() || gap >= usize::from(self.slots) {
                self.buckets.clear();
                self.buckets.push_front(B::default());
            } else {
                (0..gap).for_each(|_| self.buckets.push_front(B::default()));
                self.buckets.truncate(self.slots.into());
            }
            self.newest = number;
        }
        (self.buckets.front_mut().expect("a bucket was just made sure of"), begun)
    }

    /// Everything in the bucket of now and in those before it, `count` in all.
    pub(super) fn last(&self, count: u16, now: Duration) -> B {
        let mut sum = B::default();
        for bucket in self.recent(count, now) {
            sum.merge(bucket);
        }
        sum
    }

    /// Those buckets one by one.
    pub(super) fn recent(&self, count: u16, now: Duration) -> impl Iterator<Item = &B> + Clone {
        let past = usize::try_from((millis(now) / self.width).saturating_sub(self.newest)).unwrap_or(usize::MAX);
        self.buckets.iter().take(usize::from(count).saturating_sub(past))
    }

    /// The same past in buckets that hold another span; what an old bucket holds goes where it began.
    pub(super) fn resized(&self, span: Duration) -> Self {
        let mut ring = Self::of(span, self.slots);
        let oldest = self.newest.saturating_sub(self.buckets.len().saturating_sub(1) as u64);
        for (number, bucket) in (oldest..).zip(self.buckets.iter().rev()).filter(|(_, bucket)| !bucket.is_empty()) {
            ring.at(Duration::from_millis(number * self.width)).0.merge(bucket);
        }
        ring
    }

    /// As it is kept, without the empty buckets at its old end; `wall_ms` tells a steady time by the wall clock.
    pub(super) fn kept(&self, wall_ms: impl Fn(Duration) -> i64) -> Kept<B> {
        let used = self.buckets.iter().rposition(|bucket| !bucket.is_empty()).map_or(0, |last| last + 1);
        Kept {
            width_ms: self.width,
            newest_ms: wall_ms(Duration::from_millis(self.newest * self.width)),
            buckets: self.buckets.iter().take(used).cloned().collect(),
        }
    }

    /// As it was kept.
    pub(super) fn restored(kept: Kept<B>, slots: u16, steady: impl Fn(i64) -> Duration) -> Self {
        let mut ring = Self::new(Duration::from_millis(kept.width_ms), slots);
        ring.newest = millis(steady(kept.newest_ms)) / ring.width;
        ring.buckets = kept.buckets.into_iter().take(slots.into()).collect();
        ring
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
