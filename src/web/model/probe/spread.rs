//! Durations of many runs and their quantiles, in which a lost run is longer than every other.
//!
//! A run that failed never reached what is measured. Leaving it out would make a chart look better the more runs are lost.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::Sketch;

/// A quantile of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum Quantile {
    /// So many microseconds.
    Us(u64),
    /// It falls among lost runs: beyond every bound.
    Lost,
}

/// Durations, and how many were lost.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Spread {
    exact: Vec<u64>,
    sketch: Sketch,
    lost: u64,
}

impl Spread {
    /// Of one run.
    pub(in crate::web) fn one(us: u64) -> Self {
        Self { exact: vec![us], ..Self::default() }
    }

    /// Of an hour.
    pub(in crate::web) fn of(sketch: Sketch, lost: u64) -> Self {
        Self { sketch, lost, exact: Vec::new() }
    }

    /// Of one run that was lost.
    pub(in crate::web) fn lost_one() -> Self {
        Self { lost: 1, ..Self::default() }
    }

    /// Adds everything of another.
    pub(in crate::web) fn merge(&mut self, other: &Self) {
        self.exact.extend(&other.exact);
        self.sketch.merge(&other.sketch);
        self.lost = self.lost.saturating_add(other.lost);
    }

    /// How many there are, lost ones among them.
    pub(in crate::web) fn count(&self) -> u64 {
        self.kept() + self.lost
    }

    /// How many were lost.
    pub(in crate::web) fn lost(&self) -> u64 {
        self.lost
    }

    fn kept(&self) -> u64 {
        self.exact.len() as u64 + self.sketch.count()
    }

    /// The quantile at so many percent by the nearest rank, exact where only single runs were added; none of nothing.
    pub(in crate::web) fn percentile(&self, percent: u64) -> Option<Quantile> {
        let rank = (self.count().checked_mul(percent)?).div_ceil(100).max(1);
        if self.count() == 0 {
            return None;
        }
        if rank > self.kept() {
            return Some(Quantile::Lost);
        }
        if self.sketch.count() == 0 {
            let mut sorted = self.exact.clone();
            sorted.sort_unstable();
            return sorted.get(usize::try_from(rank - 1).ok()?).copied().map(Quantile::Us);
        }
        let mut all = self.sketch.clone();
        self.exact.iter().for_each(|us| all.add(*us));
        all.at_rank(rank).map(Quantile::Us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(exact: &[u64], lost: u64) -> Spread {
        let mut spread = Spread { lost, ..Spread::default() };
        for us in exact {
            spread.merge(&Spread::one(*us));
        }
        spread
    }

    #[test]
    fn a_quantile_that_falls_among_lost_runs_is_lost_and_never_a_good_value() {
        let many: Vec<u64> = (1..=94).collect();
        let of = |spread: &Spread| [50, 95, 99].map(|percent| spread.percentile(percent));
        assert_eq!(of(&spread(&many, 6)), [Some(Quantile::Us(50)), Some(Quantile::Lost), Some(Quantile::Lost)]);
        assert_eq!(of(&spread(&(1..=95).collect::<Vec<_>>(), 5))[1], Some(Quantile::Us(95)));
        assert_eq!(of(&spread(&[], 3)), [Some(Quantile::Lost); 3]);
        assert_eq!(of(&spread(&[], 0)), [None; 3]);
        assert_eq!(of(&spread(&[7], 0)), [Some(Quantile::Us(7)); 3]);
    }

    #[test]
    fn hours_and_single_runs_count_together() {
        let mut sketch = Sketch::default();
        (0..90).for_each(|_| sketch.add(1_000));
        let mut all = Spread::of(sketch, 1);
        (0..9).for_each(|_| all.merge(&Spread::one(1_000_000)));
        assert_eq!((all.count(), all.lost()), (100, 1));
        let near = |quantile, us: u64| matches!(quantile, Some(Quantile::Us(found)) if found.abs_diff(us) * 20 <= us);
        assert!(near(all.percentile(50), 1_000) && near(all.percentile(95), 1_000_000) && near(all.percentile(99), 1_000_000));
        assert_eq!(all.percentile(100), Some(Quantile::Lost));
    }
}
