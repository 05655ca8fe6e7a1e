//! A region in which many canaries are without data is without data as a whole, until none of them is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{NoData, Watch};
use crate::alert::Moment;
use crate::plan::CanaryId;

/// With more probes than this it is about the region.
const PROBES: usize = 10;

/// The canaries of a region.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// How many there are.
    total: usize,
    /// Those without data, and their probes with how many of each.
    failing: BTreeSet<CanaryId>,
    probes: BTreeMap<Arc<str>, usize>,
    latched: bool,
}

impl Region {
    /// Whether it is about the region.
    pub(super) fn is_latched(&self) -> bool {
        self.latched
    }

    /// Those without data.
    pub(super) fn failing(&self) -> impl Iterator<Item = &CanaryId> {
        self.failing.iter()
    }

    /// It was about the region when it was written down.
    pub(super) fn was_latched(&mut self) {
        self.latched = true;
    }

    /// Whether so many canaries of so many probes make it about the region.
    fn is_many(&self, canaries: usize, probes: usize) -> bool {
        canaries * 2 > self.total || probes > PROBES
    }

    /// Whether it is about the region from now on, and was not.
    fn latches(&mut self) -> bool {
        let many = self.is_many(self.failing.len(), self.probes.len());
        let new = many && !self.latched && !self.failing.is_empty();
        self.latched |= new;
        new
    }
}

impl NoData {
    /// Those of a region that are to be without data soon after this one, if together they make it about the region, which it is
    /// not yet.
    pub(super) fn followers(&self, first: &CanaryId, region: &Arc<str>, now: Moment) -> Vec<CanaryId> {
        let Some(known) = self.regions.get(region).filter(|known| !known.latched) else { return Vec::new() };
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

    /// These canaries of a region are without data. Says whether it is about the region from now on, and was not.
    pub(super) fn join(&mut self, name: &Arc<str>, canaries: &[CanaryId]) -> bool {
        let region = self.regions.entry(Arc::clone(name)).or_default();
        for id in canaries {
            if let Some(watch) = self.watched.get(id)
                && region.failing.insert(id.clone())
            {
                *region.probes.entry(Arc::clone(&watch.canary.probe.name)).or_default() += 1;
            }
        }
        let latches = region.latches();
        if latches {
            self.changed_regions.insert(Arc::clone(name));
        }
        latches
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
        if region.failing.is_empty() && std::mem::take(&mut region.latched) {
            self.changed_regions.insert(Arc::clone(name));
        }
    }

    /// Counts all canaries anew, as they are watched by another plan. Whoever asks for the facts then is told of all.
    pub(super) fn count_regions(&mut self) {
        let mut regions: BTreeMap<Arc<str>, Region> = BTreeMap::new();
        for (id, watch) in &self.watched {
            let region = regions.entry(Arc::clone(&watch.canary.region.name)).or_default();
            region.total += 1;
            if watch.failing.is_some() && region.failing.insert(id.clone()) {
                *region.probes.entry(Arc::clone(&watch.canary.probe.name)).or_default() += 1;
            }
        }
        let before = std::mem::take(&mut self.regions);
        for (name, region) in &mut regions {
            let was = before.get(name).is_some_and(Region::is_latched);
            region.latched = was && !region.failing.is_empty();
            region.latches();
            if region.latched != was {
                self.changed_regions.insert(Arc::clone(name));
            }
        }
        self.changed_regions.extend(
            before.into_iter().filter(|(name, region)| region.latched && !regions.contains_key(name)).map(|(name, _)| name),
        );
        self.regions = regions;
    }
}
