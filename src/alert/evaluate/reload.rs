//! Another plan, other channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Moment;
use crate::plan::{Alerting, Channel, Plan};

use super::super::delivery::ChannelPolicy;
use super::super::incident::Told;
use super::super::{FactKey, metrics};
use super::{ActiveConfig, Evaluator, Role};

impl Evaluator {
    /// Applies another plan and other channels. If they were `found` by the file watch, what is gone counts as removed a minute
    /// later.
    pub(super) fn reload(&mut self, plan: Arc<Plan>, alerting: Arc<Alerting>, found: bool, now: Moment) {
        self.ran.extend(plan.canaries.iter().map(|canary| canary.id.clone()));
        self.incidents.changed.extend(plan.probes.iter().map(|probe| Arc::clone(&probe.name)));
        self.loaded = (Arc::clone(&plan), Arc::clone(&alerting));
        if self.role != Role::Single {
            self.report_policies(now);
        }
        let before = self.configure();
        for channel in before.alerting.channels.iter().filter(|channel| !self.config.has_channel(&channel.name)) {
            self.dirty.channel_gone(&channel.name);
        }
        self.retire(&before);
        self.mutes.apply(&self.config.plan, now);
        self.roots.apply(&self.config.plan);
        for forgotten in self.delivery.apply(self.config.channels(), now) {
            self.dirty.dropped(&forgotten, now);
        }
        self.delivery.ask_again();
        let changed = self.conditions.apply(plan, alerting, now);
        for changed in changed {
            if changed.fact.is_some() {
                self.removals.remove(&changed.key);
                self.put_own(&changed.key, changed.fact);
            } else {
                // A removed rule of a watched probe counts as removed at once.
                let found = found && !self.config.watches(&changed.key);
                self.gone(changed.key, found, now);
            }
        }
        self.forget_undeclared(now);
        for key in self.unwatched() {
            self.gone(key, found, now);
        }
        self.removals.retain(|key, _| !self.config.watches(key));
        self.config.alerting.channels.iter().for_each(|channel| metrics::channel(&channel.name));
        self.say_roots(now);
        self.touch_open();
        self.pending.ended.extend(self.incidents.ended.keys().cloned());
    }

    /// Forgets and returns removed channels that have nothing open any more.
    pub(super) fn forget_retired(&mut self) -> Vec<Arc<str>> {
        if self.config.retired.is_empty() {
            return Vec::new();
        }
        let incidents = || self.incidents.open.values().chain(self.incidents.ended.values());
        let has_open = |name: &Arc<str>| incidents().filter_map(|incident| incident.told.get(name)).any(Told::has_open);
        let is_done = |channel: &&Arc<Channel>| !has_open(&channel.name) && !self.delivery.is_busy(&channel.name);
        let done = self.config.retired.iter().filter(is_done);
        let done: Vec<Arc<str>> = done.map(|channel| Arc::clone(&channel.name)).collect();
        self.config.retired.retain(|channel| !done.contains(&channel.name));
        done
    }

    /// A fact is not watched any more.
    fn gone(&mut self, key: FactKey, found: bool, now: Moment) {
        if found {
            self.removals.entry(key).or_insert(now.steady);
        } else {
            self.removals.remove(&key);
            self.remove(&key);
        }
    }

    /// Delays the removal of a fact whose probe or channel is gone. Returns whether it did.
    pub(super) fn waits_for_removal(&mut self, key: &FactKey, now: Moment) -> bool {
        if self.config.watches(key) {
            return false;
        }
        self.removals.entry(key.clone()).or_insert(now.steady);
        true
    }

    /// Removes a fact and its member where it is evaluated.
    pub(super) fn remove_evaluated(&mut self, key: &FactKey) {
        self.put(key, None);
        self.gone.insert(key.clone());
        for (scope, incident) in &self.incidents.open {
            if incident.members.contains_key(key) {
                self.pending.touched.entry(scope.clone()).or_default().insert(key.clone());
            }
        }
    }

    /// Members of open incidents that are not watched.
    pub(super) fn unwatched(&self) -> BTreeSet<FactKey> {
        let members = self.incidents.open.values().flat_map(|incident| &incident.members);
        let gone = members.filter(|(key, member)| member.left.is_none() && !self.config.watches(key) && !self.others.has(key));
        gone.map(|(key, _)| key.clone()).collect()
    }

    /// Keeps the last configuration of removed channels until what they have open is ended.
    fn retire(&mut self, before: &ActiveConfig) {
        let has_open = |channel: &Arc<Channel>| {
            let incidents = self.incidents.open.values().chain(self.incidents.ended.values());
            let open = incidents.filter_map(|incident| incident.told.get(&channel.name)).any(Told::has_open);
            open || self.delivery.is_busy(&channel.name)
        };
        let gone = before.all_channels().filter(|channel| self.config.channel(&channel.name).is_none() && has_open(channel));
        let gone: Vec<Arc<Channel>> = gone.cloned().collect();
        for channel in &gone {
            tracing::warn!(
                channel = &*channel.name,
                "a channel was removed; what it has open is ended with its last configuration"
            );
        }
        for channel in &gone {
            metrics::channel_gone(&channel.name);
        }
        self.config.retired = gone;
    }
}

impl ActiveConfig {
    /// The policies for delivery, including removed channels that still have to end something.
    pub(super) fn channels(&self) -> Vec<ChannelPolicy> {
        self.all_channels().map(|channel| policy(channel)).collect()
    }

    /// All configured channels, and removed ones that have something open.
    pub(super) fn all_channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.alerting.channels.iter().chain(&self.retired)
    }
}

fn policy(channel: &Channel) -> ChannelPolicy {
    ChannelPolicy {
        name: Arc::clone(&channel.name),
        kind: channel.kind.as_str(),
        receiver: channel.kind.receiver(),
        wakes: channel.wakes,
    }
}
