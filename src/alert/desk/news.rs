//! What people and the outbox tell: deliveries, acknowledgements, pauses and leaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::incident::{Acknowledged, Joined};
use crate::alert::{Action, Moment, Occasion, Scope, describe};
use crate::plan::{CanaryId, Severity};

use super::join::row;
use super::{Desk, Leak};

/// A leak as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeakRow {
    pub(super) probe: Arc<str>,
    pub(super) since_ms: i64,
}

impl Desk {
    /// A channel took a message.
    pub(super) fn delivered(&mut self, id: &str, key: &str, channel: &Arc<str>, action: Action, now: Moment) {
        let text = format!("{channel} took {key}");
        self.commit.timeline.push(row(id, "delivered", text, now));
        let Some(scope) = self.by_id.get(id).cloned() else { return };
        let Some(incident) = self.incidents.get_mut(&scope) else { return };
        if action == Action::Trigger && incident.keys.took(key, channel) {
            self.changed.insert(scope);
        }
    }

    /// A channel did not take a message.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of the event")]
    pub(super) fn undelivered(
        &mut self,
        id: &str,
        key: &str,
        channel: &Arc<str>,
        dead: bool,
        error: &str,
        told: &[Arc<str>],
        now: Moment,
    ) {
        let instead = if told.is_empty() { String::new() } else { format!("; told instead: {}", told.join(", ")) };
        let still = if dead { "never will" } else { "is tried on" };
        let text = format!("{channel} did not take {key} and {still}{instead}: {error}");
        self.commit.timeline.push(row(id, "undelivered", text, now));
        let Some(scope) = self.by_id.get(id).cloned().filter(|_| dead) else { return };
        let Some(incident) = self.incidents.get_mut(&scope) else { return };
        if incident.keys.refused(key, channel) {
            self.changed.insert(scope.clone());
            self.touch_attached(&scope);
        }
    }

    /// Somebody is at an incident. The first to say so counts.
    pub(super) fn acknowledge(&mut self, id: &str, by: &str, now: Moment) {
        let Some(scope) = self.by_id.get(id).cloned() else { return };
        if self.incidents.get(&scope).is_none_or(|incident| incident.acknowledged.is_some()) {
            return;
        }
        let Some(mut incident) = self.incidents.remove(&scope) else { return };
        let by = describe::cut(by, 100);
        self.commit.timeline.push(row(id, "acknowledged", format!("{by} is at it"), now));
        incident.acknowledged = Some(Acknowledged { by, at_ms: now.wall_ms() });
        self.send_all(&mut incident, Action::Acknowledge, Occasion::Acknowledged, now);
        self.incidents.insert(scope.clone(), incident);
        self.changed.insert(scope.clone());
        self.touched.insert(scope);
    }

    /// Canaries were paused: they hold their incidents open.
    pub(super) fn pause(&mut self, canaries: &[CanaryId], by: &str, now: Moment) {
        for id in canaries {
            if self.paused.insert(id.clone()) {
                self.pause_told(id, "paused", &format!("{id} was paused by {by} and holds the incident open"), now);
            }
        }
    }

    /// Canaries go on.
    pub(super) fn resume(&mut self, canaries: &[CanaryId], now: Moment) {
        for id in canaries {
            if self.paused.remove(id) {
                self.pause_told(id, "resumed", &format!("{id} goes on"), now);
            }
        }
    }

    fn pause_told(&mut self, id: &CanaryId, what: &'static str, text: &str, now: Moment) {
        let Some(known) = self.canaries.get(id) else { return };
        let scope = Scope::Probe(Arc::clone(&known.canary.probe.name));
        let member = self.incidents.get(&scope).filter(|incident| incident.members.contains(id.as_str()));
        self.commit.timeline.extend(member.map(|incident| row(&incident.id, what, text.to_owned(), now)));
    }

    /// Test data cannot be removed.
    pub(super) fn leaked(&mut self, probe: &Arc<str>, entry: &str, message: &str, now: Moment) {
        if !self.probes.contains_key(probe) || self.leaks.contains_key(entry) {
            return;
        }
        let json = serde_json::to_string(&LeakRow { probe: Arc::clone(probe), since_ms: now.wall_ms() });
        self.write("leak", entry, Some(json.expect("its keys are strings")));
        self.leaks.insert(entry.to_owned(), Leak { probe: Arc::clone(probe), since: now.steady });
        self.join_leak(entry, now);
        let scope = Scope::Leak(Arc::clone(probe));
        if let Some(incident) = self.incidents.get_mut(&scope) {
            incident.note(describe::cut(message, 300));
        }
    }

    /// Puts what leaked into its probe's incident.
    pub(super) fn join_leak(&mut self, entry: &str, now: Moment) {
        let Some(leak) = self.leaks.get(entry) else { return };
        let scope = Scope::Leak(Arc::clone(&leak.probe));
        let nowhere: Arc<str> = "".into();
        let (region, cell, since) = (Arc::clone(&nowhere), nowhere, leak.since);
        let joined = Joined { region, cell, spreads: false, since, failures: 0, reason: None };
        self.join(&scope, &entry.into(), joined, Severity::Warn, now);
    }

    /// What is in the ledger: `serinus sweep`, or a store that was put in the place of this one, may have cleared what leaked.
    pub(super) fn ledger_has(&mut self, entries: &BTreeSet<String>, now: Moment) {
        let gone: Vec<(String, Arc<str>)> = self
            .leaks
            .iter()
            .filter(|(entry, _)| !entries.contains(*entry))
            .map(|(entry, leak)| (entry.clone(), Arc::clone(&leak.probe)))
            .collect();
        for (entry, probe) in gone {
            self.leak_cleared(&probe, &entry, now);
        }
    }

    /// What had leaked is gone.
    pub(super) fn leak_cleared(&mut self, probe: &Arc<str>, entry: &str, now: Moment) {
        if self.leaks.remove(entry).is_some() {
            self.write("leak", entry, None);
            self.leave(&Scope::Leak(Arc::clone(probe)), entry, "is gone", now);
        }
    }
}
