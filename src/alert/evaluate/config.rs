//! The active configuration, indexed for alerting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::plan::{Alerting, Channel, Plan, Probe};

use super::super::{FactKey, Scope};

/// The plan and the channels that hold now.
#[derive(Debug)]
pub(super) struct ActiveConfig {
    pub(super) plan: Arc<Plan>,
    pub(super) alerting: Arc<Alerting>,
    /// Removed channels with their last configuration, while they have something open.
    pub(super) retired: Vec<Arc<Channel>>,
    /// The probes by name, for messages.
    pub(super) by_name: BTreeMap<Arc<str>, Arc<Probe>>,
    probes: HashMap<Arc<str>, WatchedProbe>,
    /// Canaries by region.
    regions: BTreeMap<Arc<str>, usize>,
}

/// A probe with its canaries and dependents.
#[derive(Debug)]
pub(super) struct WatchedProbe {
    pub(super) probe: Arc<Probe>,
    /// Its canaries by region.
    pub(super) canaries: BTreeMap<Arc<str>, usize>,
    /// The probes that need it, directly or through others.
    pub(super) dependents: BTreeSet<Arc<str>>,
}

impl ActiveConfig {
    pub(super) fn new(plan: Arc<Plan>, alerting: Arc<Alerting>) -> Self {
        let mut probes: HashMap<Arc<str>, WatchedProbe> = HashMap::new();
        for probe in &plan.probes {
            let watched = WatchedProbe { probe: Arc::clone(probe), canaries: BTreeMap::new(), dependents: BTreeSet::new() };
            probes.insert(Arc::clone(&probe.name), watched);
        }
        let mut regions: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for canary in &plan.canaries {
            *regions.entry(Arc::clone(&canary.region.name)).or_default() += 1;
            if let Some(watched) = probes.get_mut(&canary.probe.name) {
                *watched.canaries.entry(Arc::clone(&canary.region.name)).or_default() += 1;
            }
        }
        let needs: HashMap<Arc<str>, Vec<Arc<str>>> =
            plan.probes.iter().map(|probe| (Arc::clone(&probe.name), probe.needs.clone())).collect();
        for probe in &plan.probes {
            let mut open: Vec<&Arc<str>> = probe.needs.iter().collect();
            let mut roots: BTreeSet<&Arc<str>> = BTreeSet::new();
            while let Some(root) = open.pop() {
                if **root != *probe.name && roots.insert(root) {
                    open.extend(needs.get(root).into_iter().flatten());
                }
            }
            for root in roots {
                if let Some(watched) = probes.get_mut(root) {
                    watched.dependents.insert(Arc::clone(&probe.name));
                }
            }
        }
        let by_name = plan.probes.iter().map(|probe| (Arc::clone(&probe.name), Arc::clone(probe))).collect();
        Self { plan, alerting, retired: Vec::new(), by_name, probes, regions }
    }

    pub(super) fn probe(&self, name: &str) -> Option<&WatchedProbe> {
        self.probes.get(name)
    }

    pub(super) fn probe_of(&self, scope: &Scope) -> Option<&WatchedProbe> {
        self.probe(scope.probe()?)
    }

    pub(super) fn channel(&self, name: &str) -> Option<&Arc<Channel>> {
        self.all_channels().find(|channel| *channel.name == *name)
    }

    /// A hash of a channel's configuration. Secrets are in it by name only.
    pub(super) fn fingerprint(&self, name: &str) -> Option<u64> {
        let channel = self.channel(name)?;
        let mut hasher = DefaultHasher::new();
        format!("{channel:?}").hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Whether a channel is configured now.
    pub(super) fn has_channel(&self, name: &str) -> bool {
        self.alerting.channels.iter().any(|channel| *channel.name == *name)
    }

    /// Canaries of a region, whatever probe they are of.
    pub(super) fn canaries_in(&self, region: &str) -> usize {
        self.regions.get(region).copied().unwrap_or(0)
    }

    /// Whether a fact is still watched. Leaks outlive their probe.
    pub(super) fn watches(&self, key: &FactKey) -> bool {
        match key {
            FactKey::Canary(id) | FactKey::NoData(id) => self.plan.canaries.binary_search_by(|canary| canary.id.cmp(id)).is_ok(),
            FactKey::Across(probe)
            | FactKey::Objective(probe, _)
            | FactKey::Subject(probe, _)
            | FactKey::OtherSubjects(probe) => self.probes.contains_key(probe),
            FactKey::Region(region) => self.plan.known_regions.contains(region),
            FactKey::Channel(name) => self.channel(name).is_some(),
            FactKey::Leak(..) | FactKey::Restarts(_) => true,
        }
    }

    /// The first part of every key: the region's name where others probe the same from other regions.
    pub(super) fn key(&self, scope: &str, number: u64) -> String {
        match &self.alerting.origin {
            Some(origin) => format!("{origin}/{scope}/{number}"),
            None => format!("{scope}/{number}"),
        }
    }
}
