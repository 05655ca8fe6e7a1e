//! How everything stands, read from the desk.

use std::sync::Arc;

use crate::alert::incident::Incident;
use crate::alert::{Moment, Scope, describe};

use super::{CanaryStatus, Desk, IncidentStatus, Known, Status};

/// Members named in a status.
const NAMED: usize = 20;

impl Desk {
    /// How everything stands. Walks over all canaries.
    pub fn status(&self, now: Moment) -> Status {
        let canaries = self.plan.canaries.iter().filter_map(|canary| self.canaries.get(&canary.id));
        let mut incidents: Vec<&Incident> = self.incidents.values().collect();
        incidents.sort_by(|a, b| b.severity().cmp(&a.severity()).then_with(|| a.id.cmp(&b.id)));
        Status {
            canaries: canaries.map(|known| self.canary_status(known, now)).collect(),
            incidents: incidents.into_iter().map(incident_status).collect(),
            counts: self.counts,
        }
    }

    /// The id of the open incident with this id, one of these keys or this scope.
    pub fn find(&self, name: &str) -> Option<String> {
        let called = |incident: &&Incident| {
            incident.id == name || incident.scope.to_string() == name || incident.keys.told.iter().any(|told| told.key == name)
        };
        self.incidents.values().find(called).map(|incident| incident.id.clone())
    }

    fn canary_status(&self, known: &Known, now: Moment) -> CanaryStatus {
        let canary = &known.canary;
        let incident = self.incidents.get(&Scope::Probe(Arc::clone(&canary.probe.name)));
        let member = incident.filter(|incident| incident.members.contains(canary.id.as_str()));
        CanaryStatus {
            canary: canary.id.to_string(),
            probe: canary.probe.name.to_string(),
            region: canary.region.name.to_string(),
            cell: canary.cell.to_string(),
            standing: self.standing(&canary.id, now),
            failures: known.state.failures(),
            paging: known.state.is_paging(),
            last_verdict: known.last.map(|(verdict, _)| verdict.as_str()),
            last_ms: known.last.map(|(_, at)| at),
            incident: member.map(|incident| incident.id.clone()),
        }
    }
}

fn incident_status(incident: &Incident) -> IncidentStatus {
    IncidentStatus {
        id: incident.id.clone(),
        scope: incident.scope.to_string(),
        probe: incident.scope.probe().map(ToString::to_string),
        severity: incident.severity().as_str(),
        title: describe::title(incident),
        opened_ms: incident.opened_ms,
        members: incident.members.len(),
        named: incident.members.keys().take(NAMED).map(ToString::to_string).collect(),
        key: incident.keys.page().map(|told| told.key.clone()),
        acknowledged_by: incident.acknowledged.as_ref().map(|acknowledged| acknowledged.by.clone()),
        attached_to: incident.attached.first().map(|root| root.incident.clone()),
    }
}
