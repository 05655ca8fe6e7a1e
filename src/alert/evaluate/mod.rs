//! From facts to what is sent: the one place where the parts meet.
//!
//! An event changes facts (`condition`), facts change incidents (`fold`), incidents are held against what each channel took
//! (`owed`), and what is due leaves when `delivery` says so (`send`); what came of it changes covers (`land`). Only touched scopes
//! are folded. It is pure: no clock, no I/O; everything that is to be written and sent is in its [`Effects`], and [`due`] says
//! when it wants to be asked again.
//!
//! [`due`]: Evaluator::due

mod event;
mod facts;
mod fold;
mod ids;
mod land;
mod needs;
mod over;
mod reload;
mod restore;
mod rows;
mod send;
mod status;
mod verbs;
mod view;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::{CanaryId, Severity};

use super::condition::{Changed, Conditions, Count, Input};
use super::delivery::Delivery;
use super::delivery::unheard::{self, Unheard};
use super::explain::Roots;
use super::incident::Incident;
use super::memory::Memory;
use super::muting::Muting;
use super::told::What;
use super::{FactKey, Scope};
pub use event::{Effects, Event, Held, Sending};
use facts::Facts;
use ids::Ids;
use rows::{Dirty, KeptChannel};
pub use status::Backlog;
use world::World;

/// Everything that alerting knows.
#[derive(Debug)]
pub struct Evaluator {
    world: World,
    conditions: Conditions,
    facts: Facts,
    incidents: Incidents,
    memory: Memory,
    mutes: Muting,
    delivery: Delivery,
    unheard: Unheard,
    /// How the canaries stand that others need.
    roots: Roots,
    ids: Ids,
    /// What is to be looked at though nothing happens.
    pending: Pending,
    /// What is not watched any more since then, where somebody may have made a mistake that is mended at once.
    removals: BTreeMap<FactKey, Duration>,
    /// Facts that nobody says any more, until what they belonged to is folded.
    gone: BTreeSet<FactKey>,
    dirty: Dirty,
    /// Canaries that ran since the last time.
    ran: BTreeSet<CanaryId>,
    /// Whether a counted run has ended since the start.
    run_ended: bool,
    /// When the first run that was due since the start had its deadline and 10 s.
    run_expected: Option<Duration>,
}

/// Incidents that are open, and those whose end is not told everywhere.
#[derive(Debug, Default)]
struct Incidents {
    open: HashMap<Scope, Incident>,
    /// By id.
    ended: BTreeMap<String, Incident>,
    /// Open incidents by id.
    by_id: HashMap<String, Scope>,
    /// Where a member is though its fact belongs to another scope by now.
    moved: HashMap<FactKey, BTreeSet<Scope>>,
    /// Open incidents that go to every channel, since no channel that wakes took them, and since when they are due; without a time
    /// where no route matches.
    escalated: BTreeMap<String, Option<Duration>>,
    /// How bad each probe's incidents are, and the probes for which that may have changed.
    severities: HashMap<Arc<str>, BTreeMap<Scope, Severity>>,
    changed: BTreeSet<Arc<str>>,
}

impl Incidents {
    /// Notes how bad an incident is; nothing where it has ended, or where all that fails in it is held.
    fn note_severity(&mut self, scope: &Scope, severity: Option<Severity>) {
        let Some(probe) = scope.probe() else { return };
        let of_probe = self.severities.entry(Arc::clone(probe)).or_default();
        let before = match severity {
            Some(severity) => of_probe.insert(scope.clone(), severity),
            None => of_probe.remove(scope),
        };
        if before != severity {
            self.changed.insert(Arc::clone(probe));
        }
    }

    /// The worst of the incidents of each probe for which that may have changed.
    fn changed_severities(&mut self) -> Vec<(Arc<str>, Option<Severity>)> {
        let worst = |probe: Arc<str>| {
            let worst = self.severities.get(&probe).and_then(|of_probe| of_probe.values().max().copied());
            if worst.is_none() {
                self.severities.remove(&probe);
            }
            (probe, worst)
        };
        std::mem::take(&mut self.changed).into_iter().map(worst).collect()
    }
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
struct Pending {
    /// Scopes to fold, with the members whose facts changed.
    touched: BTreeMap<Scope, BTreeSet<FactKey>>,
    /// Ended incidents to look at.
    ended: BTreeSet<String>,
    by_time: BTreeSet<(Duration, Scope)>,
    at: HashMap<Scope, Duration>,
}

impl Pending {
    fn touch(&mut self, scope: &Scope) {
        self.touched.entry(scope.clone()).or_default();
    }

    /// The scope is to be folded then, and not at the time that was said before.
    fn put(&mut self, scope: &Scope, at: Option<Duration>) {
        if let Some(old) = self.at.remove(scope) {
            self.by_time.remove(&(old, scope.clone()));
        }
        if let Some(at) = at {
            self.at.insert(scope.clone(), at);
            self.by_time.insert((at, scope.clone()));
        }
    }

    fn wake(&mut self, now: Duration) {
        while let Some((at, scope)) = self.by_time.first().cloned().filter(|(at, _)| *at <= now) {
            self.by_time.remove(&(at, scope.clone()));
            self.at.remove(&scope);
            self.touch(&scope);
        }
    }
}

impl Evaluator {
    /// Takes an event in. What follows from it is told by [`finish`](Self::finish), for many events at once.
    pub fn take(&mut self, event: Event, now: Moment) {
        match event {
            Event::Run(report) => {
                self.dirty.run(&report, self.world.watches(&FactKey::Canary(report.canary.id.clone())));
                self.ran.insert(report.canary.id.clone());
                self.run_ended |= matches!(Count::of(&report), Count::Pass | Count::Failure | Count::Result);
                self.tell_roots_of_run(&report, now);
                let changed = self.conditions.take(Input::Run(&report), now);
                self.changed(changed, now);
            }
            Event::TicksMissed(missed) => self.input(Input::TicksMissed(&missed), now),
            Event::Lost { ticks, passed } => self.input(Input::Lost { ticks: &ticks, passed }, now),
            Event::Leaked { probe, entry, message } => {
                self.input(Input::Leaked { probe: &probe, entry: &entry, message: &message }, now);
            }
            Event::LeakCleared { probe, entry } => self.input(Input::LeakCleared { probe: &probe, entry: &entry }, now),
            Event::LedgerHas(entries) => self.input(Input::LedgerHas(&entries), now),
            Event::Started { graceful_before } => self.input(Input::Started { graceful_before }, now),
            Event::Paused(paused) => {
                if self.mutes.pause(paused) {
                    self.mute_roots(now);
                    self.touch_open();
                }
            }
            Event::Muted(mutes) => {
                if self.mutes.mute(mutes) {
                    self.touch_open();
                }
            }
            Event::Landed { channel, id, outcome, chance } => self.landed(&channel, &id, &outcome, chance, now),
            Event::Mended(channels) => {
                for channel in channels {
                    self.delivery.mended(&channel, now);
                }
            }
            Event::Plan { plan, alerting, found } => self.reload(plan, alerting, found, now),
        }
    }

    /// What follows from all that was taken in, and from the time that has passed.
    pub fn finish(&mut self, now: Moment) -> Effects {
        self.clock(now);
        let mut effects = Effects::default();
        self.fold_touched(now, &mut effects);
        self.send(now, &mut effects);
        self.gone.clear();
        // A try that was made may have changed what is owed elsewhere: a storm's key, an end.
        self.fold_touched(now, &mut effects);
        effects.forgotten = self.forget_retired();
        for id in std::mem::take(&mut self.ran) {
            let known = self.conditions.canary(&id, now);
            effects.canaries.push((id, known.failures, known.counted.filter(|_| known.known).map(|last| !last.failed)));
        }
        effects.probes = self.incidents.changed_severities();
        effects.commit = self.commit(now);
        if !effects.commit.incidents.is_empty() || !effects.commit.outcomes.is_empty() {
            self.show_counts();
        }
        effects
    }

    /// When [`finish`](Self::finish) has something to do though nothing happens; steady time.
    pub fn due(&self, now: Moment) -> Option<Duration> {
        let folded = self.pending.by_time.first().map(|(at, _)| *at);
        let removed = self.removals.values().min().map(|at| *at + REMOVED);
        [folded, self.conditions.due(), self.delivery.due(), self.mutes.due(now), self.unheard.due(), removed]
            .into_iter()
            .flatten()
            .min()
    }

    fn input(&mut self, input: Input<'_>, now: Moment) {
        let changed = self.conditions.take(input, now);
        self.changed(changed, now);
    }

    fn clock(&mut self, now: Moment) {
        if self.conditions.due().is_some_and(|due| due <= now.steady) {
            let changed = self.conditions.clock(now);
            self.changed(changed, now);
        }
        if self.mutes.clock(now) {
            self.mute_roots(now);
            self.touch_open();
        }
        self.expect_a_run(now);
        for fact in self.delivery.facts(now) {
            let key = fact.key.clone();
            if let FactKey::Channel(name) = &key
                && let Some((_, health)) = self.delivery.healths().find(|(channel, _)| *channel == name)
            {
                let config = self.world.fingerprint(name);
                self.dirty.channel(name, &KeptChannel { config, health: *health });
            }
            self.put(&key, Some(Arc::new(fact)));
        }
        for channel in self.unheard.expire(now.steady) {
            self.unwant(&channel, unheard::INCIDENT, What::End, now);
        }
        let removed: Vec<FactKey> =
            self.removals.iter().filter(|(_, at)| **at + REMOVED <= now.steady).map(|(key, _)| key.clone()).collect();
        for key in removed {
            self.removals.remove(&key);
            self.remove(&key);
        }
        self.pending.wake(now.steady);
    }

    /// Facts changed: what they belong to is to be folded.
    fn changed(&mut self, changed: Vec<Changed>, now: Moment) {
        for Changed { key, fact } in changed {
            if fact.is_none() && !self.removals.contains_key(&key) && self.waits_for_removal(&key, now) {
                continue;
            }
            if fact.is_some() {
                self.removals.remove(&key);
            }
            self.put(&key, fact);
        }
    }

    fn put(&mut self, key: &FactKey, fact: Option<Arc<super::Fact>>) {
        let scope = fact.as_ref().map(|fact| fact.scope.clone());
        let before = self.facts.get(key).map(|fact| fact.scope.clone());
        let left = self.facts.put(key, fact);
        let moved = self.incidents.moved.get(key).into_iter().flatten().cloned();
        for scope in scope.into_iter().chain(before).chain(left).chain(moved.collect::<Vec<_>>()) {
            self.pending.touched.entry(scope).or_default().insert(key.clone());
        }
    }

    /// Every open incident is to be looked at, with all that fails in it.
    fn touch_open(&mut self) {
        for (scope, incident) in &self.incidents.open {
            let failing = incident.members.iter().filter(|(_, member)| member.fails()).map(|(key, _)| key.clone());
            self.pending.touched.entry(scope.clone()).or_default().extend(failing);
        }
    }
}

/// What was found to be gone by looking at files, or at a start, is taken as removed only after this time.
const REMOVED: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
