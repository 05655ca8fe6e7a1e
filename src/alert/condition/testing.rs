//! A harness for conditions: a plan, a store of their rows, and the facts that they emitted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Changed, Conditions, Input};
use crate::alert::Moment;
use crate::alert::testing::{self, cause, moment, probe, run, step};
use crate::alert::{Fact, FactKey, Scope, State};
use crate::history::RestoredState;
use crate::outcome::{MissedTicks, Reason, RunReport, Verdict};
use crate::plan::{AlertPolicy, Alerting, Plan, Probe};

/// A probe of that name, every minute.
pub(super) fn named(name: &str, alert: AlertPolicy) -> Probe {
    Probe { name: name.into(), owner: Some(format!("{name}-team")), ..probe(vec![step("s", false)], alert) }
}

/// Probes in regions, with a canary for each platform, or one without a matrix.
pub(super) fn plan(probes: Vec<Probe>, regions: &[&str], platforms: &[&str]) -> Arc<Plan> {
    let cells = testing::cells(platforms);
    testing::plan(probes.into_iter().map(|probe| Probe { cells: cells.clone(), ..probe }).collect(), regions)
}

/// The part of a fact that does not depend on how it was emitted.
pub(super) fn essence(fact: &Fact) -> (State, Scope, Arc<str>, Duration) {
    (fact.state, fact.scope.clone(), Arc::clone(&fact.region), fact.since)
}

/// Conditions with a listener.
pub(super) struct Harness {
    pub(super) plan: Arc<Plan>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) conditions: Conditions,
    /// Every emitted fact that is not well.
    pub(super) facts: BTreeMap<FactKey, Arc<Fact>>,
    /// Rows by kind and key.
    pub(super) store: BTreeMap<(String, String), String>,
    order: u64,
}

impl Harness {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self::with(plan, BTreeMap::new(), 0)
    }

    /// One that restores a store.
    pub(super) fn with(plan: Arc<Plan>, store: BTreeMap<(String, String), String>, second: u64) -> Self {
        let alerting = Arc::new(Alerting::default());
        let (conditions, changed) = Conditions::new(Arc::clone(&plan), Arc::clone(&alerting), &kept(&store), moment(second));
        let mut harness = Self { plan, alerting, conditions, facts: BTreeMap::new(), store, order: 0 };
        harness.note(&changed, moment(second));
        harness
    }

    /// Restarts from the store.
    pub(super) fn restart(&mut self, second: u64) {
        let (plan, store) = (Arc::clone(&self.plan), std::mem::take(&mut self.store));
        *self = Self::with(plan, store, second);
    }

    /// Restarts from a store that is fully up to date.
    pub(super) fn restart_exactly(&mut self, second: u64) {
        let rows = self.conditions.all_rows(moment(second));
        self.store = rows.into_iter().filter_map(|row| Some(((row.kind.to_owned(), row.key), row.json?))).collect();
        self.restart(second);
    }

    pub(super) fn apply(&mut self, plan: Arc<Plan>, second: u64) -> Vec<Changed> {
        self.plan = Arc::clone(&plan);
        let changed = self.conditions.apply(plan, Arc::clone(&self.alerting), moment(second));
        self.note(&changed, moment(second));
        changed
    }

    pub(super) fn take(&mut self, input: Input<'_>, second: u64) -> Vec<Changed> {
        let changed = self.conditions.take(input, moment(second));
        self.note(&changed, moment(second));
        changed
    }

    /// Runs every timer until then at its time.
    pub(super) fn clock(&mut self, second: u64) -> Vec<Changed> {
        let (until, mut all) = (moment(second), Vec::new());
        while let Some(due) = self.conditions.due().filter(|due| *due <= until.steady) {
            let ago = until.steady.saturating_sub(due);
            let now = Moment { steady: due, wall: until.wall - ago };
            let changed = self.conditions.clock(now);
            self.note(&changed, now);
            all.extend(changed);
            assert!(self.conditions.due().is_none_or(|next| next > due), "what is due is done");
        }
        all
    }

    /// A report of a canary, by its place in the plan.
    pub(super) fn report(&mut self, canary: usize, verdict: Verdict, reason: Option<Reason>) -> RunReport {
        self.order += 1;
        let cause = reason.map(|reason| cause(reason, "s", None));
        run(&self.plan.canaries[canary], self.order, verdict, cause, Vec::new())
    }

    /// A run of a canary ended so.
    pub(super) fn run(&mut self, canary: usize, verdict: Verdict, second: u64) -> Vec<Changed> {
        let reason = match verdict {
            Verdict::Passed => None,
            Verdict::Failed => Some(Reason::Expectation),
            Verdict::Errored => Some(Reason::SelfCheck),
            Verdict::Missed => Some(Reason::Overload),
            Verdict::Blocked => Some(Reason::Guard),
            Verdict::Skipped => Some(Reason::Paused),
        };
        let report = self.report(canary, verdict, reason);
        self.take(Input::Run(&report), second)
    }

    /// Ticks of a canary that did not run.
    pub(super) fn missed(&self, canary: usize, reason: Reason, count: u64) -> MissedTicks {
        let due = std::time::SystemTime::UNIX_EPOCH;
        MissedTicks { canary: Arc::clone(&self.plan.canaries[canary]), reason, first: due, before: due, count }
    }

    pub(super) fn state(&self, key: &FactKey) -> State {
        self.facts.get(key).map_or(State::Well, |fact| fact.state)
    }

    pub(super) fn canary_key(&self, canary: usize) -> FactKey {
        FactKey::Canary(self.plan.canaries[canary].id.clone())
    }

    pub(super) fn no_data_key(&self, canary: usize) -> FactKey {
        FactKey::NoData(self.plan.canaries[canary].id.clone())
    }

    /// Records emitted facts and rows, and asserts that the emitted facts add up to the current ones.
    fn note(&mut self, changed: &[Changed], now: Moment) {
        for Changed { key, fact } in changed {
            match fact {
                Some(fact) if fact.state != State::Well => {
                    assert_eq!(fact.key, *key);
                    self.facts.insert(key.clone(), Arc::clone(fact));
                }
                Some(_) | None => {
                    self.facts.remove(key);
                }
            }
        }
        let is: BTreeMap<FactKey, _> = self.conditions.facts().iter().map(|fact| (fact.key.clone(), essence(fact))).collect();
        let said: BTreeMap<FactKey, _> = self.facts.iter().map(|(key, fact)| (key.clone(), essence(fact))).collect();
        assert_eq!(said, is, "what was said and what is so");
        for row in self.conditions.take_rows(now) {
            let key = (row.kind.to_owned(), row.key);
            match row.json {
                Some(json) => self.store.insert(key, json),
                None => self.store.remove(&key),
            };
        }
    }
}

fn kept(store: &BTreeMap<(String, String), String>) -> Vec<RestoredState> {
    let kept = store.iter().map(|((kind, key), json)| RestoredState { kind: kind.clone(), key: key.clone(), json: json.clone() });
    kept.collect()
}
