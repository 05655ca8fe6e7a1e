//! Ends: of incidents, and of what removed channels have open.
//!
//! An end is wanted wherever something is open or perhaps open. An ended incident is kept until nothing is open and no try of it
//! is in flight.

use std::sync::Arc;

use crate::alert::Moment;
use crate::plan::ReceiverKind;

use super::super::delivery::Notification;
use super::super::delivery::unheard::Missed;
use super::super::incident::{Incident, Told};
use super::super::tries::Action;
use super::Evaluator;

impl Evaluator {
    /// Ends an incident; what is open at channels is to be ended there.
    pub(super) fn ends(&mut self, mut incident: Incident, closed: Option<(Arc<str>, Arc<str>)>, now: Moment) {
        let scope = incident.scope.clone();
        self.pending.put(&scope, None);
        self.incidents.by_id.remove(&incident.id);
        self.incidents.escalated.remove(&incident.id);
        self.incidents.note_severity(&scope, None);
        let is_watched = scope.probe().is_none() || self.config.probe_of(&scope).is_some();
        incident.ends(closed, is_watched, now.steady);
        self.tell_roots(&incident, now);
        self.forget_tries_of(&incident.id, now);
        for channel in incident.told.keys() {
            for what in [Action::Ring, Action::Change, Action::Acknowledge] {
                for attempt in self.delivery.withdraw(channel, &incident.id, what) {
                    self.dirty.dropped(&attempt, now);
                }
            }
            self.dirty.told(&incident.id, channel);
        }
        for scopes in self.incidents.moved.values_mut() {
            scopes.remove(&scope);
        }
        self.incidents.moved.retain(|_, scopes| !scopes.is_empty());
        self.dirty.timeline(&incident.id, "ended", "the incident ended".to_owned(), now);
        self.dirty.incident(&incident.id);
        self.pending.ended.insert(incident.id.clone());
        self.incidents.ended.insert(incident.id.clone(), incident);
    }

    /// Wants the ends that an ended incident's channels must still hear, or forgets the incident.
    pub(super) fn look_at_ended(&mut self, id: &str, now: Moment) {
        self.forget_tries_of(id, now);
        self.drop_shared_keys(id);
        self.note_unheard(id);
        let Some(incident) = self.incidents.ended.get(id) else { return };
        let Some(end) = &incident.end else { return };
        let mut notifications = Vec::new();
        for (channel, told) in &incident.told {
            let wanted = told.has_open() && self.config.channel(channel).is_some();
            if told.has_open() && !wanted {
                warn_of_open(channel, told);
            }
            let (scope, incident, severity) = (incident.scope.clone(), id.to_owned(), incident.worst);
            let notification = Notification { scope, incident, what: Action::End, severity, since: end.at };
            notifications.push((Arc::clone(channel), wanted.then_some(notification)));
        }
        // A try in flight may still open something that has to be ended.
        let in_flight = |channel: &Arc<str>| self.delivery.is_in_flight(channel, id);
        let open = notifications.iter().any(|(channel, notification)| notification.is_some() || in_flight(channel));
        for (channel, notification) in notifications {
            match notification {
                Some(notification) => self.delivery.enqueue(&channel, notification),
                None => self.withdraw(&channel, id, Action::End, now),
            }
        }
        if !open && let Some(incident) = self.incidents.ended.remove(id) {
            self.forget(&incident, now);
        }
    }

    /// Records what channels were due and never got before the end.
    fn note_unheard(&mut self, id: &str) {
        let Some(incident) = self.incidents.ended.get_mut(id) else { return };
        let Some(ended) = incident.end.as_ref().map(|end| end.at) else { return };
        let (scope, severity, since) = (incident.scope.clone(), incident.worst, incident.since);
        for (channel, told) in &mut incident.told {
            let was_due = told.due.is_some() || told.missed;
            if !was_due || self.delivery.is_in_flight(channel, id) {
                continue;
            }
            let informs = self.config.channel(channel).is_some_and(|channel| channel.kind.receiver() == ReceiverKind::Posts);
            if informs && !told.has_open() {
                self.unheard.missed(channel, Missed { incident: id.to_owned(), scope: scope.clone(), severity, since, ended });
            }
            (told.due, told.page_due, told.missed) = (None, None, false);
            self.dirty.told(id, channel);
        }
    }

    /// A key that several incidents share after a storm ends with the last of them.
    fn drop_shared_keys(&mut self, id: &str) {
        let Some(incident) = self.incidents.ended.get(id) else { return };
        let mut shared = Vec::new();
        for (channel, told) in &incident.told {
            let ends_each =
                self.config.channel(channel).is_some_and(|channel| channel.kind.receiver() == ReceiverKind::Incidents);
            for open in told.open.iter().filter(|open| ends_each && open.key.contains("storm/")) {
                let others = self.incidents.open.values().chain(self.incidents.ended.values()).filter(|other| other.id != id);
                let mut theirs = others.filter_map(|other| other.told.get(channel)).flat_map(|told| &told.open);
                if theirs.any(|other| other.key == open.key) {
                    shared.push((Arc::clone(channel), open.key.clone()));
                }
            }
        }
        if let Some(incident) = self.incidents.ended.get_mut(id) {
            for (channel, key) in shared {
                if let Some(told) = incident.told.get_mut(&channel) {
                    told.ended(&key);
                    self.dirty.told(id, &channel);
                }
            }
        }
    }

    /// A channel that was removed and is back is not sent an end of an open incident. If an end was perhaps taken, the channel is
    /// rung anew.
    pub(super) fn end_nothing_at_those_there(&mut self, incident: &mut Incident, now: Moment) {
        for (name, told) in &mut incident.told {
            if !self.config.has_channel(name) {
                continue;
            }
            for attempt in self.delivery.withdraw(name, &incident.id, Action::End) {
                self.dirty.dropped(&attempt, now);
                told.forget();
                incident.numbered = None;
                self.dirty.told(&incident.id, name);
                self.dirty.incident(&incident.id);
            }
        }
    }

    /// A removed channel is not rung any more. What it has open is ended with its last configuration while the incident goes on.
    pub(super) fn end_at_removed(&mut self, incident: &mut Incident, now: Moment) {
        let gone: Vec<Arc<str>> = incident.told.keys().filter(|name| !self.config.has_channel(name)).cloned().collect();
        for name in gone {
            for what in [Action::Ring, Action::Change, Action::Acknowledge] {
                self.withdraw(&name, &incident.id, what, now);
            }
            for attempt in self.delivery.forget_rings_at(&name, &incident.id) {
                self.dirty.dropped(&attempt, now);
            }
            let Some(told) = incident.told.get_mut(&name) else { continue };
            if told.has_open() && self.config.channel(&name).is_some() {
                (told.due, told.page_due) = (None, None);
                let (scope, severity) = (incident.scope.clone(), incident.worst);
                let notification =
                    Notification { scope, incident: incident.id.clone(), what: Action::End, severity, since: now.steady };
                self.delivery.enqueue(&name, notification);
                continue;
            }
            if told.has_open() {
                warn_of_open(&name, told);
            }
            incident.told.remove(&name);
            self.dirty.told(&incident.id, &name);
        }
    }
}

/// Logs the keys that stay open at a removed channel for good.
fn warn_of_open(channel: &str, told: &Told) {
    let keys: Vec<&str> = told.open.iter().map(|open| open.key.as_str()).collect();
    let keys = keys.join(", ");
    tracing::warn!(channel, keys, "the channel is gone, and with it how to end what is open there");
}
