//! The tries of one channel that are on their way, or of which nobody knows whether they were taken. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::told::{Trouble, Try, What};
use crate::plan::Severity;

use super::backoff::{Backoff, Waits};
use super::gate::Slot;
use super::wish::Key;

/// One try.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) attempt: Try,
    /// Whether it is on its way; otherwise it waits to be repeated.
    pub(super) flying: bool,
    /// Whether it was perhaps taken before.
    pub(super) lost: bool,
    pub(super) backoff: Backoff,
    /// Incidents of it that have ended.
    over: BTreeSet<String>,
    /// The place it took up, until it was perhaps heard.
    pub(super) slot: Option<Slot>,
    /// When it left last.
    left: Duration,
    /// The configuration was read again since it left: how it fares says nothing about the channel as it is now.
    pub(super) stale: bool,
}

impl Flight {
    /// What of it has not ended.
    pub(super) fn open(&self) -> Vec<(Scope, Key)> {
        let what = self.attempt.what;
        let open = self.attempt.about.iter().filter(|about| !self.over.contains(&about.incident));
        open.map(|about| (about.scope.clone(), Key { incident: about.incident.as_str().into(), what })).collect()
    }

    /// Whether all that it tells of has ended.
    pub(super) fn is_over(&self) -> bool {
        self.attempt.about.iter().all(|about| self.over.contains(&about.incident))
    }

    fn is_page(&self) -> bool {
        let cover = |severity: Severity| severity >= Severity::Page;
        self.attempt.what == What::Ring
            && self.attempt.about.iter().filter_map(|about| about.cover.as_ref()).any(|told| cover(told.severity))
    }
}

/// Tries of one channel, by id.
#[derive(Debug, Default)]
pub(super) struct Flights {
    all: BTreeMap<Arc<str>, Flight>,
    flying: usize,
    /// Those of which nobody knows, by how often they failed and when they were made: which of them is next.
    ready: BTreeSet<(u32, Duration, Arc<str>)>,
    /// Those that wait for their time, or for a success.
    later: BTreeSet<(Duration, Arc<str>)>,
    /// Which tries tell of an incident.
    of: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Flights {
    /// A new one is on its way.
    pub(super) fn leaves(&mut self, attempt: Try, shortest: bool, slot: Option<Slot>, now: Duration) {
        let backoff = Backoff::new(shortest);
        self.put(Flight { attempt, flying: true, lost: false, backoff, over: BTreeSet::new(), slot, left: now, stale: false });
    }

    /// One of an earlier process: perhaps taken.
    pub(super) fn restore(&mut self, attempt: Try) {
        let backoff = Backoff::default();
        self.put(Flight {
            attempt,
            flying: false,
            lost: true,
            backoff,
            over: BTreeSet::new(),
            slot: None,
            left: Duration::ZERO,
            stale: false,
        });
    }

    fn put(&mut self, flight: Flight) {
        let id: Arc<str> = flight.attempt.id.as_str().into();
        for about in &flight.attempt.about {
            self.of.entry(about.incident.as_str().into()).or_default().insert(Arc::clone(&id));
        }
        self.flying += usize::from(flight.flying);
        self.all.insert(Arc::clone(&id), flight);
        self.settle(&id);
    }

    /// Takes one out.
    pub(super) fn take(&mut self, id: &str) -> Option<Flight> {
        let (id, flight) = self.all.remove_entry(id)?;
        self.lift(&id, &flight);
        self.flying -= usize::from(flight.flying);
        for about in &flight.attempt.about {
            let incident: Arc<str> = about.incident.as_str().into();
            if let Some(ids) = self.of.get_mut(&incident) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.of.remove(&incident);
                }
            }
        }
        Some(flight)
    }

    fn lift(&mut self, id: &Arc<str>, flight: &Flight) {
        // It stands in one of them at most, by its backoff as it is: who changes that takes it out before.
        self.ready.remove(&(flight.backoff.failures, flight.attempt.made, Arc::clone(id)));
        self.later.remove(&(flight.backoff.next, Arc::clone(id)));
    }

    fn settle(&mut self, id: &Arc<str>) {
        let Some(flight) = self.all.get(id).filter(|flight| !flight.flying) else { return };
        if flight.backoff.waits == Waits::Nothing {
            self.ready.insert((flight.backoff.failures, flight.attempt.made, Arc::clone(id)));
        } else {
            self.later.insert((flight.backoff.next, Arc::clone(id)));
        }
    }

    /// Changes one that is there.
    fn change(&mut self, id: &Arc<str>, change: impl FnOnce(&mut Flight)) {
        let Some(mut flight) = self.all.remove(id) else { return };
        self.lift(id, &flight);
        self.flying -= usize::from(flight.flying);
        change(&mut flight);
        self.flying += usize::from(flight.flying);
        self.all.insert(Arc::clone(id), flight);
        self.settle(id);
    }

    /// One that is on its way.
    pub(super) fn flying(&self, id: &str) -> Option<&Flight> {
        self.all.get(id).filter(|flight| flight.flying)
    }

    /// Nobody knows whether it was taken. `taken` is when the channel took something last: if that was after this one left, and
    /// this one failed before, it is what it says that the receiver cannot bear, and the shortest text is tried.
    ///
    /// Gives what of it has not ended.
    pub(super) fn lost(
        &mut self,
        id: &str,
        trouble: Trouble,
        taken: Option<Duration>,
        chance: f64,
        now: Duration,
    ) -> Vec<(Scope, Key)> {
        self.change(&id.into(), |flight| {
            (flight.flying, flight.lost, flight.slot) = (false, true, None);
            let page = flight.is_page();
            flight.backoff.failed(trouble, page, chance, now);
            flight.backoff.shortest |= flight.backoff.failures > 1 && taken.is_some_and(|taken| taken >= flight.left);
        });
        self.all.get(id).map(Flight::open).unwrap_or_default()
    }

    /// A try that is on its way or perhaps taken.
    pub(super) fn attempt(&self, id: &str) -> Option<&Try> {
        self.all.get(id).map(|flight| &flight.attempt)
    }

    /// The next that may be repeated, given whether something stands in the way of a scope.
    pub(super) fn next(&self, is_flying: impl Fn(&Scope) -> bool) -> Option<&Arc<str>> {
        let free = |id: &Arc<str>| {
            let flight = self.all.get(id);
            flight.is_some_and(|flight| flight.attempt.about.iter().all(|about| !is_flying(&about.scope)))
        };
        self.ready.iter().map(|(_, _, id)| id).find(|id| free(id))
    }

    /// Repeats one: it is on its way again.
    pub(super) fn again(&mut self, id: &Arc<str>, now: Duration) -> Option<&Flight> {
        self.change(id, |flight| {
            flight.flying = true;
            (flight.left, flight.stale) = (now, false);
            flight.attempt.attempts = flight.attempt.attempts.saturating_add(1);
        });
        self.all.get(id)
    }

    /// What waited for its time may be repeated.
    pub(super) fn promote(&mut self, now: Duration) {
        while let Some(id) = self.later.first().filter(|(at, _)| *at <= now).map(|(_, id)| Arc::clone(id)) {
            self.change(&id, |flight| flight.backoff.waits = Waits::Nothing);
        }
    }

    /// The channel took something.
    pub(super) fn wake(&mut self) {
        let ids: Vec<Arc<str>> = self.later.iter().map(|(_, id)| Arc::clone(id)).collect();
        for id in ids {
            self.change(&id, |flight| flight.backoff.wake());
        }
    }

    /// The channel was mended: all begins anew.
    pub(super) fn mended(&mut self) {
        let ids: Vec<Arc<str>> = self.later.iter().map(|(_, id)| Arc::clone(id)).collect();
        for id in ids {
            self.change(&id, |flight| flight.backoff = Backoff::default());
        }
        self.all.values_mut().filter(|flight| flight.flying).for_each(|flight| flight.stale = true);
    }

    /// Tries of these kinds that tell of an incident are not repeated because of it. Gives what is in nobody's way any more, and the
    /// tries that are forgotten.
    pub(super) fn over(&mut self, incident: &str, which: impl Fn(What) -> bool) -> (Vec<(Scope, Key)>, Vec<Try>) {
        let ids: Vec<Arc<str>> = self.of.get(incident).into_iter().flatten().cloned().collect();
        let (mut freed, mut forgotten) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(flight) = self.all.get_mut(&id).filter(|flight| which(flight.attempt.what)) else { continue };
            let before = flight.open();
            flight.over.insert(incident.to_owned());
            if !flight.flying {
                freed.extend(before.into_iter().filter(|(_, key)| &*key.incident == incident));
                if flight.is_over() {
                    forgotten.extend(self.take(&id).map(|flight| flight.attempt));
                }
            }
        }
        (freed, forgotten)
    }

    /// When the first that waits for its time may be repeated.
    pub(super) fn due(&self) -> Option<Duration> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether a try of an incident is on its way.
    pub(super) fn is_flying(&self, incident: &str) -> bool {
        let ids = self.of.get(incident).into_iter().flatten();
        ids.filter_map(|id| self.all.get(id)).any(|flight| flight.flying)
    }

    /// Tries on their way.
    pub(super) fn count(&self) -> usize {
        self.flying
    }

    /// Tries of which nobody knows whether they were taken, and that are not on their way.
    pub(super) fn unknown(&self) -> usize {
        self.all.len() - self.flying
    }

    /// All of them.
    pub(super) fn into_tries(self) -> Vec<Try> {
        self.all.into_values().map(|flight| flight.attempt).collect()
    }
}
