//! Many durations in few bytes: counts in buckets whose edges grow by a constant factor (as `DDSketch` does), so that every
//! percentile is right within 5 % and sketches of several hours can be added.

use std::collections::BTreeMap;

use super::varint;

/// Relative error of a percentile.
const ERROR: f64 = 0.05;

/// Durations in microseconds, counted by bucket. Bucket `n` holds what is over `GROWTH^(n-1)` and up to `GROWTH^n`; bucket 0
/// what is at most one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sketch(BTreeMap<u64, u64>);

fn growth() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

impl Sketch {
    /// Counts one duration.
    #[expect(clippy::cast_precision_loss, reason = "less than the sketch's own error")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of at least one is a small number")]
    pub(super) fn add(&mut self, micros: u64) {
        let bucket = if micros <= 1 { 0 } else { ((micros as f64).ln() / growth().ln()).ceil() as u64 };
        *self.0.entry(bucket).or_default() += 1;
    }

    /// Adds everything of another.
    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    /// The duration that so many percent of all are at most, within [`ERROR`]; none of nothing.
    #[expect(clippy::cast_precision_loss, reason = "a logarithm is a small number")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration in microseconds is positive and fits"
    )]
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.0.values().sum();
        let rank = (all * percent).div_ceil(100).max(1);
        let mut below = 0;
        for (bucket, count) in &self.0 {
            below += count;
            if below >= rank {
                let edge = growth().powf(*bucket as f64);
                return Some(if *bucket == 0 { 1 } else { (2.0 * edge / (growth() + 1.0)).round() as u64 });
            }
        }
        None
    }

    /// As bytes: each bucket's distance from the one before, and its count.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut last = 0;
        for (bucket, count) in &self.0 {
            varint::put(&mut bytes, bucket - last);
            varint::put(&mut bytes, *count);
            last = *bucket;
        }
        bytes
    }

    /// Back from bytes; what is cut off is lost.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut sketch = Self::default();
        let mut last = 0_u64;
        while let (Some(step), Some(count)) = (varint::take(&mut bytes), varint::take(&mut bytes)) {
            last = last.saturating_add(step);
            *sketch.0.entry(last).or_default() += count;
        }
        sketch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_percentile_is_right_within_the_error(
            mut micros in proptest::collection::vec(2_u64..3_600_000_000, 1..200),
            percent in 0_u64..=100,
        ) {
            let mut halves = [Sketch::default(), Sketch::default()];
            for (at, each) in micros.iter().enumerate() {
                halves[at % 2].add(*each);
            }
            let [mut sketch, other] = halves;
            sketch.merge(&Sketch::from_bytes(&other.to_bytes()));
            micros.sort_unstable();
            let rank = (micros.len() as u64 * percent).div_ceil(100).max(1);
            let exact = micros[usize::try_from(rank).unwrap() - 1];
            let seen = sketch.percentile(percent).unwrap();
            proptest::prop_assert!(seen.abs_diff(exact) * 100 <= exact * 5 + 100, "{seen} is not {exact}");
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = Sketch::from_bytes(&bytes);
        }
    }

    #[test]
    fn of_nothing_there_is_no_percentile() {
        assert_eq!(Sketch::default().percentile(50), None);
    }
}
