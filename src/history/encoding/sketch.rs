//! Many durations in few bytes: every percentile is right within 5 %, and sketches of several hours can be added.

use super::varint;
use crate::base::log_buckets::{Counts, Scale};

/// Relative error of a percentile.
const ERROR: f64 = 0.05;

const GROWTH: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// Microseconds; the longest duration falls in bucket 444.
const SCALE: Scale = Scale::new(1.0, GROWTH, u16::MAX);

/// Durations in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch(Counts);

impl Sketch {
    /// Counts one duration.
    #[expect(clippy::cast_precision_loss, reason = "less than the sketch's own error")]
    pub fn add(&mut self, micros: u64) {
        self.0.add(SCALE.bucket(micros as f64), 1);
    }

    /// Adds everything of another.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// The duration that so many percent of all are at most, within [`ERROR`]; none of nothing.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        self.at_rank((self.0.total() * percent).div_ceil(100).max(1))
    }

    /// The duration at this place of all in their order, the shortest at 1, within [`ERROR`]; none beyond the last.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration in microseconds is positive and fits"
    )]
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        // This point of a bucket is within the error of every value in it.
        let middle = |bucket| (2.0 * SCALE.edge(bucket) / (GROWTH + 1.0)).round() as u64;
        self.0.at_rank(rank).map(|bucket| if bucket == 0 { 1 } else { middle(bucket) })
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.total()
    }

    /// As bytes: each bucket's distance from the one before, and its count.
    pub(in crate::history) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut last = 0;
        for (bucket, count) in self.0.iter() {
            varint::put(&mut bytes, u64::from(bucket - last));
            varint::put(&mut bytes, u64::from(count));
            last = bucket;
        }
        bytes
    }

    /// Back from bytes; what is cut off is lost.
    pub(in crate::history) fn from_bytes(mut bytes: &[u8]) -> Self {
        let mut counts = Counts::default();
        let mut last = 0_u64;
        while let (Some(step), Some(count)) = (varint::take(&mut bytes), varint::take(&mut bytes)) {
            last = last.saturating_add(step);
            counts.add(u16::try_from(last).unwrap_or(u16::MAX), u32::try_from(count).unwrap_or(u32::MAX));
        }
        Self(counts)
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
    fn its_bytes_are_those_that_earlier_versions_stored() {
        let mut sketch = Sketch::default();
        for micros in [1, 2, 1_000, 1_000_000, 3_600_000_000] {
            sketch.add(micros);
        }
        assert_eq!(sketch.to_bytes(), [0, 1, 7, 1, 63, 1, 69, 1, 81, 1]);
    }

    #[test]
    fn of_nothing_there_is_no_percentile() {
        assert_eq!(Sketch::default().percentile(50), None);
    }
}
