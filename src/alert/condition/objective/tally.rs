//! What the buckets of objectives count: all runs, and those of them that other members tell of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::condition::ratio::Tally;
use crate::alert::condition::ratio::histogram::Histogram;
use crate::alert::fact::Share;

/// Bad and counted runs, and how many of each other members tell of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Runs(pub(super) u32, pub(super) u32, u32, u32);

impl Runs {
    pub(super) fn bad(self) -> u32 {
        self.0
    }

    pub(super) fn all(self) -> u32 {
        self.1
    }

    /// Without those that other members tell of.
    pub(super) fn alone(self) -> Self {
        Self(self.0.saturating_sub(self.2), self.1.saturating_sub(self.3), 0, 0)
    }

    /// The share of bad runs as a multiple of the allowed share.
    pub(super) fn rate(self, budget: f64) -> f64 {
        if self.all() == 0 { 0.0 } else { f64::from(self.bad()) / f64::from(self.all()) / budget }
    }

    fn add(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
        self.1 = self.1.saturating_add(other.1);
        self.2 = self.2.saturating_add(other.2);
        self.3 = self.3.saturating_add(other.3);
    }
}

/// Runs by region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ByRegionRow")]
pub(super) struct ByRegion(Vec<(Arc<str>, Runs)>);

/// The stored form; an earlier version did not tell regions apart.
#[derive(Deserialize)]
#[serde(untagged)]
enum ByRegionRow {
    Regions(Vec<(Arc<str>, Runs)>),
    Together(u32, u32),
}

impl From<ByRegionRow> for ByRegion {
    fn from(row: ByRegionRow) -> Self {
        match row {
            ByRegionRow::Regions(regions) => Self(regions),
            ByRegionRow::Together(_, 0) => Self::default(),
            ByRegionRow::Together(bad, all) => Self(vec![(Arc::from(""), Runs(bad, all, 0, 0))]),
        }
    }
}

impl ByRegion {
    /// Counts a run; `out` if another member tells of it.
    pub(super) fn count(&mut self, region: &Arc<str>, bad: bool, out: bool) {
        let bad = u32::from(bad);
        let out = u32::from(out);
        self.of(region).add(Runs(bad, 1, bad * out, out));
    }

    /// Takes out a run that was counted before.
    pub(super) fn take_out(&mut self, region: &Arc<str>, bad: bool) {
        self.of(region).add(Runs(0, 0, u32::from(bad), 1));
    }

    /// Takes out all runs.
    pub(super) fn take_all_out(&mut self) {
        for (_, runs) in &mut self.0 {
            (runs.2, runs.3) = (runs.0, runs.1);
        }
    }

    fn of(&mut self, region: &Arc<str>) -> &mut Runs {
        let place = self.0.iter().position(|(name, _)| name == region).unwrap_or_else(|| {
            self.0.push((Arc::clone(region), Runs::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    /// Those of all regions.
    pub(super) fn total(&self) -> Runs {
        self.0.iter().fold(Runs::default(), |mut sum, (_, runs)| {
            sum.add(*runs);
            sum
        })
    }

    /// Bad and counted runs by region, and whether the region's own burn rate reaches `rate`.
    pub(super) fn shares(&self, budget: f64, rate: f64) -> BTreeMap<Arc<str>, Share> {
        let share = |runs: Runs| Share { failed: runs.bad(), counted: runs.all(), reaches: runs.rate(budget) >= rate };
        let known = self.0.iter().filter(|(region, runs)| !region.is_empty() && runs.all() > 0);
        known.map(|(region, runs)| (Arc::clone(region), share(*runs))).collect()
    }
}

impl Tally for ByRegion {
    fn merge(&mut self, other: &Self) {
        for (region, runs) in &other.0 {
            self.of(region).add(*runs);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, runs)| runs.all() == 0)
    }
}

/// Durations, and those of them that other members tell of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "SamplesRow")]
pub(super) struct Samples {
    pub(super) all: Histogram,
    #[serde(skip_serializing_if = "Histogram::is_empty")]
    pub(super) out: Histogram,
}

/// The stored form; an earlier version stored the histogram itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SamplesRow {
    all: Option<Histogram>,
    out: Histogram,
    counts: Vec<(u16, u32)>,
    sum: f64,
    squares: f64,
}

impl From<SamplesRow> for Samples {
    fn from(row: SamplesRow) -> Self {
        let all = row.all.unwrap_or_else(|| Histogram::of_parts(row.counts, row.sum, row.squares));
        Self { all, out: row.out }
    }
}

impl Tally for Samples {
    fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        self.out.merge(&other.out);
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
