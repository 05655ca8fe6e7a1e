//! Which incidents explain another: the rule *needs*.
//!
//! An incident is covered while each canary in it has a counterpart, in the same region and with the same values of the matrix
//! keys that both probes have, that is at page level in an incident of a probe it needs whose page was delivered and told of that
//! region and cell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Scope;
use crate::alert::incident::{Incident, Root};
use crate::plan::{Canary, CanaryId, Probe};

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
        let roots = &self.probes.get(incident.scope.probe()?)?.roots;
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
