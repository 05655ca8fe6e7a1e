//! Starts and reloads: what an earlier process left, and another plan.
//!
//! Rows that cannot be read are logged and left out, so their conditions begin anew. Unchanged conditions keep their state.
//! Removed ones are reported and kept for a minute.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use strum::VariantArray as _;

use super::super::RowKind;
use super::orphan::Orphans;
use super::{ConditionOwner, Conditions, ProbeConditions, Timers};

use crate::alert::Moment;

use crate::alert::condition::rule::Rule;

use crate::alert::condition::{Changed, Condition, PlanContext, RuleEvent, Runs};

use crate::alert::{FactKey, State};
use crate::history::{RestoredState, StateRow};
use crate::plan::{Alerting, CanaryId, Plan};

impl Conditions {
    /// Takes up what an earlier process left. Returns every fact that is not well.
    pub fn new(plan: Arc<Plan>, alerting: Arc<Alerting>, states: &[RestoredState], now: Moment) -> (Self, Vec<Changed>) {
        let mut conditions = Self {
            plan,
            alerting,
            canaries: HashMap::new(),
            probes: HashMap::new(),
            process: Condition::of_process(),
            timers: Timers::default(),
            touched: HashSet::new(),
            orphans: Orphans::default(),
            gone: Vec::new(),
        };
        let mut out = Vec::new();
        conditions.take_over(now, &mut out);
        for kind in RowKind::VARIANTS {
            for state in states.iter().filter(|state| kind.is_of(state)) {
                if !conditions.restore(state, now) {
                    conditions.orphans.put(state.clone(), now);
                }
            }
        }
        let started_before = conditions.process.iter().find_map(|condition| match condition {
            Condition::Restarts(restarts) => restarts.started_before(),
            _ => None,
        });
        conditions.apply_process(started_before, now, &mut out);
        conditions.prune(now, &mut out);
        conditions.finish(&mut out);
        (conditions, out)
    }

    /// Applies another plan. Returns every fact that is not well, and a removal for each that is not watched any more.
    pub fn apply(&mut self, plan: Arc<Plan>, alerting: Arc<Alerting>, now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        (self.plan, self.alerting) = (plan, alerting);
        self.take_over(now, &mut out);
        for (until, row) in self.orphans.take() {
            if !self.restore(&row, now) {
                self.orphans.put_back(until, row);
            }
        }
        self.apply_process(None, now, &mut out);
        self.prune(now, &mut out);
        self.finish(&mut out);
        out
    }

    /// Makes the canaries and probes of the plan and keeps the state of those that stay.
    fn take_over(&mut self, now: Moment, out: &mut Vec<Changed>) {
        let plan = Arc::clone(&self.plan);
        let stay: HashSet<&CanaryId> = plan.canaries.iter().map(|canary| &canary.id).collect();
        let gone: BTreeSet<CanaryId> = self.canaries.keys().filter(|id| !stay.contains(id)).cloned().collect();
        self.remove_canaries(&gone, now, out);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        plan.canaries.iter().for_each(|canary| *counts.entry(&canary.probe.name).or_default() += 1);
        let mut old = std::mem::take(&mut self.probes);
        for probe in &plan.probes {
            let rule = Rule::of(probe);
            let context = PlanContext {
                plan: &plan,
                alerting: &Arc::clone(&self.alerting),
                probe: Some((probe, &rule, counts.get(&*probe.name).copied().unwrap_or_default())),
                started_before: None,
                now,
            };
            let before = old.remove(&probe.name);
            let kept = before.map(|of| (of.conditions, of.convergence, of.degraded));
            let (mut before, convergence, degraded) = kept.unwrap_or_default();
            let mut conditions = Condition::of_probe(probe);
            for condition in &mut conditions {
                let same = |other: &Condition| std::mem::discriminant(other) == std::mem::discriminant(condition);
                if let Some(place) = before.iter().position(same) {
                    *condition = before.swap_remove(place);
                }
                condition.rules_mut().apply(&context, out);
            }
            self.remove_conditions(&before, now, out);
            let of = ProbeConditions { probe: Arc::clone(probe), rule, conditions, convergence, degraded };
            self.probes.insert(Arc::clone(&probe.name), of);
        }
        for of in old.into_values() {
            self.remove_conditions(&of.conditions, now, out);
        }
        for canary in &plan.canaries {
            self.canaries.entry(canary.id.clone()).or_insert_with(|| Box::new(Runs::new(Arc::clone(canary)))).apply(canary);
        }
    }

    fn remove_canaries(&mut self, gone: &BTreeSet<CanaryId>, now: Moment, out: &mut Vec<Changed>) {
        if gone.is_empty() {
            return;
        }
        for id in gone {
            let Some(runs) = self.canaries.remove(id) else { continue };
            if runs.state() != State::Well {
                out.push(Changed::removed(FactKey::Canary(id.clone())));
            }
            let row = super::super::row(RowKind::Canary, id.as_str(), Some(runs.to_json(now)));
            self.orphan(row, now);
            self.timers.set(&ConditionOwner::Canary(id.clone()), None);
        }
        // The conditions of the process forget them by themselves.
        let rows: Vec<StateRow> = self.process.iter().flat_map(|condition| condition.rules().rows(now)).collect();
        for row in rows
            .into_iter()
            .filter(|row| row.kind == <&str>::from(RowKind::Blind) && gone.contains(&CanaryId::read_back(&row.key)))
        {
            self.orphan(row, now);
        }
    }

    /// Conditions that a probe does not have any more, or of a probe that is no more.
    fn remove_conditions(&mut self, gone: &[Condition], now: Moment, out: &mut Vec<Changed>) {
        for rules in gone.iter().map(Condition::rules) {
            out.extend(rules.facts().into_iter().map(|fact| Changed::removed(fact.key)));
            for row in rules.rows(now) {
                self.orphan(row, now);
            }
        }
    }

    fn orphan(&mut self, row: StateRow, now: Moment) {
        if let Some(json) = row.json {
            self.orphans.put(RestoredState { kind: row.kind.to_owned(), key: row.key, json }, now);
        }
    }

    /// Restores a row. Returns whether its owner is in the plan.
    fn restore(&mut self, row: &RestoredState, now: Moment) -> bool {
        let read = self.read(row, now);
        read.unwrap_or_else(|error| {
            tracing::error!(kind = row.kind, key = row.key, %error, "a state cannot be read and begins anew");
            true
        })
    }

    fn read(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        let canary = CanaryId::read_back(&row.key);
        let by_canary = [RowKind::Canary, RowKind::Blind, RowKind::Subject];
        let is_of_canary = row.key.contains('/') && by_canary.iter().any(|kind| kind.is_of(row));
        if is_of_canary && !self.canaries.contains_key(&canary) {
            return Ok(false);
        }
        let mut taken = false;
        if RowKind::Canary.is_of(row)
            && let Some(runs) = self.canaries.get_mut(&canary)
        {
            runs.restore(&row.json, now)?;
            taken = true;
        }
        let probe: Arc<str> = row.key.split('/').next().unwrap_or_default().into();
        for owner in [ConditionOwner::Probe(probe), ConditionOwner::Process] {
            for condition in self.of(&owner) {
                taken |= condition.rules_mut().restore(row, now)?;
            }
        }
        Ok(taken)
    }

    fn apply_process(&mut self, started_before: Option<Duration>, now: Moment, out: &mut Vec<Changed>) {
        let (plan, alerting) = (Arc::clone(&self.plan), Arc::clone(&self.alerting));
        let context = PlanContext { plan: &plan, alerting: &alerting, probe: None, started_before, now };
        self.process.iter_mut().for_each(|condition| condition.rules_mut().apply(&context, out));
    }

    /// Forgets what only removed canaries saw.
    fn prune(&mut self, now: Moment, out: &mut Vec<Changed>) {
        let canaries = &self.canaries;
        for condition in self.probes.values_mut().flat_map(|of| &mut of.conditions) {
            let seers = match &*condition {
                Condition::Subjects(subjects) => subjects.canaries(),
                Condition::Across(across) => across.canaries(),
                _ => continue,
            };
            for id in seers.iter().filter(|id| !canaries.contains_key(id)) {
                condition.rules_mut().event(&RuleEvent::Removed(id), now, out);
            }
        }
    }

    /// Sets all timers and emits every fact that is not well.
    fn finish(&mut self, out: &mut Vec<Changed>) {
        let canaries: Vec<ConditionOwner> = self.canaries.keys().cloned().map(ConditionOwner::Canary).collect();
        let probes: Vec<ConditionOwner> = self.probes.keys().cloned().map(ConditionOwner::Probe).collect();
        for owner in canaries.into_iter().chain(probes).chain([ConditionOwner::Process]) {
            self.ask_again(owner);
        }
        let facts = self.facts();
        // The final fact replaces what was emitted before.
        let told: HashSet<&FactKey> = facts.iter().map(|fact| &fact.key).collect();
        out.retain(|changed| !told.contains(&changed.key));
        out.extend(facts.into_iter().map(|fact| Changed { key: fact.key.clone(), fact: Some(fact) }));
    }
}
