//! All series of one plan, found by canary.
//!
//! Owns what a reload does to series: unchanged canaries keep all of theirs, a histogram whose edges moved begins anew, and
//! canaries that are gone take their series with them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::plan::{Canary, CanaryId, Plan, warns};

use super::edges::ProbeEdges;
use super::histogram::{Edges, Histogram};
use super::probe::ProbeSeries;
use super::series::{ByStep, CanarySeries, RegionSeries};

/// Immutable; a reload makes a new one out of the old.
#[derive(Debug, Default)]
pub(super) struct SeriesIndex {
    canaries: HashMap<CanaryId, usize>,
    /// In the order of the plan, which is by id.
    pub(super) series: Vec<CanarySeries>,
    /// One for each probe and region.
    pub(super) regions: Vec<Arc<RegionSeries>>,
    /// One for each probe, by name.
    pub(super) probes: Vec<ProbeSeries>,
}

type RegionKey = (Arc<str>, Arc<str>);

impl SeriesIndex {
    /// The series of `plan`, those of `old` kept where they still fit.
    pub(super) fn new(plan: &Plan, old: &Self) -> Self {
        let old_regions: HashMap<RegionKey, &Arc<RegionSeries>> =
            old.regions.iter().map(|region| ((Arc::clone(&region.probe), Arc::clone(&region.region)), region)).collect();
        let mut edges_by_probe: HashMap<Arc<str>, ProbeEdges> = HashMap::new();
        let mut regions: HashMap<RegionKey, Arc<RegionSeries>> = HashMap::new();
        let mut probes: Vec<ProbeSeries> =
            plan.probes.iter().map(|probe| ProbeSeries::new(probe, old.probe(&probe.name))).collect();
        probes.sort_unstable_by(|one, other| one.probe.name.cmp(&other.probe.name));
        let mut index = Self { probes, ..Self::default() };
        for canary in &plan.canaries {
            let edges = edges_by_probe.entry(Arc::clone(&canary.probe.name)).or_insert_with(|| ProbeEdges::of(&canary.probe));
            let key = (Arc::clone(&canary.probe.name), Arc::clone(&canary.region.name));
            let region = regions.entry(key.clone()).or_insert_with(|| {
                let region = Arc::new(region_series(canary, edges, old_regions.get(&key).map(|region| &***region)));
                index.regions.push(Arc::clone(&region));
                region
            });
            index.canaries.insert(canary.id.clone(), index.series.len());
            index.series.push(canary_series(canary, edges, region, old.get(&canary.id)));
        }
        index
    }

    /// A canary's series, if it has any.
    pub(super) fn get(&self, id: &CanaryId) -> Option<&CanarySeries> {
        self.canaries.get(id).map(|&at| &self.series[at])
    }

    /// A probe's series, if it has any.
    pub(super) fn probe(&self, name: &str) -> Option<&ProbeSeries> {
        self.probes.binary_search_by(|probe| (*probe.probe.name).cmp(name)).ok().map(|at| &self.probes[at])
    }
}

fn canary_series(canary: &Canary, edges: &ProbeEdges, region: &Arc<RegionSeries>, old: Option<&CanarySeries>) -> CanarySeries {
    CanarySeries {
        cell: Arc::clone(&canary.cell),
        region: Arc::clone(region),
        counts: old.map(|old| Arc::clone(&old.counts)).unwrap_or_default(),
        duration: kept(old.map(|old| &old.duration), &edges.run),
        convergence: by_step(&edges.convergence, old.map(|old| &old.convergence)),
        warns: warns(&canary.probe.steps),
        within: edges.within.as_slice().into(),
    }
}

fn region_series(canary: &Canary, edges: &ProbeEdges, old: Option<&RegionSeries>) -> RegionSeries {
    RegionSeries {
        probe: Arc::clone(&canary.probe.name),
        region: Arc::clone(&canary.region.name),
        steps: by_step(&edges.steps, old.map(|old| &old.steps)),
        phases: old.map(|old| old.phases.clone()).unwrap_or_default(),
        leaked: old.map(|old| Arc::clone(&old.leaked)).unwrap_or_default(),
    }
}

fn by_step(steps: &[(Arc<str>, Arc<Edges>)], old: Option<&ByStep>) -> ByStep {
    let before = |name: &Arc<str>| old.and_then(|old| old.iter().find(|(step, _)| step == name)).map(|(_, histogram)| histogram);
    steps.iter().map(|(name, edges)| (Arc::clone(name), kept(before(name), edges))).collect()
}

fn kept(old: Option<&Arc<Histogram>>, edges: &Arc<Edges>) -> Arc<Histogram> {
    match old {
        Some(old) if old.edges() == edges => Arc::clone(old),
        Some(_) | None => Arc::new(Histogram::new(edges)),
    }
}
