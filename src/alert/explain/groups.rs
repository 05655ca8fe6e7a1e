//! Groups of root canaries: those of one region with the same values for the matrix keys that root and dependent share.
//!
//! Groups are made once for a plan, so that no canary of a dependent has to search all canaries of its root.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Cadence, Canary, CanaryId, PageRule, Plan, Probe};

/// Evidence is never older than this.
const OLDEST: Duration = Duration::from_mins(10);

/// How much earlier a root's run is brought forward, so that it has ended before evidence ages.
const MARGIN: Duration = Duration::from_secs(5);

/// The groups of a plan, and the groups that each dependent needs.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Each group, by number.
    pub(super) all: Vec<GroupPlan>,
    /// The groups of a dependent canary, one for each root.
    canaries: HashMap<CanaryId, Vec<u32>>,
    /// The groups of a dependent probe in a region, for all cells.
    regions: HashMap<Arc<str>, BTreeMap<Arc<str>, Vec<u32>>>,
    /// Failures after which a dependent probe's canaries, and its `across`, are no longer explained.
    failures: HashMap<Arc<str>, (u32, u32)>,
}

/// A group of a plan.
#[derive(Debug)]
pub(super) struct GroupPlan {
    /// The root's name.
    pub(super) root: Arc<str>,
    /// The root's canaries in it.
    pub(super) canaries: Vec<CanaryId>,
    /// How old the end of a failed run may be to be evidence.
    pub(super) limit: Duration,
    /// At which age of evidence the root's next run is brought forward.
    pub(super) renew: Duration,
}

impl Groups {
    /// Makes the groups of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let probes: BTreeMap<&str, &Arc<Probe>> = plan.probes.iter().map(|probe| (&*probe.name, probe)).collect();
        let mut canaries: HashMap<&str, Vec<&Arc<Canary>>> = HashMap::new();
        for canary in &plan.canaries {
            canaries.entry(&*canary.probe.name).or_default().push(canary);
        }
        let of = |probe: &str| canaries.get(probe).map_or(&[][..], Vec::as_slice);
        let mut builder = GroupsBuilder::default();
        for probe in plan.probes.iter().filter(|probe| !probe.needs.is_empty()) {
            builder.done.failures.insert(Arc::clone(&probe.name), failures(probe));
            let roots: Vec<&Arc<Probe>> = roots(probe, &probes).iter().filter_map(|root| probes.get(&**root).copied()).collect();
            for root in roots {
                let keys = shared(probe, root);
                builder.roots(root, of(&root.name), &keys);
                builder.roots(root, of(&root.name), &[]);
                builder.dependents(&root.name, of(&probe.name), &keys);
            }
        }
        builder.done
    }

    /// The groups of a dependent canary.
    pub(super) fn of_canary(&self, canary: &CanaryId) -> &[u32] {
        self.canaries.get(canary).map_or(&[], Vec::as_slice)
    }

    /// The groups of a dependent probe in a region.
    pub(super) fn of_region(&self, probe: &str, region: &str) -> &[u32] {
        self.regions.get(probe).and_then(|regions| regions.get(region)).map_or(&[], Vec::as_slice)
    }

    /// Failures after which a canary and the `across` of a probe are no longer explained: as many as its rule asks, at most two.
    pub(super) fn failures(&self, probe: &str) -> (u32, u32) {
        self.failures.get(probe).copied().unwrap_or((2, 2))
    }
}

#[derive(Default)]
struct GroupsBuilder {
    done: Groups,
    /// Numbers of groups by their names.
    numbers: HashMap<Vec<String>, u32>,
    /// Roots that are done for these keys.
    known: BTreeSet<(Arc<str>, Vec<Arc<str>>)>,
}

impl GroupsBuilder {
    fn roots(&mut self, root: &Probe, canaries: &[&Arc<Canary>], keys: &[Arc<str>]) {
        if !self.known.insert((Arc::clone(&root.name), keys.to_vec())) {
            return;
        }
        for canary in canaries {
            let groups = &mut self.done.all;
            let number = *self.numbers.entry(name(&root.name, canary, keys)).or_insert_with(|| {
                let limit = limit(root);
                let renew = limit.saturating_sub(root.deadline + MARGIN).max(limit / 2);
                groups.push(GroupPlan { root: Arc::clone(&root.name), canaries: Vec::new(), limit, renew });
                u32::try_from(groups.len() - 1).expect("fewer places than canaries times roots, which fit into memory")
            });
            groups[number as usize].canaries.push(canary.id.clone());
        }
    }

    fn dependents(&mut self, root: &str, canaries: &[&Arc<Canary>], keys: &[Arc<str>]) {
        for canary in canaries {
            if let Some(group) = self.numbers.get(&name(root, canary, keys)) {
                self.done.canaries.entry(canary.id.clone()).or_default().push(*group);
            }
            if let Some(group) = self.numbers.get(&name(root, canary, &[])) {
                let regions = self.done.regions.entry(Arc::clone(&canary.probe.name)).or_default();
                let groups = regions.entry(Arc::clone(&canary.region.name)).or_default();
                if !groups.contains(group) {
                    groups.push(*group);
                }
            }
        }
    }
}

/// The unique name of a group: the root, the region, and each key with its value.
fn name(root: &str, canary: &Canary, keys: &[Arc<str>]) -> Vec<String> {
    let mut name = vec![root.to_owned(), canary.region.name.to_string()];
    for key in keys {
        name.extend([key.to_string(), canary.cell.get(key).map(ToString::to_string).unwrap_or_default()]);
    }
    name
}

/// The probes that a probe needs, directly or through others, without itself. Cycles are harmless.
fn roots(probe: &Probe, probes: &BTreeMap<&str, &Arc<Probe>>) -> Vec<Arc<str>> {
    let mut roots: Vec<Arc<str>> = Vec::new();
    let mut open: Vec<&Arc<str>> = probe.needs.iter().rev().collect();
    while let Some(name) = open.pop() {
        if *name == probe.name || roots.contains(name) {
            continue;
        }
        roots.push(Arc::clone(name));
        open.extend(probes.get(&**name).into_iter().flat_map(|probe| probe.needs.iter().rev()));
    }
    roots
}

/// The matrix keys that both have. All cells of a probe have the same.
fn shared(probe: &Probe, root: &Probe) -> Vec<Arc<str>> {
    let (Some(mine), Some(theirs)) = (probe.cells.first(), root.cells.first()) else { return Vec::new() };
    mine.0.iter().map(|(key, _)| key).filter(|key| theirs.get(key).is_some()).cloned().collect()
}

/// How old the end of a root's failed run may be: two of its intervals and its deadline, at most ten minutes.
fn limit(root: &Probe) -> Duration {
    let pause = match &root.cadence {
        Cadence::Every(interval) => *interval,
        cron @ Cadence::Cron { .. } => cron.pauses().1,
    };
    (pause / root.runs.max(1) * 2 + root.deadline).min(OLDEST)
}

fn failures(probe: &Probe) -> (u32, u32) {
    let of = |failures: std::num::NonZeroU32| failures.get().min(2);
    let canary = match probe.alert.rule {
        PageRule::Consecutive(failures) | PageRule::Window { failures, .. } => of(failures),
    };
    (canary, probe.alert.across.map_or(2, |across| of(across.failures)))
}
