//! A histogram of durations with buckets of equal ratio: small, mergeable, with a bounded error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ring::Bucket;

/// Ratio of the edges of a bucket: a quantile is at most 5 % above the true one, and never below it.
const RATIO: f64 = 1.05;

/// Edge below which durations are not told apart.
const SMALLEST: f64 = 0.001;

/// Buckets at most: up to 24 h.
const BUCKETS: u16 = 375;

/// Durations by bucket, with their exact sum. Only buckets that something fell in take memory: 8 bytes each, 3 KiB at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Number of a bucket and how many fell in, ascending.
    counts: Vec<(u16, u32)>,
    /// Seconds.
    sum: f64,
    /// Seconds squared.
    squares: f64,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.put(bucket(seconds), 1);
        self.sum += seconds;
        self.squares += seconds * seconds;
    }

    fn put(&mut self, bucket: u16, count: u32) {
        match self.counts.binary_search_by_key(&bucket, |(number, _)| *number) {
            Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(count),
            Err(at) => self.counts.insert(at, (bucket, count)),
        }
    }

    /// How many durations are in it.
    pub fn count(&self) -> u32 {
        self.counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The exact mean; nothing of nothing.
    pub fn mean(&self) -> Option<Duration> {
        let count = self.count();
        (count > 0).then(|| Duration::from_secs_f64(self.sum / f64::from(count)))
    }

    /// Standard error of the mean, in seconds.
    pub(super) fn error_of_mean(&self) -> f64 {
        let count = f64::from(self.count());
        let variance = (self.squares - self.sum * self.sum / count) / (count - 1.0);
        if count < 2.0 { f64::INFINITY } else { (variance.max(0.0) / count).sqrt() }
    }

    /// The smallest duration that a share of them does not exceed, rounded up to the edge of its bucket; nothing of nothing.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (share * f64::from(self.count())).ceil().max(1.0);
        let mut below = 0.0;
        self.counts.iter().find_map(|(number, count)| {
            below += f64::from(*count);
            (below >= rank).then(|| Duration::from_secs_f64(upper(*number)))
        })
    }

    /// How many are certain to lie above a bound: those in buckets that begin at it or after it.
    pub fn above(&self, bound: Duration) -> u32 {
        let first = bucket(bound.as_secs_f64());
        self.counts.iter().filter(|(number, _)| *number > first).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// The bucket of a duration: number 0 up to the smallest edge, then (edge, edge × ratio] each.
fn bucket(seconds: f64) -> u16 {
    if seconds <= SMALLEST {
        return 0;
    }
    let number = ((seconds / SMALLEST).ln() / RATIO.ln()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and the number of buckets")]
    let number = number.clamp(0.0, f64::from(BUCKETS)) as u16;
    number
}

fn upper(number: u16) -> f64 {
    SMALLEST * RATIO.powi(i32::from(number))
}

impl Bucket for Histogram {
    fn merge(&mut self, other: &Self) {
        for (number, count) in &other.counts {
            self.put(*number, *count);
        }
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}
