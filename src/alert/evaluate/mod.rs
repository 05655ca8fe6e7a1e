//! From facts to what is sent: the one place where the parts meet.
//!
//! An event changes facts (`condition`), facts change incidents (`fold`), incidents are compared with what each channel took
//! (`owed`), and what is due leaves when `delivery` allows it (`send`); outcomes change covers (`completed`). Only touched scopes
//! are folded. It is pure: no clock, no I/O. What is to be written and sent is in its [`Effects`], and [`due`] says when it wants
//! to be called again.
//!
//! [`due`]: Evaluator::due

mod alone;
mod closed;
mod completed;
mod config;
mod event;
mod facts;
mod fleet;
mod fold;
mod handed_in;
mod needs;
mod over;
mod policies;
mod reload;
mod restore;
mod rows;
mod send;
mod status;
mod verbs;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::outcome::LinkKey;
use crate::plan::{Alerting, CanaryId, Plan, Severity};

use super::condition::{Changed, Conditions, Count, Input};
use super::delivery::Delivery;
use super::delivery::unheard::{self, Unheard};
use super::explain::Roots;
use super::incident::Incident;
use super::muting::Muting;
use super::scope_records::ScopeRecords;
use super::tries::Action;
use super::{Fact, FactKey, Scope};
use closed::ClosedFacts;
use config::ActiveConfig;
pub use event::{AlertRefresh, Effects, Event, OutgoingTry};
use facts::Facts;
use fleet::{OtherFacts, Role};
use fold::Ids;
use handed_in::{HandedIn, HandingIn};
use policies::Policies;
use rows::{ChannelHealthRow, Dirty};
pub use status::Backlog;

/// Everything that alerting knows.
#[derive(Debug)]
pub struct Evaluator {
    config: ActiveConfig,
    /// What signs the links of messages.
    links: Option<LinkKey>,
    conditions: Conditions,
    /// The part that this process has in alerting.
    role: Role,
    /// What was loaded: the canaries of this process, and where pages go.
    loaded: (Arc<Plan>, Arc<Alerting>),
    /// What this process has reported and is not well, in a fleet.
    own: HashMap<FactKey, Arc<Fact>>,
    /// Root canaries of this process whose next run is to be brought forward.
    wanted: Vec<CanaryId>,
    /// When it was last reported of roots that they are well.
    passed_roots: HashMap<CanaryId, Duration>,
    /// The states of conditions that are in the journal because this process went on alone; nothing unless it did.
    mirrored: Option<BTreeSet<(&'static str, String)>>,
    /// Whether who evaluates may send now: it is certain of its lease.
    may_send: bool,
    /// Facts of other regions that are well again, until their incidents are folded.
    settled: BTreeSet<FactKey>,
    /// Facts of other regions that somebody closed: as long as they are the same, they are well.
    closed: ClosedFacts,
    /// What this process told alone, until it is taken over.
    handing_in: HandingIn,
    /// What other regions told alone, where this process evaluates.
    handed_in: HandedIn,
    /// What other regions have reported, where this process evaluates.
    others: OtherFacts,
    /// The policies of probes as the processes of a fleet have them.
    policies: Policies,
    /// Every fact that is evaluated here.
    facts: Facts,
    incidents: Incidents,
    records: ScopeRecords,
    mutes: Muting,
    delivery: Delivery,
    unheard: Unheard,
    /// The canaries that others need.
    roots: Roots,
    ids: Ids,
    /// What is to be folded, now or at a time.
    pending: Pending,
    /// Facts that are not watched any more, and since when. They count as removed only after [`REMOVED`], since the change may be
    /// a mistake that is corrected at once.
    removals: BTreeMap<FactKey, Duration>,
    /// Facts that were removed, until their incidents are folded.
    gone: BTreeSet<FactKey>,
    dirty: Dirty,
    /// Canaries that ran since the last time.
    ran: BTreeSet<CanaryId>,
    /// Whether a counted run has ended since the start.
    run_ended: bool,
    /// When the first run after the start has had its deadline and 10 s.
    run_expected: Option<Duration>,
}

/// Open incidents, and ended ones whose end is not told everywhere.
#[derive(Debug, Default)]
struct Incidents {
    open: HashMap<Scope, Incident>,
    /// By id.
    ended: BTreeMap<String, Incident>,
    /// Open incidents by id.
    by_id: HashMap<String, Scope>,
    /// The scopes of incidents with a member whose fact has moved to another scope.
    moved: HashMap<FactKey, BTreeSet<Scope>>,
    /// Open incidents that are escalated to every channel, and since when they are due; no time if no route matches.
    escalated: BTreeMap<String, Option<Duration>>,
    /// The severities of each probe's incidents, of those about no probe under nothing, and the probes for which they may have
    /// changed.
    severities: HashMap<Option<Arc<str>>, BTreeMap<Scope, Severity>>,
    changed: BTreeSet<Arc<str>>,
    /// The scopes whose severity has changed.
    changed_scopes: BTreeSet<Scope>,
}

impl Incidents {
    /// Records the severity of an incident; none if it has ended or all its failing members are held.
    fn note_severity(&mut self, scope: &Scope, severity: Option<Severity>) {
        let of_probe = self.severities.entry(scope.probe().cloned()).or_default();
        let before = match severity {
            Some(severity) => of_probe.insert(scope.clone(), severity),
            None => of_probe.remove(scope),
        };
        if before != severity {
            self.changed.extend(scope.probe().cloned());
            self.changed_scopes.insert(scope.clone());
        }
    }

    /// The worst severity of each probe for which it may have changed.
    fn changed_severities(&mut self) -> Vec<(Arc<str>, Option<Severity>)> {
        let worst = |probe: Arc<str>| {
            let key = Some(Arc::clone(&probe));
            let worst = self.severities.get(&key).and_then(|of_probe| of_probe.values().max().copied());
            if worst.is_none() {
                self.severities.remove(&key);
            }
            (probe, worst)
        };
        std::mem::take(&mut self.changed).into_iter().map(worst).collect()
    }

    /// The severity of each scope whose severity has changed.
    fn changed_scopes(&mut self) -> Vec<(Scope, Option<Severity>)> {
        let now = |scope: Scope| {
            let severity = self.severities.get(&scope.probe().cloned()).and_then(|of_probe| of_probe.get(&scope).copied());
            (scope, severity)
        };
        std::mem::take(&mut self.changed_scopes).into_iter().map(now).collect()
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

    /// Sets the time at which the scope is folded again.
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
    /// Takes an event. [`finish`](Self::finish) returns the effects of many events at once.
    pub fn take(&mut self, event: Event, now: Moment) {
        match event {
            Event::Run(report) => {
                self.dirty.run(&report, self.config.watches(&FactKey::Canary(report.canary.id.clone())));
                self.ran.insert(report.canary.id.clone());
                self.run_ended |= matches!(Count::of(&report), Count::Pass | Count::Failure | Count::Result);
                self.tell_roots_of_run(&report, now);
                let changed = self.conditions.take(Input::Run(&report), now);
                self.changed(changed, now);
                self.report_root(&report, now);
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
            Event::RegionsHeard(regions) => {
                if matches!(self.role, Role::Evaluates(_)) {
                    self.input(Input::RegionsHeard(&regions), now);
                }
            }
            Event::FactsOfOthers(facts) => self.facts_of_others(facts, now),
            Event::HandedIn(taken) => self.told_was_taken_over(&taken),
            Event::Completed { channel, id, outcome, chance } => self.completed(&channel, &id, &outcome, chance, now),
            Event::Mended(channels) => {
                for channel in channels {
                    self.delivery.mended(&channel, now);
                }
            }
            Event::Plan { plan, alerting, found } => self.reload(plan, alerting, found, now),
        }
    }

    /// The effects of all events since the last call, and of the time that has passed.
    pub fn finish(&mut self, now: Moment) -> Effects {
        self.clock(now);
        let mut effects = Effects { wanted: std::mem::take(&mut self.wanted), ..Effects::default() };
        self.fold_touched(now, &mut effects);
        if self.sends() {
            self.send(now, &mut effects);
        }
        self.gone.clear();
        self.settled.clear();
        // A new try may have changed what is owed elsewhere, for example by a storm's key.
        self.fold_touched(now, &mut effects);
        effects.forgotten = self.forget_retired();
        (effects.commit, effects.journal) = self.commit(now);
        if effects.tries.is_empty() {
            effects.journal.states.extend(self.rejoined(now));
        }
        for id in std::mem::take(&mut self.ran) {
            let known = self.conditions.canary(&id, now);
            effects.canaries.push((id, known.failures, known.counted.filter(|_| known.known).map(|last| !last.failed)));
        }
        effects.scopes = self.incidents.changed_scopes();
        effects.probes = self.incidents.changed_severities();
        if !effects.commit.incidents.is_empty() || !effects.commit.outcomes.is_empty() || self.role.is_alone() {
            self.show_counts();
        }
        effects
    }

    /// When [`finish`](Self::finish) has something to do by time alone; steady.
    pub fn due(&self, now: Moment) -> Option<Duration> {
        let folded = self.pending.by_time.first().map(|(at, _)| *at);
        let removed = self.removals.values().min().map(|at| *at + REMOVED);
        let rejoined = self.role.until();
        [
            folded,
            rejoined,
            self.conditions.due(),
            self.delivery.due().filter(|_| self.sends()),
            self.mutes.due(now),
            self.unheard.due(),
            removed,
        ]
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
                let config = self.config.fingerprint(name);
                self.dirty.channel(name, &ChannelHealthRow { config, health: *health });
            }
            self.put_own(&key, Some(Arc::new(fact)));
        }
        for channel in self.unheard.expire(now.steady) {
            self.withdraw(&channel, unheard::INCIDENT, Action::End, now);
        }
        let removed: Vec<FactKey> =
            self.removals.iter().filter(|(_, at)| **at + REMOVED <= now.steady).map(|(key, _)| key.clone()).collect();
        for key in removed {
            self.removals.remove(&key);
            self.remove(&key);
        }
        self.pending.wake(now.steady);
    }

    /// Takes changed facts and marks their scopes.
    fn changed(&mut self, changed: Vec<Changed>, now: Moment) {
        for Changed { key, fact } in changed {
            if fact.is_none() && !self.removals.contains_key(&key) && self.waits_for_removal(&key, now) {
                continue;
            }
            if fact.is_some() {
                self.removals.remove(&key);
            }
            self.put_own(&key, fact);
        }
    }

    fn put(&mut self, key: &FactKey, fact: Option<Arc<Fact>>) {
        let scope = fact.as_ref().map(|fact| fact.scope.clone());
        let before = self.facts.get(key).map(|fact| fact.scope.clone());
        let left = self.facts.put(key, fact);
        let moved = self.incidents.moved.get(key).into_iter().flatten().cloned();
        for scope in scope.into_iter().chain(before).chain(left).chain(moved.collect::<Vec<_>>()) {
            self.pending.touched.entry(scope).or_default().insert(key.clone());
        }
    }

    /// Marks every open incident with its failing members.
    fn touch_open(&mut self) {
        for (scope, incident) in &self.incidents.open {
            let failing = incident.members.iter().filter(|(_, member)| member.fails()).map(|(key, _)| key.clone());
            self.pending.touched.entry(scope.clone()).or_default().extend(failing);
        }
    }
}

/// What the file watch or a start finds to be gone counts as removed only after this time.
const REMOVED: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
