//! Which canaries have had no counted run for too long.
//!
//! Owns the rule *blind*: with so many ticks that brought no counted run, over so long, outside maintenance and pauses, a canary
//! joins its region's incident; its next counted run lets it leave. Silence, a pause included, never does, and where no tick is due
//! there is none. Only the canary whose time is next is looked at: a run that passes moves nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{BlindRule, Canary, CanaryId, Probe};

use super::Moment;
use super::canary::{Clock, Patience};

/// Said to be going on while a run may still end: what it takes besides its deadline, such as the ledger's entry.
const AROUND_A_RUN: Duration = Duration::from_secs(10);

/// The canaries of all regions.
#[derive(Debug, Default)]
pub struct Blind {
    watched: HashMap<CanaryId, Watch>,
    /// When each canary that can become blind is to be looked at.
    agenda: BinaryHeap<Reverse<(Duration, CanaryId)>>,
    /// Who is blind, by region.
    members: BTreeMap<Arc<str>, BTreeSet<CanaryId>>,
}

#[derive(Debug)]
struct Watch {
    region: Arc<str>,
    patience: Patience,
    clock: Clock,
    /// It is not blind before this: a process that has just started gives it time for one run.
    not_before: Duration,
    /// The time of its entry in the agenda; entries with another time are out of date.
    entry: Option<Duration>,
}

/// A canary that became blind, or saw again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The canary.
    pub canary: CanaryId,
    /// Its region.
    pub region: Arc<str>,
    /// Whether it is blind now.
    pub blind: bool,
}

/// How long a canary of this probe may be without a counted run.
pub fn patience(rule: &BlindRule, probe: &Probe) -> Patience {
    let (interval, _) = probe.cadence.pauses();
    Patience { ticks: rule.intervals.into(), limit: rule.at_least, run: probe.deadline + AROUND_A_RUN, interval }
}

impl Blind {
    /// Watches a canary, or watches it by another rule from now on. `clock` is that of its state. One that is new here is given
    /// time for one run, so that a process that was down does not begin with pages.
    pub fn watch(&mut self, canary: &Canary, patience: Patience, clock: Clock, now: Moment) {
        let not_before = match self.watched.get(&canary.id) {
            Some(known) => known.not_before,
            None => now.steady + canary.probe.cadence.next_within(now.wall) + patience.run,
        };
        let watch = Watch { region: Arc::clone(&canary.region.name), patience, clock, not_before, entry: None };
        self.watched.insert(canary.id.clone(), watch);
        self.put_on_agenda(&canary.id);
    }

    /// A watched canary was blind in an earlier process: it stays so until its next counted run.
    pub fn still_blind(&mut self, canary: &CanaryId) {
        if let Some(watch) = self.watched.get_mut(canary) {
            watch.entry = None;
            self.members.entry(Arc::clone(&watch.region)).or_default().insert(canary.clone());
        }
    }

    /// A canary is no more. It is not blind any longer, and nobody is told.
    pub fn forget(&mut self, canary: &CanaryId) {
        if let Some(watch) = self.watched.remove(canary)
            && let Some(blind) = self.members.get_mut(&watch.region)
        {
            blind.remove(canary);
        }
    }

    /// A run of a canary ended, or did not run; `clock` is that of its state after it. Says whether it sees again.
    pub fn told(&mut self, canary: &CanaryId, clock: Clock) -> Option<Sight> {
        let watch = self.watched.get_mut(canary)?;
        watch.clock = clock;
        // Its time may have come nearer. An entry that is too early does no harm.
        let nearer = watch.due().is_some_and(|due| watch.entry.is_none_or(|entry| due < entry));
        let region = Arc::clone(&watch.region);
        if clock.has_data() {
            let sees_again = self.members.get_mut(&region).is_some_and(|blind| blind.remove(canary));
            return sees_again.then(|| Sight { canary: canary.clone(), region, blind: false });
        }
        if nearer {
            self.put_on_agenda(canary);
        }
        None
    }

    /// When [`now_blind`](Self::now_blind) is to be asked again at the latest; steady time.
    pub fn due(&self) -> Option<Duration> {
        self.agenda.peek().map(|Reverse((at, _))| *at)
    }

    /// The canaries that have become blind.
    pub fn now_blind(&mut self, now: Moment) -> Vec<Sight> {
        let mut sights = Vec::new();
        while self.due().is_some_and(|due| due <= now.steady) {
            let Some(Reverse((at, canary))) = self.agenda.pop() else { break };
            let Some(watch) = self.watched.get_mut(&canary).filter(|watch| watch.entry == Some(at)) else { continue };
            watch.entry = None;
            if watch.due().is_some_and(|due| due <= now.steady) {
                let region = Arc::clone(&watch.region);
                self.members.entry(Arc::clone(&region)).or_default().insert(canary.clone());
                sights.push(Sight { canary, region, blind: true });
            } else {
                self.put_on_agenda(&canary);
            }
        }
        sights
    }

    /// Whether a canary is blind.
    pub fn is_blind(&self, canary: &CanaryId) -> bool {
        let region = self.watched.get(canary).and_then(|watch| self.members.get(&watch.region));
        region.is_some_and(|blind| blind.contains(canary))
    }

    /// The blind canaries of a region, by id.
    pub fn members<'a>(&'a self, region: &str) -> impl Iterator<Item = &'a CanaryId> + use<'a> {
        self.members.get(region).into_iter().flatten()
    }

    /// An entry in the agenda, unless it is blind or has no time.
    fn put_on_agenda(&mut self, canary: &CanaryId) {
        if self.is_blind(canary) {
            return;
        }
        if let Some(watch) = self.watched.get_mut(canary)
            && let Some(due) = watch.due()
        {
            watch.entry = Some(due);
            self.agenda.push(Reverse((due, canary.clone())));
        }
    }
}

impl Watch {
    fn due(&self) -> Option<Duration> {
        self.clock.due(self.patience).map(|due| due.max(self.not_before))
    }
}

#[cfg(test)]
mod tests;
