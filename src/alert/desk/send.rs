//! Notices and messages: what is said, under which key, to which channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::incident::Incident;
use crate::alert::route::{self, Facts};
use crate::alert::{Action, Moment, Notice, Occasion, describe};
use crate::history::{DeliveryState, MessageRow};
use crate::plan::{Probe, Severity};

use super::Desk;
use super::join::row;

/// A trigger that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    pub(super) occasion: Occasion,
    pub(super) severity: Severity,
    /// Whether under the next generation of the key.
    pub(super) anew: bool,
}

/// What is common to the messages of one notice.
struct Letter<'a> {
    key: &'a str,
    action: Action,
    occasion: Occasion,
    severity: Severity,
    previous: Option<String>,
}

impl Desk {
    /// Sends a trigger that names everybody in the incident.
    pub(super) fn ring(&mut self, incident: &mut Incident, ring: Ring, now: Moment) {
        let page = incident.keys.page().filter(|_| !ring.anew);
        let known = page.map(|told| (told.key.clone(), told.channels.clone()));
        let previous = if ring.anew { incident.keys.page().map(|told| told.key.clone()) } else { None };
        let mut channels = self.route(incident, ring.severity, incident.members.regions());
        if incident.members.has_newcomers() {
            channels.extend(self.route(incident, ring.severity, incident.members.new_regions()));
        }
        let key = match known {
            Some((key, told)) => {
                channels.extend(self.existing(told));
                key
            }
            None => self.next_key(incident, now),
        };
        if ring.anew {
            incident.acknowledged = None;
        }
        incident.keys.tell(&key, ring.severity, &channels);
        incident.keys.last = Some(now.steady);
        incident.members.told();
        let letter = Letter { key: &key, action: Action::Trigger, occasion: ring.occasion, severity: ring.severity, previous };
        self.send(incident, &letter, &channels, now);
    }

    /// Sends the trigger of the key of its own that a critical incident has.
    pub(super) fn ring_critical(&mut self, incident: &mut Incident, now: Moment) {
        let Some(page) = incident.keys.page().map(|told| told.key.clone()) else { return };
        let key = format!("{page}/critical");
        let channels = self.route(incident, Severity::Critical, incident.members.regions());
        incident.keys.tell(&key, Severity::Critical, &channels);
        let (action, occasion) = (Action::Trigger, Occasion::Critical);
        let letter = Letter { key: &key, action, occasion, severity: Severity::Critical, previous: None };
        self.send(incident, &letter, &channels, now);
    }

    /// Closes the key of its being critical, if it is open.
    pub(super) fn resolve_critical(&mut self, incident: &mut Incident, now: Moment) {
        let Some(told) = incident.keys.told.iter_mut().rev().find(|told| told.is_critical() && !told.resolved) else { return };
        told.resolved = true;
        let (key, channels) = (told.key.clone(), told.channels.clone());
        let (action, occasion) = (Action::Resolve, Occasion::LessSevere);
        let letter = Letter { key: &key, action, occasion, severity: Severity::Critical, previous: None };
        let channels = self.existing(channels);
        self.send(incident, &letter, &channels, now);
    }

    /// Sends the same about every key that is open, to whoever was told under it. Critical keys come first.
    pub(super) fn send_all(&mut self, incident: &mut Incident, action: Action, occasion: Occasion, now: Moment) {
        let mut open: Vec<_> = incident.keys.told.iter().filter(|told| !told.resolved).cloned().collect();
        open.sort_by_key(|told| !told.is_critical());
        for told in open {
            let letter = Letter { key: &told.key, action, occasion, severity: told.severity, previous: None };
            let channels = self.existing(told.channels);
            self.send(incident, &letter, &channels, now);
        }
    }

    /// The key of the next generation: a counter for each scope, so that a crash before the commit leads to the same again.
    fn next_key(&mut self, incident: &Incident, now: Moment) -> String {
        let scope = incident.scope.to_string();
        let past = self.pasts.entry(scope.clone()).or_default();
        let generation = past.next_generation(self.generations_after);
        let json = past.to_json(now);
        self.write("generation", &scope, Some(json));
        match &self.alerting.origin {
            Some(origin) => format!("{origin}/{scope}/{generation}"),
            None => format!("{scope}/{generation}"),
        }
    }

    fn route(&self, incident: &Incident, severity: Severity, regions: BTreeSet<&str>) -> BTreeSet<Arc<str>> {
        let region = match &incident.scope {
            crate::alert::Scope::Blind(region) => Some(&**region),
            _ => None,
        };
        let regions = regions.into_iter().chain(region).collect();
        let facts = Facts { severity, probe: self.probe_of(incident).map(|probe| &**probe), regions };
        route::channels(&self.alerting, &facts)
    }

    fn probe_of(&self, incident: &Incident) -> Option<&Arc<Probe>> {
        self.probes.get(incident.scope.probe()?).map(|watched| &watched.probe)
    }

    /// Those that are still in the configuration.
    fn existing(&self, channels: BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        let exists = |name: &Arc<str>| self.alerting.channels.iter().any(|channel| channel.name == *name);
        channels.into_iter().filter(exists).collect()
    }

    fn send(&mut self, incident: &Incident, letter: &Letter<'_>, channels: &BTreeSet<Arc<str>>, now: Moment) {
        self.changed.insert(incident.scope.clone());
        let text = match (letter.action, channels.is_empty()) {
            (Action::Trigger, true) => format!("nobody is told of {}: no route leads to a channel", letter.key),
            (Action::Acknowledge | Action::Resolve, true) => return,
            (_, false) => {
                let names: Vec<&str> = channels.iter().map(|name| &**name).collect();
                format!("{} told under {}", names.join(", "), letter.key)
            }
        };
        self.commit.timeline.push(row(&incident.id, word(letter.action, letter.occasion), text, now));
        if channels.is_empty() {
            return;
        }
        let notice = serde_json::to_string(&self.notice(incident, letter, now)).expect("a notice's keys are strings");
        for channel in channels {
            let message = MessageRow {
                id: self.numbers.next(now),
                incident: incident.id.clone(),
                key: letter.key.to_owned(),
                channel: channel.to_string(),
                created_ms: now.wall_ms(),
                notice: notice.clone(),
                attempts: 0,
                state: DeliveryState::Pending,
            };
            self.commit.messages.push(message);
        }
    }

    fn notice(&self, incident: &Incident, letter: &Letter<'_>, now: Moment) -> Notice {
        let probe = self.probe_of(incident);
        let watched = incident.scope.probe().and_then(|probe| self.probes.get(probe));
        let subject = match &incident.scope {
            crate::alert::Scope::Subject(_, subject) => Some(subject.to_string()),
            _ => None,
        };
        let by = incident.acknowledged.as_ref().map(|acknowledged| format!("acknowledged by {}", acknowledged.by));
        Notice {
            key: letter.key.to_owned(),
            action: letter.action,
            occasion: letter.occasion,
            severity: letter.severity,
            incident: incident.id.clone(),
            scope: incident.scope.to_string(),
            title: match letter.action {
                Action::Trigger | Action::Acknowledge => describe::title(incident),
                Action::Resolve => describe::resolved_title(incident, letter.severity),
            },
            probe: probe.map(|probe| probe.name.to_string()),
            summary: probe.and_then(|probe| probe.summary.clone()),
            owner: probe.and_then(|probe| probe.owner.clone()),
            runbook: probe.and_then(|probe| probe.runbook.clone()),
            tags: probe.map(|probe| probe.tags.clone()).unwrap_or_default(),
            subject,
            since_ms: incident.since_ms,
            at_ms: now.wall_ms(),
            resolved_ms: (letter.action == Action::Resolve).then(|| now.wall_ms().max(incident.since_ms)),
            members: incident.members.listed(now),
            members_total: incident.members.len(),
            regions: watched.map(|watched| watched.states(now)).unwrap_or_default(),
            failure: incident.failure.as_deref().cloned(),
            notes: by.into_iter().chain(incident.notes.iter().cloned()).collect(),
            previous: letter.previous.clone(),
            links: describe::links(&self.alerting, &incident.id, incident.failure.as_deref()),
            test: false,
        }
    }
}

/// The closed word of the timeline.
fn word(action: Action, occasion: Occasion) -> &'static str {
    match (action, occasion) {
        (Action::Trigger, Occasion::Reminder) => "reminded",
        (Action::Trigger, Occasion::Spread) => "spread",
        (Action::Trigger, _) => "paged",
        (Action::Acknowledge, _) => "acknowledge_sent",
        (Action::Resolve, _) => "resolve_sent",
    }
}
