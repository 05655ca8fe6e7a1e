//! Which incidents explain another: the rule *needs*.
//!
//! An incident is covered while each canary in it has a counterpart, in the same region and with the same values of the matrix
//! keys that both probes have, that is at page level in an incident of a probe it needs whose page was delivered and told of that
//! region and cell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Scope;
use crate::alert::incident::{Incident, Root};
use crate::plan::{Canary, CanaryId, CellValue, PageRule, Probe};

use super::Desk;

impl Desk {
    /// The incidents that explain this one altogether; none if they do not, or not all of it.
    pub(super) fn covering(&self, incident: &Incident) -> Option<Vec<Root>> {
        match &incident.scope {
            Scope::Probe(_) | Scope::Subject(..) => {}
            // What they are about has no region.
            Scope::Subjects(_) | Scope::Blind(_) | Scope::Budget(_) | Scope::Latency(_) | Scope::Leak(_) | Scope::Test => {
                return None;
            }
        }
        let watched = self.probes.get(incident.scope.probe()?)?;
        if incident.unexplained >= failures_to_page(watched.probe.alert.rule) {
            return None;
        }
        let roots = &watched.roots;
        let mut open: Vec<&str> = incident.members.keys().map(|key| &**key).collect();
        let mut used = Vec::new();
        for root in roots {
            let Some(explains) = self.incidents.get(&Scope::Probe(Arc::clone(root))) else { continue };
            if !explains.keys.is_delivered() {
                continue;
            }
            let before = open.len();
            self.drop_covered(&mut open, explains);
            if open.len() < before {
                used.push(Root { scope: explains.scope.clone(), incident: explains.id.clone() });
            }
        }
        (open.is_empty() && !used.is_empty()).then_some(used)
    }

    /// A canary of the incident failed. Where everything that explains it passed at its last run, this one is not explained: a
    /// root that comes and goes must not hide what fails all the time. One such failure is usual when an outage ends.
    pub(super) fn doubt(&mut self, scope: &Scope, id: &CanaryId) {
        if !self.is_explained(scope, id)
            && let Some(incident) = self.incidents.get_mut(scope)
        {
            incident.unexplained = incident.unexplained.saturating_add(1);
            self.changed.insert(scope.clone());
        }
    }

    /// Whether a canary that meets this one, in an incident that explains this scope, did not pass at its last counted run. What is not
    /// attached needs no explaining.
    fn is_explained(&self, scope: &Scope, id: &CanaryId) -> bool {
        let Some(incident) = self.incidents.get(scope).filter(|incident| !incident.attached.is_empty()) else { return true };
        let Some(failed) = self.canaries.get(id) else { return true };
        let roots = incident.attached.iter().filter_map(|root| self.incidents.get(&root.scope));
        let theirs = roots.flat_map(|root| root.members.told_of()).filter_map(|id| self.canaries.get(&CanaryId::read_back(id)));
        let mut near = theirs.filter(|their| meet(&failed.canary, &their.canary));
        // By what is kept over a restart, and by the last run that counted.
        near.any(|their| their.state.failures() > 0 || their.state.last_counted().is_none())
    }

    /// Takes out the canaries that have a counterpart in the incident.
    fn drop_covered(&self, open: &mut Vec<&str>, explains: &Incident) {
        let find = |id: &str| self.canaries.get(&CanaryId::read_back(id)).map(|known| &known.canary);
        let Some(first) = open.iter().find_map(|id| find(id)) else { return };
        // The page must have said so: a spread that waits for its turn, nobody knows of yet.
        let theirs: Vec<&Arc<Canary>> = explains.members.told_of().filter_map(|id| find(id)).collect();
        let Some(their) = theirs.first() else { return };
        let shared: Vec<Arc<str>> =
            first.cell.0.iter().map(|(key, _)| key).filter(|key| their.cell.get(key).is_some()).cloned().collect();
        let places: BTreeSet<String> = theirs.iter().map(|canary| place(canary, &shared)).collect();
        open.retain(|id| find(id).is_none_or(|canary| !places.contains(&place(canary, &shared))));
    }
}

/// Failures after which a rule pages.
fn failures_to_page(rule: PageRule) -> u32 {
    match rule {
        PageRule::Consecutive(failures) | PageRule::Window { failures, .. } => failures.get().max(2),
    }
}

/// Whether two canaries are in the same region and have the same values of the matrix keys that both have.
fn meet(one: &Canary, other: &Canary) -> bool {
    let same = |(key, value): &(Arc<str>, CellValue)| other.cell.get(key).is_none_or(|theirs| theirs == value);
    one.region.name == other.region.name && one.cell.0.iter().all(same)
}

/// The region and the values of these matrix keys.
fn place(canary: &Canary, keys: &[Arc<str>]) -> String {
    let mut place = canary.region.name.to_string();
    for key in keys {
        if let Some(value) = canary.cell.get(key) {
            place.push('\n');
            place.push_str(&value.to_string());
        }
    }
    place
}

/// The probes that a probe needs, directly or through others, without itself; ends whatever needs what.
pub(super) fn roots(probe: &Probe, probes: &BTreeMap<&str, &Arc<Probe>>) -> Vec<Arc<str>> {
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
