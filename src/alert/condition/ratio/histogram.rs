//! A histogram of durations with buckets of equal ratio: small, mergeable, with a bounded error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::log_buckets::{Counts, Scale};

use super::super::is_default;
use super::buckets::Tally;

/// Ratio of the edges of a bucket: a quantile is at most 5 % above the true one, and never below it.
const RATIO: f64 = 1.05;

/// Edge below which durations are not told apart.
const SMALLEST: f64 = 0.001;

/// Buckets at most: up to 24 h.
const BUCKETS: u16 = 375;

const SCALE: Scale = Scale::new(SMALLEST, RATIO, BUCKETS);

/// Durations by bucket, with their exact sum. It takes 3 KiB at most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Counts,
    /// Seconds.
    sum: f64,
    /// Seconds squared.
    squares: f64,
    /// Lost durations: longer than any bound, and in no mean.
    #[serde(default, skip_serializing_if = "is_default")]
    lost: u32,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.counts.add(SCALE.bucket(seconds), 1);
        self.sum += seconds;
        self.squares += seconds * seconds;
    }

    /// Makes one from bucket counts, the sum in seconds and the sum of squares.
    pub(in super::super) fn of_parts(counts: Vec<(u16, u32)>, sum: f64, squares: f64) -> Self {
        Self { counts: counts.into(), sum, squares, lost: 0 }
    }

    /// Adds a lost one.
    pub fn add_lost(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// Number of lost ones.
    pub fn lost(&self) -> u32 {
        self.lost
    }

    /// Number of durations, without lost ones.
    pub fn count(&self) -> u32 {
        u32::try_from(self.counts.total()).unwrap_or(u32::MAX)
    }

    /// The exact mean; nothing without durations.
    pub fn mean(&self) -> Option<Duration> {
        let count = self.count();
        (count > 0).then(|| Duration::from_secs_f64(self.sum / f64::from(count)))
    }

    /// The quantile: the smallest duration that this share does not exceed, rounded up to the edge of its bucket. Nothing without
    /// durations, or if the quantile is a lost one.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (share * f64::from(self.count().saturating_add(self.lost))).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number of at least 1")]
        let bucket = self.counts.at_rank(rank as u64)?;
        Some(Duration::from_secs_f64(SCALE.edge(bucket)))
    }

    /// How many are certainly above a bound: those in later buckets, and lost ones.
    pub fn above(&self, bound: Duration) -> u32 {
        let above = u64::from(self.lost) + self.counts.above(SCALE.bucket(bound.as_secs_f64()));
        u32::try_from(above).unwrap_or(u32::MAX)
    }
}

/// The sum of several histograms minus others, computed without merging them.
#[derive(Debug)]
pub(in super::super) struct Several<'h> {
    histograms: Vec<&'h Histogram>,
    without: Vec<&'h Histogram>,
    count: f64,
    lost: f64,
    sum: f64,
    squares: f64,
}

impl<'h> Several<'h> {
    pub(in super::super) fn new(
        histograms: impl Iterator<Item = &'h Histogram>,
        without: impl Iterator<Item = &'h Histogram>,
    ) -> Self {
        let (histograms, without): (Vec<_>, Vec<_>) = (histograms.collect(), without.collect());
        let total = |of: fn(&Histogram) -> f64| {
            let sum = |histograms: &[&Histogram]| histograms.iter().map(|histogram| of(histogram)).sum::<f64>();
            (sum(&histograms) - sum(&without)).max(0.0)
        };
        let count = total(|histogram| f64::from(histogram.count()));
        let (sum, squares) = (total(|histogram| histogram.sum), total(|histogram| histogram.squares));
        let lost = total(|histogram| f64::from(histogram.lost));
        Self { histograms, without, count, lost, sum, squares }
    }

    /// Number of durations, without lost ones.
    pub(in super::super) fn count(&self) -> f64 {
        self.count
    }

    /// Number of durations, with lost ones.
    pub(in super::super) fn count_with_lost(&self) -> f64 {
        self.count + self.lost
    }

    /// The exact mean in seconds; NaN without durations.
    pub(in super::super) fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { f64::NAN }
    }

    /// Standard error of the mean, in seconds.
    pub(in super::super) fn error_of_mean(&self) -> f64 {
        let variance = (self.squares - self.sum * self.sum / self.count) / (self.count - 1.0);
        if self.count < 2.0 { f64::INFINITY } else { (variance.max(0.0) / self.count).sqrt() }
    }

    /// How many are certainly above a bound, with lost ones.
    pub(in super::super) fn above(&self, bound: Duration) -> f64 {
        let above = |histograms: &[&Histogram]| histograms.iter().map(|histogram| f64::from(histogram.above(bound))).sum::<f64>();
        (above(&self.histograms) - above(&self.without)).max(0.0)
    }
}

impl Tally for Histogram {
    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.sum += other.sum;
        self.squares += other.squares;
        self.lost = self.lost.saturating_add(other.lost);
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.lost == 0
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "there are few durations, and they are short"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for millis in millis {
            histogram.add(Duration::from_millis(*millis));
        }
        histogram
    }

    #[test]
    fn nothing_has_neither_mean_nor_quantile() {
        let nothing = Histogram::default();
        assert_eq!((nothing.count(), nothing.mean(), nothing.quantile(0.5)), (0, None, None));
    }

    #[test]
    fn what_no_bucket_is_made_for_falls_into_the_first_and_the_last() {
        let mut histogram = Histogram::default();
        for took in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            histogram.add(took);
        }
        assert_eq!(histogram.counts.iter().collect::<Vec<_>>(), [(0, 2), (BUCKETS, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_quantile_is_at_most_five_percent_above_the_true_one(
            mut millis in prop::collection::vec(1_u64..3_600_000, 1..200), share in 0.01_f64..1.0,
        ) {
            let histogram = of(&millis);
            millis.sort_unstable();
            let rank = ((share * millis.len() as f64).ceil() as usize).max(1);
            let exact = millis[rank - 1] as f64 / 1_000.0;
            let seen = histogram.quantile(share).unwrap().as_secs_f64();
            prop_assert!(seen >= exact * 0.999_999 && seen <= exact * 1.050_001, "{} {}", seen, exact);
        }

        #[test]
        fn what_lies_above_a_bound_is_never_overstated(
            millis in prop::collection::vec(1_u64..100_000, 1..200), bound in 1_u64..100_000,
        ) {
            let above = of(&millis).above(Duration::from_millis(bound));
            let exact = millis.iter().filter(|millis| **millis > bound).count();
            let sure = millis.iter().filter(|millis| **millis as f64 > bound as f64 * 1.051).count();
            prop_assert!((sure..=exact).contains(&(above as usize)), "{} {} {}", sure, above, exact);
        }

        #[test]
        fn what_never_came_is_above_every_bound_and_in_no_mean(
            millis in prop::collection::vec(1_u64..100_000, 1..100), lost in 1_u32..100, bound in 1_u64..100_000,
        ) {
            let (without, mut with) = (of(&millis), of(&millis));
            (0..lost).for_each(|_| with.add_lost());
            let bound = Duration::from_millis(bound);
            prop_assert_eq!(with.above(bound), without.above(bound) + lost);
            prop_assert_eq!((with.count(), with.mean(), with.lost()), (without.count(), without.mean(), lost));
            let total = f64::from(with.count() + lost);
            let is_lost = (0.95 * total).ceil() > f64::from(with.count());
            prop_assert_eq!(with.quantile(0.95).is_none(), is_lost);
        }

        #[test]
        fn merging_is_counting_together(one in prop::collection::vec(1_u64..100_000, 0..50), other in prop::collection::vec(1_u64..100_000, 0..50)) {
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let both = of(&[one, other].concat());
            prop_assert_eq!(&merged.counts, &both.counts);
            prop_assert!((merged.sum - both.sum).abs() < 1e-6 && (merged.squares - both.squares).abs() < 1e-3);
        }
    }
}
