//! Another plan, other channels.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Moment;
use crate::plan::{Alerting, Channel, Plan};

use super::super::delivery::ChannelPolicy;
use super::super::incident::Told;
use super::super::{FactKey, counts};
use super::{Evaluator, World};

impl Evaluator {
    /// Takes over another plan and other channels. Where it was only `found`, what is gone is taken as removed a little later.
    pub(super) fn reload(&mut self, plan: Arc<Plan>, alerting: Arc<Alerting>, found: bool, now: Moment) {
        self.ran.extend(plan.canaries.iter().map(|canary| canary.id.clone()));
        self.incidents.changed.extend(plan.probes.iter().map(|probe| Arc::clone(&probe.name)));
        let before = std::mem::replace(&mut self.world, World::new(Arc::clone(&plan), Arc::clone(&alerting)));
        for channel in before.alerting.channels.iter().filter(|channel| !self.world.has_channel(&channel.name)) {
            self.dirty.channel_gone(&channel.name);
        }
        self.retire(&before);
        self.mutes.apply(&plan, now);
        self.roots.apply(&plan);
        for forgotten in self.delivery.apply(self.world.channels(), now) {
            self.dirty.dropped(&forgotten, now);
        }
        self.delivery.ask_again();
        let changed = self.conditions.apply(plan, alerting, now);
        for changed in changed {
            if changed.fact.is_some() {
                self.removals.remove(&changed.key);
                self.put(&changed.key, changed.fact);
            } else {
                // A rule that was taken away is no file that is about to come back.
                let found = found && !self.world.watches(&changed.key);
                self.gone(changed.key, found, now);
            }
        }
        for key in self.unwatched() {
            self.gone(key, found, now);
        }
        self.removals.retain(|key, _| !self.world.watches(key));
        self.world.alerting.channels.iter().for_each(|channel| counts::channel(&channel.name));
        self.say_roots(now);
        self.touch_open();
        self.pending.ended.extend(self.incidents.ended.keys().cloned());
    }

    /// Channels that are gone and have nothing open any more; they are forgotten.
    pub(super) fn forget_retired(&mut self) -> Vec<Arc<str>> {
        if self.world.retired.is_empty() {
            return Vec::new();
        }
        let incidents = || self.incidents.open.values().chain(self.incidents.ended.values());
        let has_open = |name: &Arc<str>| incidents().filter_map(|incident| incident.told.get(name)).any(Told::has_open);
        let is_done = |channel: &&Arc<Channel>| !has_open(&channel.name) && !self.delivery.is_busy(&channel.name);
        let done = self.world.retired.iter().filter(is_done);
        let done: Vec<Arc<str>> = done.map(|channel| Arc::clone(&channel.name)).collect();
        self.world.retired.retain(|channel| !done.contains(&channel.name));
        done
    }

    /// What a fact is about is not watched any more.
    fn gone(&mut self, key: FactKey, found: bool, now: Moment) {
        if found {
            self.removals.entry(key).or_insert(now.steady);
        } else {
            self.removals.remove(&key);
            self.remove(&key);
        }
    }

    /// Whether somebody may be about to mend what made this fact vanish.
    pub(super) fn waits_for_removal(&mut self, key: &FactKey, now: Moment) -> bool {
        if self.world.watches(key) {
            return false;
        }
        self.removals.entry(key.clone()).or_insert(now.steady);
        true
    }

    /// Takes a fact out: its member is removed from its incident.
    pub(super) fn remove(&mut self, key: &FactKey) {
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
        let gone = members.filter(|(key, member)| member.left.is_none() && !self.world.watches(key));
        gone.map(|(key, _)| key.clone()).collect()
    }

    /// Channels that are gone keep their last configuration until what they have open is ended.
    fn retire(&mut self, before: &World) {
        let has_open = |channel: &Arc<Channel>| {
            let incidents = self.incidents.open.values().chain(self.incidents.ended.values());
            let open = incidents.filter_map(|incident| incident.told.get(&channel.name)).any(Told::has_open);
            open || self.delivery.is_busy(&channel.name)
        };
        let gone = before.all_channels().filter(|channel| self.world.channel(&channel.name).is_none() && has_open(channel));
        let gone: Vec<Arc<Channel>> = gone.cloned().collect();
        for channel in &gone {
            tracing::warn!(
                channel = &*channel.name,
                "a channel was removed; what it has open is ended with its last configuration"
            );
        }
        for channel in &gone {
            counts::channel_gone(&channel.name);
        }
        self.world.retired = gone;
    }
}

impl World {
    /// The channels as delivery sees them; those that are gone are still ended.
    pub(super) fn channels(&self) -> Vec<ChannelPolicy> {
        self.all_channels().map(|channel| policy(channel)).collect()
    }

    /// The channels there are, and those that are gone and have something open.
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
