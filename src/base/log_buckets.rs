//! Counts in buckets whose edges grow by a constant factor, as in `DDSketch`: the size stays small for any values, counts of several
//! periods can be added, and the relative error is bounded.
//!
//! Owns buckets and counts. What a value is, which point of a bucket stands for it and how counts are stored is the user's. The
//! numbers of buckets are stored, so the scale of stored counts must never change.

use serde::{Deserialize, Serialize};

/// The edges of buckets. Number 0 takes all up to the smallest edge, each further one what is over an edge and up to the next,
/// the last one also what is greater.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    smallest: f64,
    growth: f64,
    last: u16,
}

impl Scale {
    /// Buckets up to a last one; each edge is `growth` times the one below, above 1.
    pub const fn new(smallest: f64, growth: f64, last: u16) -> Self {
        Self { smallest, growth, last }
    }

    /// The number of the bucket that a value falls in.
    pub fn bucket(&self, value: f64) -> u16 {
        if value <= self.smallest {
            return 0;
        }
        let number = ((value / self.smallest).ln() / self.growth.ln()).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and the last bucket's number"
        )]
        let number = number.clamp(0.0, f64::from(self.last)) as u16;
        number
    }

    /// The upper edge of a bucket.
    pub fn edge(&self, bucket: u16) -> f64 {
        self.smallest * self.growth.powi(i32::from(bucket))
    }
}

/// How many fell in which bucket. Only buckets that something fell in take memory, 8 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(Vec<(u16, u32)>);

impl Counts {
    /// Counts so many more in a bucket.
    pub fn add(&mut self, bucket: u16, count: u32) {
        match self.0.binary_search_by_key(&bucket, |(number, _)| *number) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(count),
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// Adds everything of another, which must have the same scale.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.iter() {
            self.add(bucket, count);
        }
    }

    /// Buckets and counts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u32)> {
        self.0.iter().copied()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| u64::from(count)).sum()
    }

    /// How many fell in buckets after this one.
    pub fn above(&self, bucket: u16) -> u64 {
        self.iter().filter(|(number, _)| *number > bucket).map(|(_, count)| u64::from(count)).sum()
    }

    /// The bucket of the value that has this rank, the smallest having 1; none where there are fewer.
    pub fn at_rank(&self, rank: u64) -> Option<u16> {
        let mut below = 0;
        self.iter().find_map(|(bucket, count)| {
            below += u64::from(count);
            (below >= rank).then_some(bucket)
        })
    }
}

impl From<Vec<(u16, u32)>> for Counts {
    /// Of buckets in ascending order, each once.
    fn from(counts: Vec<(u16, u32)>) -> Self {
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale::new(1.0, 2.0, 10);

    #[test]
    fn a_value_falls_between_the_edge_below_and_its_own_or_in_the_first_or_last() {
        for (value, bucket) in [(-1.0, 0), (0.0, 0), (1.0, 0), (1.1, 1), (2.0, 1), (2.1, 2), (1e9, 10), (f64::INFINITY, 10)] {
            assert_eq!(SCALE.bucket(value), bucket, "{value}");
        }
        assert!((SCALE.edge(3) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn ranks_begin_at_one_and_end_with_the_total() {
        let mut counts = Counts::from(vec![(2, 3)]);
        counts.merge(&Counts::from(vec![(1, 1), (2, 1), (7, u32::MAX)]));
        assert_eq!(counts.iter().collect::<Vec<_>>(), [(1, 1), (2, 4), (7, u32::MAX)]);
        let total = counts.total();
        let ranks = [1, 2, 5, 6, total, total + 1].map(|rank| counts.at_rank(rank));
        assert_eq!(ranks, [Some(1), Some(2), Some(2), Some(7), Some(7), None]);
        assert_eq!((counts.above(2), counts.above(7)), (u64::from(u32::MAX), 0));
    }

    #[test]
    fn counts_are_kept_as_a_list_of_pairs() {
        let counts = Counts::from(vec![(2, 3), (4, 1)]);
        assert_eq!(serde_json::to_string(&counts).unwrap(), "[[2,3],[4,1]]");
        assert_eq!(serde_json::from_str::<Counts>("[[2,3],[4,1]]").unwrap(), counts);
    }
}
