//! The verbs of people: acknowledge and close.

use std::sync::Arc;

use crate::alert::Moment;

use super::super::incident::{Acknowledgement, Departure, Incident};
use super::super::mute::{Acked, Closed};
use super::super::{FactKey, Scope};
use super::Evaluator;

impl Evaluator {
    /// Acknowledges an incident, named by its id, a key or its scope.
    pub fn acknowledge(&mut self, name: &str, by: &str, reason: Option<&str>, now: Moment) -> Acked {
        // Without a certain lease it would be done here, and another process would ring on.
        if !self.evaluates() || !self.sends() {
            return Acked::Elsewhere;
        }
        let Some(scope) = self.named(name) else { return Acked::Unknown };
        let Some(mut incident) = self.incidents.open.remove(&scope) else { return Acked::Unknown };
        let before = incident.acknowledged.first().map(|first: &Acknowledgement| (Arc::clone(&first.by), first.at));
        let acknowledged = incident.acknowledged.len();
        let newly = incident.acknowledge(by.into(), reason.map(Arc::from), now.steady);
        let told = !incident.acknowledged.is_empty();
        if incident.acknowledged.len() > acknowledged {
            let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            self.dirty.timeline(&incident.id, "acknowledged", format!("{by} is at it{because}"), now);
            self.dirty.incident(&incident.id);
        }
        self.incidents.open.insert(scope.clone(), incident);
        self.pending.touch(&scope);
        match before {
            _ if !told => Acked::NothingTold,
            Some((by, at)) => Acked::Already { by, at_ms: now.wall_ms_of(at), newly },
            None => Acked::Done { members: newly },
        }
    }

    /// Closes an incident: members that are muted or without data become well.
    pub fn close(&mut self, name: &str, by: &str, why: &str, now: Moment) -> Closed {
        const NAMED: usize = 20;
        // Without a certain lease it would be done here, and another process would ring on.
        if !self.evaluates() || !self.sends() {
            return Closed::Elsewhere;
        }
        let Some(scope) = self.named(name) else { return Closed::Unknown };
        let Some(mut incident) = self.incidents.open.remove(&scope) else { return Closed::Unknown };
        let (closable, failing): (Vec<FactKey>, Vec<FactKey>) = incident
            .members
            .iter()
            .filter(|(_, member)| member.fails())
            .map(|(key, _)| key.clone())
            .partition(|key| self.may_be_closed(&incident, key, now));
        if !failing.is_empty() {
            self.incidents.open.insert(scope, incident);
            return Closed::Refused { failing: failing.iter().take(NAMED).map(ToString::to_string).collect() };
        }
        for key in &closable {
            incident.removed(key, Departure::Closed, now.steady);
            self.dirty.member(&incident.id, key);
        }
        self.dirty.timeline(&incident.id, "closed", format!("{by} closed it: {why}"), now);
        self.close_others(&closable);
        let changed = self.conditions.close(&closable, now);
        self.ends(incident, Some((by.into(), why.into())), now);
        for changed in changed {
            self.put_own(&changed.key, changed.fact);
        }
        Closed::Done { members: closable.len() }
    }

    /// Whether a failing member may be closed: it is muted or without data.
    fn may_be_closed(&self, incident: &Incident, key: &FactKey, now: Moment) -> bool {
        let Some(member) = incident.members.get(key) else { return false };
        let without_data = match key {
            FactKey::Canary(id) => {
                let region = FactKey::Region(Arc::clone(&member.fact.region));
                self.facts.get(&FactKey::NoData(id.clone())).or_else(|| self.facts.get(&region)).is_some()
            }
            FactKey::NoData(_) | FactKey::Region(_) => true,
            FactKey::Subject(probe, _)
            | FactKey::OtherSubjects(probe)
            | FactKey::Across(probe)
            | FactKey::Objective(probe, _) => self.has_no_data(probe),
            FactKey::Leak(..) | FactKey::Restarts(_) | FactKey::Channel(_) => false,
        };
        without_data || self.mutes.of(&member.fact, now).is_some()
    }

    /// Whether a canary of a probe is without data, by itself or with its region.
    fn has_no_data(&self, probe: &str) -> bool {
        let mut of_probe = self.config.plan.canaries.iter().filter(|canary| *canary.probe.name == *probe);
        of_probe.any(|canary| self.facts.get(&FactKey::NoData(canary.id.clone())).is_some())
    }

    /// The scope of an open incident by its id, its scope or a key that is open.
    fn named(&self, name: &str) -> Option<Scope> {
        if let Some(scope) = self.incidents.by_id.get(name) {
            return Some(scope.clone());
        }
        let is = |incident: &&Incident| {
            incident.scope.to_string() == name
                || incident.told.values().flat_map(|told| &told.open).any(|open| open.key == name)
                || matches!(&incident.scope, Scope::Probe(probe) if **probe == *name)
        };
        self.incidents.open.values().find(is).map(|incident| incident.scope.clone())
    }
}
