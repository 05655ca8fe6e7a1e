//! Too many failures: one window, with four settings.
//!
//! | rule | what it counts | over how much | when it is crossed | when it lets go |
//! |---|---|---|---|---|
//! | K of N | failed runs of a canary | N runs | K of them | when it is told: N − K + 1 passes in a row |
//! | across | runs of a probe, by canary | N runs | K of them failed | after a whole window below it |
//! | burn rate | runs of a probe, by region | a long time and a short one | both burn too fast, and it is no chance | with its short window |
//! | latency | durations, and how many were lost | the same | the bound is broken, and it is no chance | with its short window |
//!
//! Counts lie in numbered slots: one for each run, or one for each bucket of time ([`Buckets`]). It must not know what it counts
//! or read a clock. One more rule is a [`WindowRule`].

pub(super) mod buckets;
pub(super) mod histogram;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use buckets::{Buckets, Tally};

/// How many old slots may pile up before they are dropped together.
const SLACK: usize = 16;

/// How a window is judged; what it counts is its type.
pub(super) struct WindowRule<C> {
    /// Over how much.
    pub(super) over: WindowLength,
    /// Looks at the long and the short window, and whether the rule is held. Returns what was seen if the rule is crossed.
    pub(super) crossed: C,
    /// When it lets go.
    pub(super) clears: Clears,
}

/// The length of a window in slots; a run takes one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowLength {
    /// So many runs.
    Runs(u64),
    /// Buckets of time: the whole window, and the newest buckets that show whether it still holds.
    Time {
        /// The whole window.
        long: u64,
        /// Its end.
        short: u64,
    },
}

/// When a window that was crossed lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clears {
    /// When the caller says so.
    WhenTold,
    /// When it was not crossed for as many runs as the window has.
    WholeWindow,
    /// As soon as it is not crossed. A rule that is held is crossed by its short window alone.
    ShortWindow,
}

/// Slots of a window, ascending.
pub(super) type Slots<T> = [(u64, T)];

/// What was counted lately, and whether it is too bad.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ratio<T, S> {
    slots: Vec<(u64, T)>,
    held: Option<Held<S>>,
}

/// The rule was crossed and is not cleared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Held<S> {
    /// Since when; steady.
    pub(super) since: Duration,
    /// What was seen when it last was crossed.
    pub(super) seen: S,
    /// How often it was judged since then without being crossed.
    pub(super) quiet: u64,
}

impl<T, S> Default for Ratio<T, S> {
    fn default() -> Self {
        Self { slots: Vec::new(), held: None }
    }
}

impl<T, S> FromIterator<(u64, T)> for Ratio<T, S> {
    fn from_iter<I: IntoIterator<Item = (u64, T)>>(slots: I) -> Self {
        let mut slots: Vec<_> = slots.into_iter().collect();
        slots.sort_by_key(|(number, _)| *number);
        Self { slots, held: None }
    }
}

impl<T: Default, S> Ratio<T, S> {
    /// The slot of that number, made if there is none.
    pub(super) fn slot(&mut self, number: u64) -> &mut T {
        let place = self.slots.partition_point(|(other, _)| *other < number);
        if self.slots.get(place).is_none_or(|(other, _)| *other != number) {
            self.slots.insert(place, (number, T::default()));
        }
        &mut self.slots[place].1
    }
}

impl<T, S> Ratio<T, S> {
    /// Inserts a slot at that number and moves the later slots up by one.
    pub(super) fn insert(&mut self, number: u64, value: T) {
        let place = self.slots.partition_point(|(other, _)| *other < number);
        self.slots[place..].iter_mut().for_each(|(other, _)| *other += 1);
        self.slots.insert(place, (number, value));
    }

    /// Every slot, ascending; perhaps some that are too old.
    pub(super) fn all(&self) -> &Slots<T> {
        &self.slots
    }

    /// The same, to be changed.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.slots.iter_mut().map(|(number, value)| (*number, value))
    }

    /// The number of the newest slot; zero if there is none.
    pub(super) fn newest(&self) -> u64 {
        self.slots.last().map_or(0, |(number, _)| *number)
    }

    /// The slots of so many numbers up to that one.
    pub(super) fn window(&self, upto: u64, count: u64) -> &Slots<T> {
        let end = self.slots.partition_point(|(number, _)| *number <= upto);
        let begin = self.slots[..end].partition_point(|(number, _)| *number + count <= upto);
        &self.slots[begin..end]
    }

    /// Drops what is before the window of so many numbers up to that one.
    pub(super) fn prune(&mut self, upto: u64, count: u64) {
        let begin = self.slots.partition_point(|(number, _)| *number + count <= upto);
        // Dropping moves all the others, so with many slots it is done only now and then.
        if begin > 0 && (self.slots.len() <= SLACK || begin * 8 > self.slots.len()) {
            self.slots.drain(..begin);
        }
    }

    /// Forgets all slots; it stays held if it is.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
    }

    /// Whether it is too bad, and since when, and what was seen.
    pub(super) fn held(&self) -> Option<&Held<S>> {
        self.held.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn held_mut(&mut self) -> Option<&mut Held<S>> {
        self.held.as_mut()
    }

    /// Sets whether it is held, as it was stored or as somebody says.
    pub(super) fn hold(&mut self, held: Option<Held<S>>) {
        self.held = held;
    }

    /// Judges the window that ends at that number and updates whether it is held.
    pub(super) fn judge<C>(&mut self, window_rule: &WindowRule<C>, upto: u64, now: Duration)
    where
        C: Fn(&Slots<T>, &Slots<T>, bool) -> Option<S>,
    {
        let (long, short) = match window_rule.over {
            WindowLength::Runs(runs) => (runs, runs),
            WindowLength::Time { long, short } => (long, short),
        };
        let seen = (window_rule.crossed)(self.window(upto, long), self.window(upto, short), self.held.is_some());
        self.note(seen, window_rule.clears, long, now);
    }

    /// It was judged: too bad if something was seen.
    pub(super) fn note(&mut self, seen: Option<S>, clears: Clears, long: u64, now: Duration) {
        match (seen, &mut self.held) {
            (Some(seen), Some(held)) => (held.seen, held.quiet) = (seen, 0),
            (Some(seen), None) => self.held = Some(Held { since: now, seen, quiet: 0 }),
            (None, Some(held)) => {
                held.quiet += 1;
                let over = match clears {
                    Clears::WhenTold => false,
                    Clears::WholeWindow => held.quiet >= long,
                    Clears::ShortWindow => true,
                };
                if over {
                    self.held = None;
                }
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
