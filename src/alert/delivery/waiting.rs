//! What waits at one channel, and which of them is next. Pure.
//!
//! Each wish stands in at most one index: `ready` if it may leave, `success` or `time` if it waits, none if something of its scope is
//! in its way. So whatever happens to one wish costs the logarithm of how many there are. Wishes of one scope form a lane: one is on
//! its way at a time; a ring of which nobody knows whether it was taken keeps back all but ends, so that nothing overtakes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::told::{Trouble, What};

use super::backoff::{Backoff, Waits};
use super::unheard;
use super::wish::{Key, Wish};

/// Kinds of requests that do not wait for each other, in the order in which they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Rings,
    Quiet,
    Ends,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Rings, Self::Quiet, Self::Ends];

    pub(super) fn of(what: What) -> Self {
        match what {
            What::Ring => Self::Rings,
            What::Change | What::Acknowledge => Self::Quiet,
            What::End => Self::Ends,
        }
    }

    /// Its place in a list of three.
    fn index(self) -> usize {
        self as usize
    }
}

/// Whose turn it is: the least goes first. What failed less often goes first, so that nothing that never gets through keeps others
/// from being tried; on a channel that takes what it gets that is the same for all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    failures: u32,
    class: Class,
    below_page: bool,
    pub(super) since: Duration,
    pub(super) key: Key,
}

/// One wish.
#[derive(Debug)]
struct Entry {
    wish: Wish,
    turn: Backoff,
    /// Where it stands now.
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Nowhere,
    Ready(Order),
    Success(Duration),
    Time(Duration),
}

/// The wishes of one scope, and what is in their way.
#[derive(Debug, Default)]
struct Lane {
    keys: BTreeSet<Key>,
    /// Tries on their way: one, or two for a moment where a gathered one was made before.
    flying: u32,
    /// Tries of which nobody knows whether they were taken.
    unknown: Vec<Key>,
}

impl Lane {
    fn blocks(&self, key: &Key) -> bool {
        let behind = |unknown: &Key| unknown == key || (unknown.what == What::Ring && key.what != What::End);
        self.flying > 0 || self.unknown.iter().any(behind)
    }
}

/// What waits at one channel.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: BTreeMap<Key, Entry>,
    lanes: BTreeMap<Scope, Lane>,
    ready: [BTreeSet<Order>; 3],
    success: BTreeSet<(Duration, Key)>,
    time: BTreeSet<(Duration, Key)>,
    /// Rings by since when they are due, whatever is in their way.
    rings: BTreeSet<(Duration, Key)>,
    /// Those of them that are to wake somebody.
    pages: BTreeSet<(Duration, Key)>,
}

impl Waiting {
    /// Wants something. What is wanted already is brought up to date, and keeps its turn.
    pub(super) fn want(&mut self, wish: Wish) {
        let key = wish.key();
        let mut turn = self.take_out(&key).unwrap_or_default();
        if wish.is_page() {
            turn.is_page();
            self.pages.insert((wish.since, key.clone()));
        }
        if wish.what == What::Ring {
            self.rings.insert((wish.since, key.clone()));
        }
        self.lanes.entry(wish.scope.clone()).or_default().keys.insert(key.clone());
        self.entries.insert(key.clone(), Entry { wish, turn, place: Place::Nowhere });
        self.settle(&key);
    }

    /// Wants it no longer.
    pub(super) fn unwant(&mut self, key: &Key) {
        let Some(scope) = self.entries.get(key).map(|entry| entry.wish.scope.clone()) else { return };
        self.take_out(key);
        if let Some(lane) = self.lanes.get_mut(&scope) {
            lane.keys.remove(key);
        }
        self.sweep(&scope);
    }

    /// Takes a wish out of everything but its lane.
    fn take_out(&mut self, key: &Key) -> Option<Backoff> {
        self.lift(key);
        let entry = self.entries.remove(key)?;
        let due = (entry.wish.since, key.clone());
        self.rings.remove(&due);
        self.pages.remove(&due);
        Some(entry.turn)
    }

    /// Takes a wish out of the index it stands in.
    fn lift(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        match std::mem::replace(&mut entry.place, Place::Nowhere) {
            Place::Nowhere => {}
            Place::Ready(order) => {
                self.ready[order.class.index()].remove(&order);
            }
            Place::Success(at) => {
                self.success.remove(&(at, key.clone()));
            }
            Place::Time(at) => {
                self.time.remove(&(at, key.clone()));
            }
        }
    }

    /// Puts a wish where it belongs.
    fn settle(&mut self, key: &Key) {
        self.lift(key);
        let Some(entry) = self.entries.get_mut(key) else { return };
        if self.lanes.get(&entry.wish.scope).is_some_and(|lane| lane.blocks(key)) {
            return;
        }
        let at = entry.turn.next;
        entry.place = match entry.turn.waits {
            Waits::Nothing => Place::Ready(Order {
                failures: entry.turn.failures,
                class: Class::of(key.what),
                below_page: !entry.wish.is_page(),
                since: entry.wish.since,
                key: key.clone(),
            }),
            Waits::Success => Place::Success(at),
            Waits::Time => Place::Time(at),
        };
        match &entry.place {
            Place::Nowhere => {}
            Place::Ready(order) => {
                self.ready[order.class.index()].insert(order.clone());
            }
            Place::Success(at) => {
                self.success.insert((*at, key.clone()));
            }
            Place::Time(at) => {
                self.time.insert((*at, key.clone()));
            }
        }
    }

    /// Changes the turn of a wish.
    fn turn(&mut self, key: &Key, change: impl FnOnce(&mut Backoff, &Wish)) {
        if let Some(entry) = self.entries.get_mut(key) {
            change(&mut entry.turn, &entry.wish);
            self.settle(key);
        }
    }

    /// Changes what is in the way of a scope.
    fn lane(&mut self, scope: &Scope, change: impl FnOnce(&mut Lane)) {
        let lane = self.lanes.entry(scope.clone()).or_default();
        change(lane);
        let keys: Vec<Key> = lane.keys.iter().cloned().collect();
        for key in keys {
            self.settle(&key);
        }
        self.sweep(scope);
    }

    /// Forgets a scope of which nothing is left.
    fn sweep(&mut self, scope: &Scope) {
        if self.lanes.get(scope).is_some_and(|lane| lane.keys.is_empty() && lane.flying == 0 && lane.unknown.is_empty()) {
            self.lanes.remove(scope);
        }
    }

    /// A try of this scope is on its way.
    pub(super) fn flies(&mut self, scope: &Scope) {
        self.lane(scope, |lane| lane.flying += 1);
    }

    /// A try of this scope is not on its way any more.
    pub(super) fn landed(&mut self, scope: &Scope) {
        self.lane(scope, |lane| lane.flying = lane.flying.saturating_sub(1));
    }

    /// Nobody knows whether this was taken.
    pub(super) fn lost(&mut self, scope: &Scope, key: &Key) {
        self.lane(scope, |lane| lane.unknown.push(key.clone()));
    }

    /// It is known now, or does not matter any more, whether this was taken.
    pub(super) fn found(&mut self, scope: &Scope, key: &Key) {
        self.lane(scope, |lane| {
            if let Some(place) = lane.unknown.iter().position(|unknown| unknown == key) {
                lane.unknown.swap_remove(place);
            }
        });
    }

    /// Whether a try of this scope is on its way.
    pub(super) fn is_flying(&self, scope: &Scope) -> bool {
        self.lanes.get(scope).is_some_and(|lane| lane.flying > 0)
    }

    /// What was made of it did not get through.
    pub(super) fn failed(&mut self, key: &Key, trouble: Trouble, chance: f64, now: Duration) {
        self.turn(key, |turn, wish| turn.failed(trouble, wish.is_page(), chance, now));
    }

    /// What was said of it together with others was not liked, and nobody knows because of whom: it may leave again at once.
    pub(super) fn refused_together(&mut self, key: &Key) {
        self.turn(key, |turn, _| turn.failures = turn.failures.saturating_add(1));
    }

    /// What waited for its time may leave.
    pub(super) fn promote(&mut self, now: Duration) {
        for waits in [Waits::Success, Waits::Time] {
            while let Some(key) = first_until(if waits == Waits::Success { &self.success } else { &self.time }, now) {
                self.turn(&key, |turn, _| turn.waits = Waits::Nothing);
            }
        }
    }

    /// The channel took something.
    pub(super) fn wake(&mut self) {
        while let Some(key) = first_until(&self.success, Duration::MAX) {
            self.turn(&key, |turn, _| turn.wake());
        }
    }

    /// The channel was mended: all begins anew.
    pub(super) fn mended(&mut self) {
        let keys: Vec<Key> = self.entries.keys().cloned().collect();
        for key in keys {
            self.turn(&key, |turn, _| *turn = Backoff::default());
        }
    }

    /// The first of a class that may leave.
    pub(super) fn head(&self, class: Class) -> Option<&Order> {
        self.ready[class.index()].first()
    }

    /// What of a class may leave together, in order, at most so many; only the first if it may leave alone only, as what was refused
    /// in every form, and the line that combines many already.
    pub(super) fn group(&self, class: Class, most: usize) -> Vec<(Wish, bool)> {
        let ready = &self.ready[class.index()];
        let entries = || ready.iter().filter_map(|order| self.entries.get(&order.key));
        let mut group: Vec<(Wish, bool)> = entries()
            .filter(|entry| !entry.turn.alone && entry.wish.incident != unheard::INCIDENT)
            .take(most.max(1))
            .map(|entry| (entry.wish.clone(), entry.turn.shortest))
            .collect();
        if group.is_empty() {
            group.extend(entries().next().map(|entry| (entry.wish.clone(), entry.turn.shortest)));
        }
        group
    }

    /// A wish, and whether it is to be sent in the shortest form.
    pub(super) fn get(&self, key: &Key) -> Option<(&Wish, bool)> {
        self.entries.get(key).map(|entry| (&entry.wish, entry.turn.shortest))
    }

    /// When the first that waits for a time may leave.
    pub(super) fn due(&self) -> Option<Duration> {
        [self.success.first(), self.time.first()].into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Since when the oldest ring is due.
    pub(super) fn oldest_ring(&self) -> Option<Duration> {
        self.rings.first().map(|(since, _)| *since)
    }

    /// Since when the oldest page is due.
    pub(super) fn oldest_page(&self) -> Option<Duration> {
        self.pages.first().map(|(since, _)| *since)
    }

    /// Wishes, on their way or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// The first whose time is not after `now`.
fn first_until(index: &BTreeSet<(Duration, Key)>, now: Duration) -> Option<Key> {
    index.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
}
