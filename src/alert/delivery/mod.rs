//! Decides what may be sent to which channel now, and tracks what is in flight. Pure: no clock, no sockets, no store.
//!
//! There is no queue of messages. The evaluator keeps the notifications here equal to what is due. A message is made when it may leave,
//! from the incident as it is then. A round of the evaluator is:
//!
//! 1. [`enqueue`](Delivery::enqueue) and [`withdraw`](Delivery::withdraw) what changed.
//! 2. [`repeats`](Delivery::repeats), which are in flight once they are given out; then [`next`](Delivery::next) until it gives
//!    nothing. For each grant it makes a try, writes it down and says that it [`leaves`](Delivery::leaves); if there is
//!    nothing to say of a notification any more, it withdraws it.
//! 3. Sleep until [`due`](Delivery::due), or until a try completes ([`completed`](Delivery::completed)) or something else happens.
//!
//! | file | owns |
//! |---|---|
//! | `waiting` | notifications of a channel, and which of them is next |
//! | `in_flight` | tries in flight or of unknown outcome |
//! | `backoff` | when one thing may be tried again: the table by kind of refusal |
//! | `throttle` | how often a channel is tried at all |
//! | `rate_limit` | ten rings a minute, the rest as one |
//! | `channel` | a channel: all of these together |
//! | `unheard` | what a channel never got before the end |
//!
//! One more kind of refusal is an arm of [`RefusalKind`](super::tries::RefusalKind) and of `backoff`.

mod backoff;
mod channel;
mod in_flight;
mod notification;
mod rate_limit;
mod throttle;
pub mod unheard;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;

use super::Fact;
use super::condition::channel::Health;
use super::tries::{Action, Outcome, Try};
use channel::ChannelDelivery;

pub use notification::{ChannelBacklog, ChannelPolicy, Completed, Grant, Notification, Repeat};

/// The delivery to all channels.
#[derive(Debug, Default)]
pub struct Delivery {
    channels: BTreeMap<Arc<str>, ChannelDelivery>,
    /// Facts of channels that are gone.
    gone: Vec<Fact>,
}

impl Delivery {
    /// Channels as they are configured.
    pub fn new(policies: impl IntoIterator<Item = ChannelPolicy>, now: Moment) -> Self {
        let mut delivery = Self::default();
        delivery.apply(policies, now);
        delivery
    }

    /// Applies the channels of a reload. Removed channels are forgotten with their notifications; returns their tries that were in
    /// flight or of unknown outcome. If the configuration or secret of a channel changed, [`mended`](Self::mended) has to be
    /// called, too.
    pub fn apply(&mut self, policies: impl IntoIterator<Item = ChannelPolicy>, now: Moment) -> Vec<Try> {
        let mut before = std::mem::take(&mut self.channels);
        for policy in policies {
            let name = Arc::clone(&policy.name);
            let delivery = match before.remove(&name) {
                Some(delivery) => delivery.with(policy),
                None => ChannelDelivery::new(policy, now),
            };
            self.channels.insert(name, delivery);
        }
        let mut forgotten = Vec::new();
        for (_, delivery) in before {
            let (tries, fact) = delivery.removed();
            forgotten.extend(tries);
            self.gone.extend(fact);
        }
        forgotten
    }

    /// A channel's configuration or secret changed: all that waits there may leave at once.
    pub fn mended(&mut self, channel: &str, now: Moment) {
        if let Some(delivery) = self.channels.get_mut(channel) {
            delivery.mended(now);
        }
    }

    /// The configuration was reloaded: every channel is tried at once. That alone does not make a failing channel well.
    pub fn ask_again(&mut self) {
        self.channels.values_mut().for_each(ChannelDelivery::ask_again);
    }

    /// Restores tries of an earlier process that have no outcome. They were perhaps taken and are repeated at once. Returns those
    /// of removed channels.
    pub fn restore(&mut self, tries: Vec<Try>, now: Moment) -> Vec<Try> {
        let mut homeless = Vec::new();
        for attempt in tries {
            match self.channels.get_mut(&attempt.channel) {
                Some(delivery) => delivery.restore(attempt, now),
                None => homeless.push(attempt),
            }
        }
        homeless
    }

    /// The health of channels by name, for the store.
    pub fn healths(&self) -> impl Iterator<Item = (&Arc<str>, &Health)> {
        self.channels.iter().map(|(name, delivery)| (name, delivery.health()))
    }

    /// Restores the health of a channel.
    pub fn restore_health(&mut self, channel: &str, health: Health) {
        if let Some(delivery) = self.channels.get_mut(channel) {
            delivery.restore_health(health);
        }
    }

    /// Something is due at a channel. Calling it again updates severity and time and keeps the backoff.
    pub fn enqueue(&mut self, channel: &str, notification: Notification) {
        if let Some(delivery) = self.channels.get_mut(channel) {
            delivery.enqueue(notification);
        }
    }

    /// Something is not due any more. A ring of unknown outcome is repeated all the same; an end is dropped and returned.
    pub fn withdraw(&mut self, channel: &str, incident: &str, what: Action) -> Vec<Try> {
        self.channels.get_mut(channel).map(|delivery| delivery.withdraw(incident, what)).unwrap_or_default()
    }

    /// An incident has ended: its rings, changes and acknowledgements of unknown outcome are not repeated any more. Called before
    /// its ends are wanted. Returns the dropped tries. One that is in flight completes as [`Completed::Perhaps`] if its outcome
    /// is unknown.
    pub fn forget_rings_of(&mut self, incident: &str) -> Vec<Try> {
        self.channels.values_mut().flat_map(|delivery| delivery.forget_rings_of(incident)).collect()
    }

    /// A channel was removed: what it perhaps took of an incident is not repeated there, only ended. Returns the dropped tries.
    pub fn forget_rings_at(&mut self, channel: &str, incident: &str) -> Vec<Try> {
        self.channels.get_mut(channel).map(|delivery| delivery.forget_rings_of(incident)).unwrap_or_default()
    }

    /// Whether a try of an incident is in flight to a channel.
    pub fn is_in_flight(&self, channel: &str, incident: &str) -> bool {
        self.channels.get(channel).is_some_and(|delivery| delivery.is_in_flight(incident))
    }

    /// Whether anything is in flight to a channel.
    pub fn is_busy(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(ChannelDelivery::is_busy)
    }

    /// What may be sent now. Before the next call the caller says that it leaves or is not wanted any more.
    pub fn next(&mut self, now: Moment) -> Option<Grant> {
        self.channels.values_mut().find_map(|delivery| delivery.grant(now))
    }

    /// A try is in flight.
    pub fn leaves(&mut self, attempt: Try, now: Moment) {
        if let Some(delivery) = self.channels.get_mut(&attempt.channel) {
            delivery.leaves(attempt, now);
        }
    }

    /// Tries that are repeated as they are. They are in flight already.
    pub fn repeats(&mut self, now: Moment) -> Vec<Repeat> {
        self.channels.values_mut().flat_map(|delivery| delivery.repeats(now)).collect()
    }

    /// The outcome of a try that was in flight. `chance` in 0..1 is the jitter of the next try.
    pub fn completed(&mut self, channel: &str, id: &str, outcome: &Outcome, chance: f64, now: Moment) -> Completed {
        self.channels.get_mut(channel).map_or(Completed::Gone, |delivery| delivery.completed(id, outcome, chance, now))
    }

    /// When it wants to be asked again if nothing happens before; in the past if now.
    pub fn due(&self) -> Option<Duration> {
        let gone = (!self.gone.is_empty()).then_some(Duration::ZERO);
        self.channels.values().filter_map(ChannelDelivery::due).chain(gone).min()
    }

    /// The backlog of each channel.
    pub fn backlog(&self) -> Vec<ChannelBacklog> {
        self.channels.values().map(ChannelDelivery::backlog).collect()
    }

    /// Facts of channels that changed since the last call, including well ones.
    pub fn facts(&mut self, now: Moment) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut self.gone);
        facts.extend(self.channels.values_mut().filter_map(|delivery| delivery.fact(now)));
        facts
    }
}
