//! The desk: owns all alert state, is told what happens, and says what is to be written and who is to be told.
//!
//! Events move the machines of `canary`, `subject`, `blind` and `budget`; what they say becomes members and levels of
//! incidents; and after each event the incidents that it touched are judged (`judge`): told, attached, held or ended. It is pure: it
//! looks at no clock and sends nothing. Nothing here walks over all canaries but a reload and [`Desk::status`]. A new kind of
//! problem is a variant of [`Scope`], a machine that joins and leaves it, and its lines in `restore`.

mod close;
mod event;
mod join;
mod judge;
mod needs;
mod news;
mod number;
mod probe;
mod reload;
mod restore;
mod run;
mod send;
mod status;
mod together;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::history::{Commit, StateRow};
use crate::outcome::Verdict;
use crate::plan::{Alerting, Canary, CanaryId, Plan};

use super::blind::Blind;
use super::canary::CanaryState;
use super::incident::{Incident, Past};
use super::{Moment, Scope};
pub use event::{Effects, Event};
use number::Numbers;
use probe::Watched;
pub use status::{CanaryStatus, Counts, IncidentStatus, Standing, Status};

/// So many scopes are remembered without looking whether some can be forgotten.
const PASTS: usize = 1_000;

/// Owns all alert state.
#[derive(Debug)]
pub struct Desk {
    plan: Arc<Plan>,
    alerting: Arc<Alerting>,
    canaries: HashMap<CanaryId, Known>,
    probes: HashMap<Arc<str>, Watched>,
    blind: Blind,
    leaks: BTreeMap<String, Leak>,
    paused: HashSet<CanaryId>,
    incidents: HashMap<Scope, Incident>,
    /// Open incidents by id.
    by_id: HashMap<String, Scope>,
    /// By a scope's text.
    pasts: HashMap<String, Past>,
    /// Numbers of keys up to this one may have been used by incidents that were forgotten.
    generations_after: u64,
    /// With so many of them it is time to look which can be forgotten.
    pasts_bound: usize,
    /// Incidents that others are attached to, and those.
    attached: HashMap<Scope, BTreeSet<Scope>>,
    /// When incidents are to be judged though nothing happens.
    agenda: BTreeSet<(Duration, Scope)>,
    numbers: Numbers,
    counts: Counts,
    /// What the event at hand has led to.
    commit: Commit,
    /// Incidents that it touched, and those whose rows are to be written.
    touched: BTreeSet<Scope>,
    changed: BTreeSet<Scope>,
}

/// What is known of a canary.
#[derive(Debug)]
struct Known {
    canary: Arc<Canary>,
    state: CanaryState,
    /// When its row was last written; steady time.
    written: Option<Duration>,
    /// Its last run, and when that ended, milliseconds since the epoch.
    last: Option<(Verdict, i64)>,
}

/// Test data that cannot be removed.
#[derive(Debug)]
struct Leak {
    probe: Arc<str>,
    /// When it was given up; steady time.
    since: Duration,
}

impl Desk {
    /// Takes an event in.
    pub fn handle(&mut self, event: Event, now: Moment) -> Effects {
        match event {
            Event::Run(report) => self.run(&report, now),
            Event::TicksMissed(missed) => self.ticks_missed(&missed, now),
            Event::Lost { ticks, passed } => self.lost(&ticks, passed, now),
            Event::Clock => self.clock(now),
            Event::Delivered { incident, key, channel, action, .. } => self.delivered(&incident, &key, &channel, action, now),
            Event::Undelivered { incident, key, channel, dead, error, told, .. } => {
                self.undelivered(&incident, &key, &channel, dead, &error, &told, now);
            }
            Event::Acknowledge { incident, by } => self.acknowledge(&incident, &by, now),
            Event::Plan(plan, alerting) => self.reload(plan, alerting, now),
            Event::Leaked { probe, entry, message } => self.leaked(&probe, &entry, &message, now),
            Event::LeakCleared { probe, entry } => self.leak_cleared(&probe, &entry, now),
            Event::LedgerHas(entries) => self.ledger_has(&entries, now),
            Event::Paused { canaries, by } => self.pause(&canaries, &by, now),
            Event::Resumed { canaries } => self.resume(&canaries, now),
        }
        self.finish(now)
    }

    /// When [`Event::Clock`] has something to do; steady time. Before that it does nothing.
    pub fn due(&self) -> Option<Duration> {
        let judged = self.agenda.first().map(|(at, _)| *at);
        [judged, self.blind.due()].into_iter().flatten().min()
    }

    /// Open incidents by severity. Cheap.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn clock(&mut self, now: Moment) {
        self.look_for_blind(now);
        while let Some((at, scope)) = self.agenda.first().cloned().filter(|(at, _)| *at <= now.steady) {
            self.agenda.remove(&(at, scope.clone()));
            self.touched.insert(scope);
        }
    }

    /// Judges what the event touched, and hands out what is to be written.
    fn finish(&mut self, now: Moment) -> Effects {
        while let Some(scope) = self.touched.pop_first() {
            self.judge(&scope, now);
        }
        let changed = std::mem::take(&mut self.changed);
        for scope in &changed {
            if let Some(incident) = self.incidents.get(scope) {
                let row = incident.to_row(super::describe::title(incident), false, now);
                self.commit.incidents.push(row);
            }
        }
        if !self.commit.incidents.is_empty() {
            self.count();
        }
        Effects { commit: std::mem::take(&mut self.commit) }
    }

    fn count(&mut self) {
        let mut counts = Counts::default();
        for incident in self.incidents.values() {
            counts.add(incident.severity());
        }
        self.counts = counts;
        counts.show();
    }

    fn write(&mut self, kind: &'static str, key: &str, json: Option<String>) {
        self.commit.states.push(StateRow { kind, key: key.to_owned(), json });
    }
}

#[cfg(test)]
mod tests;
