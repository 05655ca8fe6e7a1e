//! The notifications that wait at one channel, and which of them is next. Pure.
//!
//! Each notification is in at most one index: `ready` if it may leave, `success` or `time` if it waits, none if its scope blocks it. So
//! every change of a notification takes logarithmic time. Notifications of one scope leave one at a time. A ring of unknown outcome blocks all
//! notifications of its scope but ends, so that nothing overtakes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::tries::{Action, RefusalKind};

use super::backoff::{Backoff, Waits};
use super::notification::{Key, Notification};
use super::unheard;

/// Classes of requests that do not wait for each other, in the order in which they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Rings,
    Quiet,
    Ends,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Rings, Self::Quiet, Self::Ends];

    pub(super) fn of(what: Action) -> Self {
        match what {
            Action::Ring => Self::Rings,
            Action::Change | Action::Acknowledge => Self::Quiet,
            Action::End => Self::Ends,
        }
    }

    /// Its index among the three.
    fn index(self) -> usize {
        self as usize
    }
}

/// The order in which notifications leave, the least first. Notifications that failed less often go first, so that one that always fails does
/// not block the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    failures: u32,
    class: Class,
    below_page: bool,
    pub(super) since: Duration,
    pub(super) key: Key,
}

/// One notification.
#[derive(Debug)]
struct QueuedNotification {
    notification: Notification,
    backoff: Backoff,
    /// The index that it is in.
    place: IndexEntry,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum IndexEntry {
    Nowhere,
    Ready(Order),
    Success(Duration),
    Time(Duration),
}

/// The notifications of one scope, and what blocks them.
#[derive(Debug, Default)]
struct ScopeQueue {
    keys: BTreeSet<Key>,
    /// Tries in flight: one, or two for a moment after a gathered one.
    in_flight: u32,
    /// Keys of tries of unknown outcome.
    unknown: Vec<Key>,
}

impl ScopeQueue {
    fn blocks(&self, key: &Key) -> bool {
        let behind = |unknown: &Key| unknown == key || (unknown.what == Action::Ring && key.what != Action::End);
        self.in_flight > 0 || self.unknown.iter().any(behind)
    }
}

/// What waits at one channel.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    notifications: BTreeMap<Key, QueuedNotification>,
    scope_queues: BTreeMap<Scope, ScopeQueue>,
    ready: [BTreeSet<Order>; 3],
    success: BTreeSet<(Duration, Key)>,
    time: BTreeSet<(Duration, Key)>,
    /// Rings by the time since when they are due, blocked or not.
    rings: BTreeSet<(Duration, Key)>,
    /// Those of them that are pages.
    pages: BTreeSet<(Duration, Key)>,
}

impl Waiting {
    /// Adds or updates a notification. An updated one keeps its backoff.
    pub(super) fn enqueue(&mut self, notification: Notification) {
        let key = notification.key();
        let mut backoff = self.take_out(&key).unwrap_or_default();
        if notification.is_page() {
            backoff.is_page();
            self.pages.insert((notification.since, key.clone()));
        }
        if notification.what == Action::Ring {
            self.rings.insert((notification.since, key.clone()));
        }
        self.scope_queues.entry(notification.scope.clone()).or_default().keys.insert(key.clone());
        self.notifications.insert(key.clone(), QueuedNotification { notification, backoff, place: IndexEntry::Nowhere });
        self.settle(&key);
    }

    /// Removes a notification.
    pub(super) fn withdraw(&mut self, key: &Key) {
        let Some(scope) = self.notifications.get(key).map(|entry| entry.notification.scope.clone()) else { return };
        self.take_out(key);
        if let Some(scope_queue) = self.scope_queues.get_mut(&scope) {
            scope_queue.keys.remove(key);
        }
        self.sweep(&scope);
    }

    /// Takes a notification out of everything but the queue of its scope.
    fn take_out(&mut self, key: &Key) -> Option<Backoff> {
        self.lift(key);
        let entry = self.notifications.remove(key)?;
        let due = (entry.notification.since, key.clone());
        self.rings.remove(&due);
        self.pages.remove(&due);
        Some(entry.backoff)
    }

    /// Takes a notification out of its index.
    fn lift(&mut self, key: &Key) {
        let Some(entry) = self.notifications.get_mut(key) else { return };
        match std::mem::replace(&mut entry.place, IndexEntry::Nowhere) {
            IndexEntry::Nowhere => {}
            IndexEntry::Ready(order) => {
                self.ready[order.class.index()].remove(&order);
            }
            IndexEntry::Success(at) => {
                self.success.remove(&(at, key.clone()));
            }
            IndexEntry::Time(at) => {
                self.time.remove(&(at, key.clone()));
            }
        }
    }

    /// Puts a notification into the right index.
    fn settle(&mut self, key: &Key) {
        self.lift(key);
        let Some(entry) = self.notifications.get_mut(key) else { return };
        if self.scope_queues.get(&entry.notification.scope).is_some_and(|scope_queue| scope_queue.blocks(key)) {
            return;
        }
        let at = entry.backoff.next;
        entry.place = match entry.backoff.waits {
            Waits::Nothing => IndexEntry::Ready(Order {
                failures: entry.backoff.failures,
                class: Class::of(key.what),
                below_page: !entry.notification.is_page(),
                since: entry.notification.since,
                key: key.clone(),
            }),
            Waits::Success => IndexEntry::Success(at),
            Waits::Time => IndexEntry::Time(at),
        };
        match &entry.place {
            IndexEntry::Nowhere => {}
            IndexEntry::Ready(order) => {
                self.ready[order.class.index()].insert(order.clone());
            }
            IndexEntry::Success(at) => {
                self.success.insert((*at, key.clone()));
            }
            IndexEntry::Time(at) => {
                self.time.insert((*at, key.clone()));
            }
        }
    }

    /// Changes the backoff of a notification.
    fn backoff(&mut self, key: &Key, change: impl FnOnce(&mut Backoff, &Notification)) {
        if let Some(entry) = self.notifications.get_mut(key) {
            change(&mut entry.backoff, &entry.notification);
            self.settle(key);
        }
    }

    /// Changes the queue of a scope.
    fn scope_queue(&mut self, scope: &Scope, change: impl FnOnce(&mut ScopeQueue)) {
        let scope_queue = self.scope_queues.entry(scope.clone()).or_default();
        change(scope_queue);
        let keys: Vec<Key> = scope_queue.keys.iter().cloned().collect();
        for key in keys {
            self.settle(&key);
        }
        self.sweep(scope);
    }

    /// Drops an empty queue.
    fn sweep(&mut self, scope: &Scope) {
        if self.scope_queues.get(scope).is_some_and(|scope_queue| {
            scope_queue.keys.is_empty() && scope_queue.in_flight == 0 && scope_queue.unknown.is_empty()
        }) {
            self.scope_queues.remove(scope);
        }
    }

    /// A try of this scope is in flight.
    pub(super) fn set_in_flight(&mut self, scope: &Scope) {
        self.scope_queue(scope, |scope_queue| scope_queue.in_flight += 1);
    }

    /// A try of this scope is no longer in flight.
    pub(super) fn completed(&mut self, scope: &Scope) {
        self.scope_queue(scope, |scope_queue| scope_queue.in_flight = scope_queue.in_flight.saturating_sub(1));
    }

    /// The outcome of this is unknown.
    pub(super) fn lost(&mut self, scope: &Scope, key: &Key) {
        self.scope_queue(scope, |scope_queue| scope_queue.unknown.push(key.clone()));
    }

    /// The outcome of this is known now or does not matter any more.
    pub(super) fn found(&mut self, scope: &Scope, key: &Key) {
        self.scope_queue(scope, |scope_queue| {
            if let Some(place) = scope_queue.unknown.iter().position(|unknown| unknown == key) {
                scope_queue.unknown.swap_remove(place);
            }
        });
    }

    /// Whether a try of this scope is in flight.
    pub(super) fn is_in_flight(&self, scope: &Scope) -> bool {
        self.scope_queues.get(scope).is_some_and(|scope_queue| scope_queue.in_flight > 0)
    }

    /// A try of this notification failed.
    pub(super) fn failed(&mut self, key: &Key, kind: RefusalKind, chance: f64, now: Duration) {
        self.backoff(key, |backoff, notification| backoff.failed(kind, notification.is_page(), chance, now));
    }

    /// A gathered request with this notification was refused, and it is unknown because of which notification. It may leave again at once.
    pub(super) fn refused_together(&mut self, key: &Key) {
        self.backoff(key, |backoff, _| backoff.failures = backoff.failures.saturating_add(1));
    }

    /// What waited for its time may leave.
    pub(super) fn promote(&mut self, now: Duration) {
        for waits in [Waits::Success, Waits::Time] {
            while let Some(key) = first_until(if waits == Waits::Success { &self.success } else { &self.time }, now) {
                self.backoff(&key, |backoff, _| backoff.waits = Waits::Nothing);
            }
        }
    }

    /// The channel took something.
    pub(super) fn wake(&mut self) {
        while let Some(key) = first_until(&self.success, Duration::MAX) {
            self.backoff(&key, |backoff, _| backoff.wake());
        }
    }

    /// The channel was mended: all begins anew.
    pub(super) fn mended(&mut self) {
        let keys: Vec<Key> = self.notifications.keys().cloned().collect();
        for key in keys {
            self.backoff(&key, |backoff, _| *backoff = Backoff::default());
        }
    }

    /// The first of a class that may leave.
    pub(super) fn head(&self, class: Class) -> Option<&Order> {
        self.ready[class.index()].first()
    }

    /// The notifications of a class that may be gathered, in order and at most `most`. Notifications that were refused in every form, and
    /// combined lines, are never gathered; if there are only such ones, the first leaves alone.
    pub(super) fn group(&self, class: Class, most: usize) -> Vec<(Notification, bool)> {
        let ready = &self.ready[class.index()];
        let notifications = || ready.iter().filter_map(|order| self.notifications.get(&order.key));
        let mut group: Vec<(Notification, bool)> = notifications()
            .filter(|entry| !entry.backoff.alone && entry.notification.incident != unheard::INCIDENT)
            .take(most.max(1))
            .map(|entry| (entry.notification.clone(), entry.backoff.shortest))
            .collect();
        if group.is_empty() {
            group.extend(notifications().next().map(|entry| (entry.notification.clone(), entry.backoff.shortest)));
        }
        group
    }

    /// A notification, and whether it is sent with the shortest text.
    pub(super) fn get(&self, key: &Key) -> Option<(&Notification, bool)> {
        self.notifications.get(key).map(|entry| (&entry.notification, entry.backoff.shortest))
    }

    /// When the next waiting notification may leave.
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

    /// Number of notifications, in flight or not.
    pub(super) fn len(&self) -> usize {
        self.notifications.len()
    }
}

/// The first whose time is not after `now`.
fn first_until(index: &BTreeSet<(Duration, Key)>, now: Duration) -> Option<Key> {
    index.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
}
