//! Which scope may send at which channel now, and what is on its way. Pure: no clock, no sockets, no store.
//!
//! There is no queue of messages. What is due is known to the evaluator, which keeps the wishes here equal to it; a message is made
//! when it may leave, of the incident as it is then. A round of the evaluator is:
//!
//! 1. [`want`](Delivery::want) and [`unwant`](Delivery::unwant) what changed.
//! 2. [`repeats`](Delivery::repeats), which are on their way once they are given out; then [`next`](Delivery::next) until it gives
//!    nothing. For each grant it makes a try, writes it down and says that it [`leaves`](Delivery::leaves); if there is
//!    nothing to say of a wish any more, it unwants it.
//! 3. Sleep until [`due`](Delivery::due), or until a try lands ([`landed`](Delivery::landed)) or something else happens.
//!
//! | file | owns |
//! |---|---|
//! | `waiting` | wishes of a channel, and which of them is next |
//! | `flights` | tries on their way, or perhaps taken |
//! | `backoff` | when one thing may be tried again: the table of troubles |
//! | `pace` | how often a channel is tried at all |
//! | `gate` | ten rings a minute, the rest as one |
//! | `line` | a channel: all of these together |
//! | `unheard` | what a channel never got before the end |
//!
//! One more trouble is an arm of [`Trouble`](super::told::Trouble) and of `backoff`.

mod backlog;
mod backoff;
mod flights;
mod gate;
mod line;
mod pace;
pub mod unheard;
mod waiting;
mod wish;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;

use super::Fact;
use super::condition::channel::Health;
use super::told::{Outcome, Try, What};
use line::Line;

pub use backlog::Backlog;
pub use wish::{ChannelPolicy, Grant, Landed, Repeat, Wish};

/// What may leave where, and what is on its way.
#[derive(Debug, Default)]
pub struct Delivery {
    lines: BTreeMap<Arc<str>, Line>,
    /// Facts of channels that are gone.
    gone: Vec<Fact>,
}

impl Delivery {
    /// Channels as they are configured.
    pub fn new(channels: impl IntoIterator<Item = ChannelPolicy>, now: Moment) -> Self {
        let mut delivery = Self::default();
        delivery.apply(channels, now);
        delivery
    }

    /// Takes over the channels of a reload. One that is not there any more is forgotten, with what was wanted there; gives its tries
    /// that were on their way or perhaps taken. For a channel of which configuration or secret changed, [`mended`](Self::mended)
    /// is to be called besides.
    pub fn apply(&mut self, channels: impl IntoIterator<Item = ChannelPolicy>, now: Moment) -> Vec<Try> {
        let mut before = std::mem::take(&mut self.lines);
        for policy in channels {
            let name = Arc::clone(&policy.name);
            let line = match before.remove(&name) {
                Some(line) => line.with(policy),
                None => Line::new(policy, now),
            };
            self.lines.insert(name, line);
        }
        let mut forgotten = Vec::new();
        for (_, line) in before {
            let (tries, fact) = line.removed();
            forgotten.extend(tries);
            self.gone.extend(fact);
        }
        forgotten
    }

    /// A channel's configuration or secret changed: all that waits there may leave at once.
    pub fn mended(&mut self, channel: &str, now: Moment) {
        if let Some(line) = self.lines.get_mut(channel) {
            line.mended(now);
        }
    }

    /// The configuration was read again: every channel is asked at once, also where nothing of it changed. That alone does not make
    /// a channel well that takes nothing.
    pub fn ask_again(&mut self) {
        self.lines.values_mut().for_each(Line::ask_again);
    }

    /// Takes over tries of an earlier process that have no outcome: perhaps taken, and repeated at once. Gives those of channels that
    /// there are not any more.
    pub fn restore(&mut self, tries: Vec<Try>, now: Moment) -> Vec<Try> {
        let mut homeless = Vec::new();
        for attempt in tries {
            match self.lines.get_mut(&attempt.channel) {
                Some(line) => line.restore(attempt, now),
                None => homeless.push(attempt),
            }
        }
        homeless
    }

    /// What is kept of channels, by name: a row each while it is not the default.
    pub fn healths(&self) -> impl Iterator<Item = (&Arc<str>, &Health)> {
        self.lines.iter().map(|(name, line)| (name, line.health()))
    }

    /// What an earlier process kept of a channel.
    pub fn restore_health(&mut self, channel: &str, health: Health) {
        if let Some(line) = self.lines.get_mut(channel) {
            line.restore_health(health);
        }
    }

    /// Something is due at a channel. It may be said again, with another severity or time; it keeps its place then.
    pub fn want(&mut self, channel: &str, wish: Wish) {
        if let Some(line) = self.lines.get_mut(channel) {
            line.want(wish);
        }
    }

    /// It is not due any more. A ring that is perhaps taken is repeated all the same; an end is not, and is given back.
    pub fn unwant(&mut self, channel: &str, incident: &str, what: What) -> Vec<Try> {
        self.lines.get_mut(channel).map(|line| line.unwant(incident, what)).unwrap_or_default()
    }

    /// An incident has ended: rings, changes and acknowledgements of it that are perhaps taken are not repeated, only ended. To be
    /// called before its ends are wanted. Gives the tries that are forgotten; one on its way lands as [`Landed::Perhaps`] if
    /// nobody knows then.
    pub fn forget_rings_of(&mut self, incident: &str) -> Vec<Try> {
        self.lines.values_mut().flat_map(|line| line.forget_rings_of(incident)).collect()
    }

    /// A channel is gone: what it perhaps took of an incident is not repeated there, only ended. Gives the tries that are forgotten.
    pub fn forget_rings_at(&mut self, channel: &str, incident: &str) -> Vec<Try> {
        self.lines.get_mut(channel).map(|line| line.forget_rings_of(incident)).unwrap_or_default()
    }

    /// Whether a try of an incident is on its way to a channel.
    pub fn is_flying(&self, channel: &str, incident: &str) -> bool {
        self.lines.get(channel).is_some_and(|line| line.is_flying(incident))
    }

    /// Whether anything is on its way to a channel.
    pub fn is_busy(&self, channel: &str) -> bool {
        self.lines.get(channel).is_some_and(Line::is_busy)
    }

    /// What may be sent now. The caller says that it leaves, or that it is not wanted any more, before it asks again.
    pub fn next(&mut self, now: Moment) -> Option<Grant> {
        self.lines.values_mut().find_map(|line| line.grant(now))
    }

    /// A try is on its way.
    pub fn leaves(&mut self, attempt: Try, now: Moment) {
        if let Some(line) = self.lines.get_mut(&attempt.channel) {
            line.leaves(attempt, now);
        }
    }

    /// Tries that leave again as they are. They are on their way already.
    pub fn repeats(&mut self, now: Moment) -> Vec<Repeat> {
        self.lines.values_mut().flat_map(|line| line.repeats(now)).collect()
    }

    /// What became of a try that was on its way. `chance` in 0..1 spreads the next tries.
    pub fn landed(&mut self, channel: &str, id: &str, outcome: &Outcome, chance: f64, now: Moment) -> Landed {
        self.lines.get_mut(channel).map_or(Landed::Gone, |line| line.landed(id, outcome, chance, now))
    }

    /// When it wants to be asked again if nothing happens before; in the past if now.
    pub fn due(&self) -> Option<Duration> {
        let gone = (!self.gone.is_empty()).then_some(Duration::ZERO);
        self.lines.values().filter_map(Line::due).chain(gone).min()
    }

    /// How each channel fares.
    pub fn backlog(&self) -> Vec<Backlog> {
        self.lines.values().map(Line::backlog).collect()
    }

    /// Facts of channels that changed since the last call, well ones too.
    pub fn facts(&mut self, now: Moment) -> Vec<Fact> {
        let mut facts = std::mem::take(&mut self.gone);
        facts.extend(self.lines.values_mut().filter_map(|line| line.fact(now)));
        facts
    }
}
