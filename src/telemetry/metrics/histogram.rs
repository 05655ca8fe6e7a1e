//! Histograms of durations with edges of their own, and summaries, which have none.
//!
//! Owns counting without locks: a bucket is found by comparing whole nanoseconds, so that a duration equal to an edge is
//! inside it, exactly. It must not know what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::time::nanos;

/// Upper bucket edges, ascending, and how they are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edges {
    bounds: Box<[Duration]>,
    texts: Box<[Box<str>]>,
}

impl Edges {
    /// Edges at these bounds, in any order; doubles are dropped.
    pub(super) fn new(bounds: impl IntoIterator<Item = Duration>) -> Arc<Self> {
        let mut bounds: Vec<Duration> = bounds.into_iter().collect();
        bounds.sort_unstable();
        bounds.dedup();
        // Both formats get the canonical numbers of OpenMetrics ("20.0"), so that a series is the same whichever was asked for.
        let texts = bounds.iter().map(|bound| format!("{:?}", bound.as_secs_f64()).into());
        Arc::new(Self { texts: texts.chain(["+Inf".into()]).collect(), bounds: bounds.into() })
    }

    /// The `le` of a bucket.
    pub(super) fn text(&self, bucket: usize) -> &str {
        &self.texts[bucket]
    }

    /// The bucket a duration falls into.
    pub(super) fn bucket(&self, duration: Duration) -> usize {
        self.bounds.partition_point(|bound| *bound < duration)
    }
}

/// Counts of durations by bucket. The buckets are not cumulative in here.
#[derive(Debug)]
pub(super) struct Histogram {
    edges: Arc<Edges>,
    counts: Box<[AtomicU64]>,
    /// 584 years fit.
    sum_nanos: AtomicU64,
}

/// A histogram's numbers at one moment.
#[derive(Debug)]
pub(super) struct Snapshot<'a> {
    /// Its edges.
    pub(super) edges: &'a Edges,
    /// Observations in each bucket, the one above the last edge included.
    pub(super) counts: Vec<u64>,
    /// Seconds in all.
    pub(super) sum: f64,
}

impl Histogram {
    /// An empty one.
    pub(super) fn new(edges: &Arc<Edges>) -> Self {
        let counts = edges.texts.iter().map(|_| AtomicU64::new(0)).collect();
        Self { edges: Arc::clone(edges), counts, sum_nanos: AtomicU64::new(0) }
    }

    /// Its edges.
    pub(super) fn edges(&self) -> &Arc<Edges> {
        &self.edges
    }

    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration) {
        self.counts[self.edges.bucket(duration)].fetch_add(1, Ordering::Relaxed);
        self.add(duration);
    }

    fn add(&self, duration: Duration) {
        self.sum_nanos.fetch_add(nanos(duration), Ordering::Relaxed);
    }

    /// Counts something that was given up after `bound`: above every edge, and in the sum with `bound`.
    pub(super) fn observe_lost(&self, bound: Duration) {
        self.counts[self.counts.len() - 1].fetch_add(1, Ordering::Relaxed);
        self.add(bound);
    }

    /// The numbers now. The count is that of the buckets, so the two always agree.
    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            edges: &self.edges,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

/// How often something happened and how long it took in all. A fraction of a histogram's series, for what is looked at by its mean.
#[derive(Debug, Default)]
pub(super) struct Summary {
    count: AtomicU64,
    sum_nanos: AtomicU64,
}

impl Summary {
    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(nanos(duration), Ordering::Relaxed);
    }

    /// How often, and seconds in all.
    pub(super) fn seen(&self) -> (u64, f64) {
        let sum = Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed));
        (self.count.load(Ordering::Relaxed), sum.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_equal_to_an_edge_is_inside_it_and_one_nanosecond_more_is_not() {
        let edge = Duration::from_millis(2300);
        let histogram = Histogram::new(&Edges::new([edge, Duration::from_secs(1)]));
        for duration in [edge, edge + Duration::from_nanos(1), Duration::ZERO] {
            histogram.observe(duration);
        }
        let seen = histogram.snapshot();
        assert_eq!(seen.counts, [1, 1, 1]);
        assert!((seen.sum - 4.600_000_001).abs() < 1e-12, "{}", seen.sum);
    }

    #[test]
    fn edges_are_sorted_written_canonically_and_end_in_infinity() {
        let edges = Edges::new([Duration::from_secs(20), Duration::from_millis(250), Duration::from_secs(20)]);
        assert_eq!((edges.text(0), edges.text(1), edges.text(2)), ("0.25", "20.0", "+Inf"));
    }
}
