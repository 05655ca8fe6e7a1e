//! The tries of one channel that are in flight or of unknown outcome. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::tries::{Action, RefusalKind, Try};
use crate::plan::Severity;

use super::backoff::{Backoff, Waits};
use super::notification::Key;
use super::rate_limit::Slot;

/// One try.
#[derive(Debug)]
pub(super) struct InFlightTry {
    pub(super) attempt: Try,
    /// Whether it is in flight; otherwise it waits to be repeated.
    pub(super) in_flight: bool,
    /// Whether an earlier attempt was perhaps taken.
    pub(super) lost: bool,
    pub(super) backoff: Backoff,
    /// Its incidents that have ended.
    over: BTreeSet<String>,
    /// The slot of the rate limit that it used; given back if it is refused.
    pub(super) slot: Option<Slot>,
    /// When it was last sent.
    left: Duration,
    /// Whether the configuration was reloaded since it left, so that its outcome says nothing of the channel as it is now.
    pub(super) stale: bool,
}

impl InFlightTry {
    /// Its incidents that have not ended.
    pub(super) fn open(&self) -> Vec<(Scope, Key)> {
        let what = self.attempt.what;
        let open = self.attempt.about.iter().filter(|about| !self.over.contains(&about.incident));
        open.map(|about| (about.scope.clone(), Key { incident: about.incident.as_str().into(), what })).collect()
    }

    /// Whether all its incidents have ended.
    pub(super) fn is_over(&self) -> bool {
        self.attempt.about.iter().all(|about| self.over.contains(&about.incident))
    }

    fn is_page(&self) -> bool {
        let cover = |severity: Severity| severity >= Severity::Page;
        self.attempt.what == Action::Ring
            && self.attempt.about.iter().filter_map(|about| about.cover.as_ref()).any(|told| cover(told.severity))
    }
}

/// Tries of one channel, by id.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    all: BTreeMap<Arc<str>, InFlightTry>,
    active: usize,
    /// Tries that may be repeated now, ordered by failures and age.
    ready: BTreeSet<(u32, Duration, Arc<str>)>,
    /// Tries that wait for their time or for a success.
    later: BTreeSet<(Duration, Arc<str>)>,
    /// The ids of tries by incident.
    of: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl InFlight {
    /// Adds a new try that is in flight.
    pub(super) fn leaves(&mut self, attempt: Try, shortest: bool, slot: Option<Slot>, now: Duration) {
        let backoff = Backoff::new(shortest);
        self.put(InFlightTry {
            attempt,
            in_flight: true,
            lost: false,
            backoff,
            over: BTreeSet::new(),
            slot,
            left: now,
            stale: false,
        });
    }

    /// Adds a try of an earlier process, which was perhaps taken.
    pub(super) fn restore(&mut self, attempt: Try) {
        let backoff = Backoff::default();
        self.put(InFlightTry {
            attempt,
            in_flight: false,
            lost: true,
            backoff,
            over: BTreeSet::new(),
            slot: None,
            left: Duration::ZERO,
            stale: false,
        });
    }

    fn put(&mut self, flight: InFlightTry) {
        let id: Arc<str> = flight.attempt.id.as_str().into();
        for about in &flight.attempt.about {
            self.of.entry(about.incident.as_str().into()).or_default().insert(Arc::clone(&id));
        }
        self.active += usize::from(flight.in_flight);
        self.all.insert(Arc::clone(&id), flight);
        self.settle(&id);
    }

    /// Takes one out.
    pub(super) fn take(&mut self, id: &str) -> Option<InFlightTry> {
        let (id, flight) = self.all.remove_entry(id)?;
        self.lift(&id, &flight);
        self.active -= usize::from(flight.in_flight);
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

    fn lift(&mut self, id: &Arc<str>, flight: &InFlightTry) {
        // It is in at most one of these indexes, by its current backoff. So it is taken out before the backoff changes.
        self.ready.remove(&(flight.backoff.failures, flight.attempt.made, Arc::clone(id)));
        self.later.remove(&(flight.backoff.next, Arc::clone(id)));
    }

    fn settle(&mut self, id: &Arc<str>) {
        let Some(flight) = self.all.get(id).filter(|flight| !flight.in_flight) else { return };
        if flight.backoff.waits == Waits::Nothing {
            self.ready.insert((flight.backoff.failures, flight.attempt.made, Arc::clone(id)));
        } else {
            self.later.insert((flight.backoff.next, Arc::clone(id)));
        }
    }

    /// Changes a try and updates the indexes.
    fn change(&mut self, id: &Arc<str>, change: impl FnOnce(&mut InFlightTry)) {
        let Some(mut flight) = self.all.remove(id) else { return };
        self.lift(id, &flight);
        self.active -= usize::from(flight.in_flight);
        change(&mut flight);
        self.active += usize::from(flight.in_flight);
        self.all.insert(Arc::clone(id), flight);
        self.settle(id);
    }

    /// One in flight.
    pub(super) fn in_flight(&self, id: &str) -> Option<&InFlightTry> {
        self.all.get(id).filter(|flight| flight.in_flight)
    }

    /// The outcome is unknown. `taken` is when the channel last took something. If that was after this try left, and this try
    /// failed before, its text seems to be the cause, and the shortest text is tried.
    ///
    /// Returns its incidents that have not ended.
    pub(super) fn lost(
        &mut self,
        id: &str,
        kind: RefusalKind,
        taken: Option<Duration>,
        chance: f64,
        now: Duration,
    ) -> Vec<(Scope, Key)> {
        self.change(&id.into(), |flight| {
            (flight.in_flight, flight.lost, flight.slot) = (false, true, None);
            let page = flight.is_page();
            flight.backoff.failed(kind, page, chance, now);
            flight.backoff.shortest |= flight.backoff.failures > 1 && taken.is_some_and(|taken| taken >= flight.left);
        });
        self.all.get(id).map(InFlightTry::open).unwrap_or_default()
    }

    /// A try by its id.
    pub(super) fn attempt(&self, id: &str) -> Option<&Try> {
        self.all.get(id).map(|flight| &flight.attempt)
    }

    /// The next try that may be repeated, given whether a scope has a try in flight.
    pub(super) fn next(&self, is_in_flight: impl Fn(&Scope) -> bool) -> Option<&Arc<str>> {
        let free = |id: &Arc<str>| {
            let flight = self.all.get(id);
            flight.is_some_and(|flight| flight.attempt.about.iter().all(|about| !is_in_flight(&about.scope)))
        };
        self.ready.iter().map(|(_, _, id)| id).find(|id| free(id))
    }

    /// Repeats a try.
    pub(super) fn again(&mut self, id: &Arc<str>, now: Duration) -> Option<&InFlightTry> {
        self.change(id, |flight| {
            flight.in_flight = true;
            (flight.left, flight.stale) = (now, false);
            flight.attempt.attempts = flight.attempt.attempts.saturating_add(1);
        });
        self.all.get(id)
    }

    /// Lets tries be repeated whose time has come.
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

    /// The channel was reconfigured: every backoff is reset.
    pub(super) fn mended(&mut self) {
        let ids: Vec<Arc<str>> = self.later.iter().map(|(_, id)| Arc::clone(id)).collect();
        for id in ids {
            self.change(&id, |flight| flight.backoff = Backoff::default());
        }
        self.all.values_mut().filter(|flight| flight.in_flight).for_each(|flight| flight.stale = true);
    }

    /// Tries with these actions are not repeated for this incident any more. Returns the keys that they no longer block, and the
    /// tries that are dropped.
    pub(super) fn over(&mut self, incident: &str, which: impl Fn(Action) -> bool) -> (Vec<(Scope, Key)>, Vec<Try>) {
        let ids: Vec<Arc<str>> = self.of.get(incident).into_iter().flatten().cloned().collect();
        let (mut freed, mut forgotten) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(flight) = self.all.get_mut(&id).filter(|flight| which(flight.attempt.what)) else { continue };
            let before = flight.open();
            flight.over.insert(incident.to_owned());
            if !flight.in_flight {
                freed.extend(before.into_iter().filter(|(_, key)| &*key.incident == incident));
                if flight.is_over() {
                    forgotten.extend(self.take(&id).map(|flight| flight.attempt));
                }
            }
        }
        (freed, forgotten)
    }

    /// When the next waiting try may be repeated.
    pub(super) fn due(&self) -> Option<Duration> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether a try of an incident is in flight.
    pub(super) fn is_in_flight(&self, incident: &str) -> bool {
        let ids = self.of.get(incident).into_iter().flatten();
        ids.filter_map(|id| self.all.get(id)).any(|flight| flight.in_flight)
    }

    /// Tries in flight.
    pub(super) fn count(&self) -> usize {
        self.active
    }

    /// Tries of unknown outcome, and that are not in flight.
    pub(super) fn unknown(&self) -> usize {
        self.all.len() - self.active
    }

    /// All of them.
    pub(super) fn into_tries(self) -> Vec<Try> {
        self.all.into_values().map(|flight| flight.attempt).collect()
    }
}
