//! A region is blind once many of its canaries are without data, and stays so until none of them is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{NoData, Watch};
use crate::alert::Moment;
use crate::plan::CanaryId;

/// A region is blind with more probes without data than this.
const PROBES: usize = 10;

/// The canaries of a region.
#[derive(Debug, Default)]
pub(super) struct RegionCanaries {
    /// How many there are.
    total: usize,
    /// Those without data, and their probes with how many of each.
    failing: BTreeSet<CanaryId>,
    probes: BTreeMap<Arc<str>, usize>,
    blind: bool,
}

impl RegionCanaries {
    /// Whether the region is blind.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Those without data.
    pub(super) fn failing(&self) -> impl Iterator<Item = &CanaryId> {
        self.failing.iter()
    }

    /// The store says that the region was blind.
    pub(super) fn restore_blind(&mut self) {
        self.blind = true;
    }

    /// Whether so many canaries of so many probes make the region blind.
    fn is_many(&self, canaries: usize, probes: usize) -> bool {
        canaries * 2 > self.total || probes > PROBES
    }

    /// Makes the region blind if enough canaries are without data. Returns whether it was not blind before.
    fn becomes_blind(&mut self) -> bool {
        let many = self.is_many(self.failing.len(), self.probes.len());
        let new = many && !self.blind && !self.failing.is_empty();
        self.blind |= new;
        new
    }
}

impl NoData {
    /// The canaries of a region that will be without data soon after this one, if all together make a region blind that is not
    /// blind yet.
    pub(super) fn followers(&self, first: &CanaryId, region: &Arc<str>, now: Moment) -> Vec<CanaryId> {
        let Some(known) = self.regions.get(region).filter(|known| !known.blind) else { return Vec::new() };
        let follows = |id: &CanaryId, watch: &Watch| {
            id != first && watch.failing.is_none() && watch.canary.region.name == *region && watch.is_due_soon(now.steady)
        };
        let followers: Vec<(&CanaryId, &Watch)> = self.watched.iter().filter(|(id, watch)| follows(id, watch)).collect();
        let mut probes: BTreeSet<&str> = known.probes.keys().map(|name| &**name).collect();
        probes.extend(followers.iter().map(|(_, watch)| &*watch.canary.probe.name));
        probes.extend(self.watched.get(first).map(|watch| &*watch.canary.probe.name));
        if !known.is_many(known.failing.len() + 1 + followers.len(), probes.len()) {
            return Vec::new();
        }
        followers.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// These canaries of a region are without data. Returns whether that makes the region blind.
    pub(super) fn join(&mut self, name: &Arc<str>, canaries: &[CanaryId]) -> bool {
        let region = self.regions.entry(Arc::clone(name)).or_default();
        for id in canaries {
            if let Some(watch) = self.watched.get(id)
                && region.failing.insert(id.clone())
            {
                *region.probes.entry(Arc::clone(&watch.canary.probe.name)).or_default() += 1;
            }
        }
        let becomes_blind = region.becomes_blind();
        if becomes_blind {
            self.changed_regions.insert(Arc::clone(name));
        }
        becomes_blind
    }

    /// A canary has data again.
    pub(super) fn leave(&mut self, id: &CanaryId) {
        let Some(watch) = self.watched.get(id) else { return };
        let name = &watch.canary.region.name;
        let Some(region) = self.regions.get_mut(name) else { return };
        let probe = &watch.canary.probe.name;
        if region.failing.remove(id)
            && let Some(count) = region.probes.get_mut(probe)
        {
            *count -= 1;
            if *count == 0 {
                region.probes.remove(probe);
            }
        }
        if region.failing.is_empty() && std::mem::take(&mut region.blind) {
            self.changed_regions.insert(Arc::clone(name));
        }
    }

    /// Counts all canaries anew after another plan was applied. The caller then reads all facts.
    pub(super) fn count_regions(&mut self) {
        let mut regions: BTreeMap<Arc<str>, RegionCanaries> = BTreeMap::new();
        for (id, watch) in &self.watched {
            let region = regions.entry(Arc::clone(&watch.canary.region.name)).or_default();
            region.total += 1;
            if watch.failing.is_some() && region.failing.insert(id.clone()) {
                *region.probes.entry(Arc::clone(&watch.canary.probe.name)).or_default() += 1;
            }
        }
        let before = std::mem::take(&mut self.regions);
        for (name, region) in &mut regions {
            let was = before.get(name).is_some_and(RegionCanaries::is_blind);
            region.blind = was && !region.failing.is_empty();
            region.becomes_blind();
            if region.blind != was {
                self.changed_regions.insert(Arc::clone(name));
            }
        }
        self.changed_regions.extend(
            before.into_iter().filter(|(name, region)| region.blind && !regions.contains_key(name)).map(|(name, _)| name),
        );
        self.regions = regions;
    }
}
