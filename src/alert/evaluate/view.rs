//! Makes the view of an incident as it is now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::Severity;

use super::super::incident::{Departure, Incident, Member};
use super::super::message::{Flapped, MessageContext};
use super::super::view::{Acknowledged, End, Ended, MemberState, MemberView, View};
use super::super::{Fact, FactKey, Scope, State};
use super::{Evaluator, Incidents};

impl Evaluator {
    /// An incident as it is now.
    pub(super) fn view(&self, incident: &Incident, now: Moment) -> View {
        let watched = self.config.probe_of(&incident.scope);
        let canaries = match &incident.scope {
            Scope::Blind(region) => BTreeMap::from([(Arc::clone(region), self.config.canaries_in(region))]),
            _ => watched.map(|watched| watched.canaries.clone()).unwrap_or_default(),
        };
        let severity = incident.severity().unwrap_or(incident.worst);
        let is_critical = severity == Severity::Critical && incident.end.is_none();
        let scope = incident.scope.to_string();
        let flapping = &self.config.alerting.flapping;
        let flaps = |member: &Member| self.records.flaps(&scope, &member.fact.key, flapping, now.steady);
        let failing = || incident.members.values().filter(|member| member.fails());
        View {
            id: incident.id.clone(),
            scope: incident.scope.clone(),
            since: incident.since,
            severity,
            members: incident.members.values().filter_map(|member| self.member_view(incident, member, now)).collect(),
            critical: incident.critical_regions.iter().filter(|_| is_critical).cloned().collect(),
            acknowledged: acknowledged(incident),
            explains: self.explained_by(&incident.scope),
            watched: canaries,
            probe: watched.map(|watched| Arc::clone(&watched.probe)),
            owner: incident.owner.clone(),
            end: self.end_of(incident).map(|how| End { at: incident.end.as_ref().map_or(now.steady, |end| end.at), how }),
            flapping: failing().next().is_some() && failing().all(flaps),
        }
    }

    /// Failed and counted runs of the flapping members, if all failing members flap.
    pub(super) fn flapped(&self, incident: &Incident, now: Moment) -> Option<Flapped> {
        const HOUR: Duration = Duration::from_hours(1);
        let (scope, rule) = (incident.scope.to_string(), &self.config.alerting.flapping);
        let failing: Vec<&Member> = incident.ringing().collect();
        let flaps = |member: &&Member| self.records.flaps(&scope, &member.fact.key, rule, now.steady);
        if failing.is_empty() || !failing.iter().all(flaps) {
            return None;
        }
        let mut flapped = Flapped { failed: 0, counted: 0, within: HOUR };
        for member in failing {
            if let FactKey::Canary(id) = &member.fact.key {
                let hour = self.conditions.canary(id, now).hour;
                flapped.failed += hour.failed;
                flapped.counted += hour.counted;
            }
        }
        (flapped.counted > 0).then_some(flapped)
    }

    fn member_view(&self, incident: &Incident, member: &Member, now: Moment) -> Option<MemberView> {
        let fact = Arc::clone(&member.fact);
        let state = match member.left {
            Some(left) => match left.how {
                Departure::Settled => MemberState::Recovered(left.at),
                Departure::Removed => MemberState::Removed,
                Departure::Closed => MemberState::Closed,
            },
            None if fact.state == State::Suspect => MemberState::Suspect,
            None => self.failing(incident, member, now),
        };
        // A member that never failed in it is shown only while it is suspect.
        let said = member.failed || state == MemberState::Suspect;
        said.then(|| MemberView { without_data: self.without_data(&fact), fact, state })
    }

    fn failing(&self, incident: &Incident, member: &Member, now: Moment) -> MemberState {
        if let Some(muted) = self.mutes.of(&member.fact, now) {
            return MemberState::Muted(muted);
        }
        if let Some(state) = member.explained() {
            return state;
        }
        let by = incident.acknowledged.iter().find(|it| it.covers.iter().any(|cover| cover.covers(member)));
        by.map_or(MemberState::Failing, |it| MemberState::Acknowledged(Arc::clone(&it.by)))
    }

    /// Since when a canary has had no data.
    fn without_data(&self, fact: &Fact) -> Option<Duration> {
        let FactKey::Canary(id) = &fact.key else { return None };
        let region = || self.facts.get(&FactKey::Region(Arc::clone(&fact.region)));
        self.facts.get(&FactKey::NoData(id.clone())).or_else(region).map(|fact| fact.since)
    }

    /// The members of other incidents that failures of this probe explain.
    fn explained_by(&self, scope: &Scope) -> Vec<Fact> {
        let (Scope::Probe(root), Some(watched)) = (scope, self.config.probe_of(scope)) else { return Vec::new() };
        let incidents = watched.dependents.iter().filter_map(|probe| self.incidents.open.get(&Scope::Probe(Arc::clone(probe))));
        let explained = incidents.flat_map(|incident| incident.members.values()).filter(|member| member.is_explained_by(root));
        explained.map(|member| Fact::clone(&member.fact)).collect()
    }

    /// How an incident ended. If its scope fails again, it was well for a while.
    pub(super) fn end_of(&self, incident: &Incident) -> Option<Ended> {
        let end = incident.end.as_ref()?;
        let again = self.incidents.open.get(&incident.scope).filter(|again| again.members.values().any(Member::fails));
        match (again, &end.how) {
            (Some(again), Ended::Well) => {
                let key = again.numbered.map(|(_, number)| self.config.key(&again.scope.to_string(), number));
                Some(Ended::WasWell { until: again.since, key: key.unwrap_or_else(|| again.id.clone()) })
            }
            _ => Some(end.how.clone()),
        }
    }

    /// What messages need of the configuration.
    pub(super) fn message_context(&self) -> MessageContext<'_> {
        let context = MessageContext::of(&self.config.alerting, self.links.as_ref()).with(&self.config.by_name);
        MessageContext { alone: self.role.alone(), ..context }
    }
}

fn acknowledged(incident: &Incident) -> Vec<Acknowledged> {
    let one = |it: &super::super::incident::Acknowledgement| Acknowledged {
        by: Arc::clone(&it.by),
        at: it.at,
        reason: it.reason.clone(),
    };
    incident.acknowledged.iter().map(one).collect()
}

impl Incidents {
    /// An incident by its id, open or ended.
    pub(super) fn find(&self, id: &str) -> Option<&Incident> {
        match self.by_id.get(id) {
            Some(scope) => self.open.get(scope),
            None => self.ended.get(id),
        }
    }

    /// Takes an incident out, to be [put back](Self::put_back).
    pub(super) fn take(&mut self, id: &str) -> Option<Incident> {
        match self.by_id.get(id) {
            Some(scope) => self.open.remove(scope),
            None => self.ended.remove(id),
        }
    }

    pub(super) fn put_back(&mut self, incident: Incident) {
        if incident.end.is_none() {
            self.open.insert(incident.scope.clone(), incident);
        } else {
            self.ended.insert(incident.id.clone(), incident);
        }
    }
}
