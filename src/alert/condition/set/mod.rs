//! All conditions of this process: which of them take an event, and in which order.
//!
//! A run goes to its canary first, then to the conditions of the probe, then to those of the process; each sees the results of
//! those before it. Only a start, a reload, [`Conditions::facts`] and [`Conditions::canaries`] walk over all canaries.

mod now;
mod orphan;
mod plan;
mod timers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::count::{Count, counts, is_needed, only_subjects};
use super::objective::RunRole;
use super::region::Regions;
use super::rule::Rule;
use super::{Changed, Condition, Input, RowKind, RuleEvent, Run, Runs, evidence};
use crate::alert::Moment;
use crate::alert::{Fact, FactKey, State};
use crate::history::StateRow;
use crate::outcome::{RunReport, Verdict};
use crate::plan::{Alerting, CanaryId, Plan, Probe};
pub use now::{CanarySnapshot, ObjectivesNow};
use orphan::Orphans;
use timers::{ConditionOwner, Timers};

/// Every condition of this process.
#[derive(Debug)]
pub struct Conditions {
    plan: Arc<Plan>,
    alerting: Arc<Alerting>,
    /// Boxed, since a map has up to twice the room that it needs.
    canaries: HashMap<CanaryId, Box<Runs>>,
    probes: HashMap<Arc<str>, ProbeConditions>,
    process: Vec<Condition>,
    timers: Timers,
    /// Owners of conditions whose rows may have to be written.
    touched: HashSet<ConditionOwner>,
    orphans: Orphans,
    /// Rows that are to be deleted.
    gone: Vec<StateRow>,
}

/// What the canaries of a probe share.
#[derive(Debug)]
struct ProbeConditions {
    probe: Arc<Probe>,
    rule: Rule,
    conditions: Vec<Condition>,
    /// How long convergence took lately.
    convergence: now::Convergence,
    /// How many runs were degraded lately.
    degraded: now::Degraded,
}

impl Conditions {
    /// Takes an input. Returns the changed facts: none where all is well and stays so.
    pub fn take(&mut self, input: Input<'_>, now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        match input {
            Input::Run(report) => self.run(report, now, &mut out),
            Input::TicksMissed(missed) => {
                if self.canaries.contains_key(&missed.canary.id) {
                    self.tell_process(&RuleEvent::Missed(missed), now, &mut out);
                }
            }
            Input::Lost { ticks, passed } => self.lost(&ticks.canary.id, passed, input, now, &mut out),
            Input::Leaked { .. }
            | Input::LeakCleared { .. }
            | Input::LedgerHas(_)
            | Input::Started { .. }
            | Input::RegionsHeard(_) => self.tell_process(&RuleEvent::Input(input), now, &mut out),
        }
        out
    }

    /// A run ended. Runs of removed canaries and manual runs change nothing.
    fn run(&mut self, report: &RunReport, now: Moment, out: &mut Vec<Changed>) {
        if !counts(report.trigger) {
            return;
        }
        let Some(runs) = self.canaries.get_mut(&report.canary.id) else { return };
        let Some(of) = self.probes.get_mut(&runs.canary().probe.name) else { return };
        let told = || report.cause.as_ref().map(|cause| Arc::new(evidence::failure(report, cause)));
        let mut run = Run {
            report,
            count: Count::of(report),
            needed: is_needed(report.trigger),
            failure: if report.verdict == Verdict::Failed { told() } else { None },
            rule: &of.rule,
            part: RunRole::Alone,
            together: None,
            now,
        };
        let before = runs.take(&run);
        let after = runs.state();
        if before != State::Well || after != State::Well {
            out.push(Changed::now(runs.fact(&of.rule)));
        }
        run.part = part(&run, before, after, runs.since());
        let due = runs.due(&of.rule);
        let canary = ConditionOwner::Canary(report.canary.id.clone());
        self.timers.set(&canary, due);
        self.touched.insert(canary);
        of.convergence.take(report, now);
        of.degraded.take(report, now);
        for condition in &mut of.conditions {
            condition.rules_mut().run(&run, out);
            if let Condition::Across(across) = condition {
                run.together = across.since();
            }
        }
        for condition in &mut self.process {
            condition.rules_mut().run(&run, out);
        }
        let probe = Arc::clone(&of.probe.name);
        self.ask_again(ConditionOwner::Probe(probe));
        self.ask_again(ConditionOwner::Process);
    }

    /// Runs of a canary were dropped, this many passes among them.
    fn lost(&mut self, id: &CanaryId, passed: u64, input: Input<'_>, now: Moment, out: &mut Vec<Changed>) {
        let Some(runs) = self.canaries.get_mut(id) else { return };
        let Some(of) = self.probes.get_mut(&runs.canary().probe.name) else { return };
        runs.lost(&of.rule, passed);
        of.conditions.iter_mut().for_each(|condition| condition.rules_mut().event(&RuleEvent::Lost(passed), now, out));
        let probe = Arc::clone(&of.probe.name);
        self.touched.insert(ConditionOwner::Canary(id.clone()));
        self.ask_again(ConditionOwner::Probe(probe));
        self.tell_process(&RuleEvent::Input(input), now, out);
    }

    fn tell_process(&mut self, what: &RuleEvent<'_>, now: Moment, out: &mut Vec<Changed>) {
        self.process.iter_mut().for_each(|condition| condition.rules_mut().event(what, now, out));
        self.ask_again(ConditionOwner::Process);
    }

    /// Does what is due by time alone. Returns the changed facts.
    pub fn clock(&mut self, now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        let due: Vec<ConditionOwner> = std::iter::from_fn(|| self.timers.take(now.steady)).collect();
        for owner in due {
            if let ConditionOwner::Canary(id) = &owner
                && let Some(runs) = self.canaries.get_mut(id)
                && let Some(of) = self.probes.get(&runs.canary().probe.name)
                && runs.clock(&of.rule, now)
            {
                out.push(Changed::now(runs.fact(&of.rule)));
            }
            for condition in self.of(&owner) {
                let rules = condition.rules_mut();
                if rules.due().is_some_and(|due| due <= now.steady) {
                    rules.clock(now, &mut out);
                }
            }
            self.ask_again(owner);
        }
        self.gone.extend(self.orphans.forget(now));
        out
    }

    /// When [`clock`](Self::clock) has something to do; steady.
    pub fn due(&self) -> Option<Duration> {
        [self.timers.next(), self.orphans.due()].into_iter().flatten().min()
    }

    /// Another process judges from now on which regions are missed.
    pub fn forget_regions(&mut self) {
        self.regions().for_each(Regions::forget);
        self.ask_again(ConditionOwner::Process);
    }

    /// This process judges from now on which regions are missed. The one before it missed these, since then. Returns their facts.
    pub fn judge_regions(&mut self, missed: &[(Arc<str>, Duration)], now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        self.regions().for_each(|regions| regions.take_over(missed, now, &mut out));
        self.ask_again(ConditionOwner::Process);
        out
    }

    /// Whether a process has spoken for a region, and is not missed since.
    pub fn is_heard_of(&self, region: &str) -> bool {
        self.process.iter().any(|condition| matches!(condition, Condition::Region(regions) if regions.is_heard_of(region)))
    }

    fn regions(&mut self) -> impl Iterator<Item = &mut Regions> {
        self.process.iter_mut().filter_map(|condition| match condition {
            Condition::Region(regions) => Some(&mut **regions),
            _ => None,
        })
    }

    /// Somebody closed these. Returns the changed facts.
    pub fn close(&mut self, keys: &[FactKey], now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        for key in keys {
            if let FactKey::Canary(id) = key {
                self.close_canary(id, &mut out);
                continue;
            }
            let probe = key.probe().and_then(|probe| self.probes.get_key_value(probe)).map(|(name, _)| Arc::clone(name));
            for owner in probe.map(ConditionOwner::Probe).into_iter().chain([ConditionOwner::Process]) {
                self.of(&owner).iter_mut().for_each(|condition| condition.rules_mut().close(key, now, &mut out));
                self.ask_again(owner);
            }
        }
        out
    }

    fn close_canary(&mut self, id: &CanaryId, out: &mut Vec<Changed>) {
        let Some(runs) = self.canaries.get_mut(id).filter(|runs| runs.state() != State::Well) else { return };
        let Some(of) = self.probes.get(&runs.canary().probe.name) else { return };
        runs.close();
        out.push(Changed::now(runs.fact(&of.rule)));
        self.ask_again(ConditionOwner::Canary(id.clone()));
    }

    /// The rows that changed since the last call.
    pub fn take_rows(&mut self, now: Moment) -> Vec<StateRow> {
        let mut rows = std::mem::take(&mut self.gone);
        for owner in std::mem::take(&mut self.touched) {
            if let ConditionOwner::Canary(id) = &owner {
                let json = self.canaries.get_mut(id).and_then(|runs| runs.take_changed(now));
                rows.extend(json.map(|json| super::row(RowKind::Canary, id.as_str(), Some(json))));
            }
            rows.extend(self.of(&owner).iter_mut().flat_map(|condition| condition.rules_mut().take_changed(now)));
        }
        rows
    }

    /// Every row that all of it would need to be as it is. Looks at everything.
    pub fn all_rows(&self, now: Moment) -> Vec<StateRow> {
        let conditions = self.probes.values().flat_map(|of| &of.conditions).chain(&self.process);
        let canaries = self.canaries.iter().map(|(id, runs)| super::row(RowKind::Canary, id.as_str(), Some(runs.to_json(now))));
        canaries.chain(conditions.flat_map(|condition| condition.rules().rows(now))).collect()
    }

    /// The owner of a fact: that of its probe, or for a leak the last known one.
    pub fn owner(&self, key: &FactKey) -> Option<Arc<str>> {
        let kept = self.process.iter().find_map(|condition| match (condition, key) {
            (Condition::Leak(leaks), FactKey::Leak(_, entry)) => leaks.owner(entry).cloned(),
            _ => None,
        });
        let of_probe = || self.probes.get(key.probe()?)?.probe.owner.as_deref().map(Arc::from);
        kept.or_else(of_probe)
    }

    /// Every fact that is not well. Looks at everything.
    pub fn facts(&self) -> Vec<Arc<Fact>> {
        let canaries = self.canaries.values().filter(|runs| runs.state() != State::Well).filter_map(|runs| {
            let of = self.probes.get(&runs.canary().probe.name)?;
            Some(runs.fact(&of.rule))
        });
        let conditions = self.probes.values().flat_map(|of| &of.conditions).chain(&self.process);
        canaries.chain(conditions.flat_map(|condition| condition.rules().facts())).map(Arc::new).collect()
    }

    /// The conditions of a probe or of the process.
    fn of(&mut self, owner: &ConditionOwner) -> &mut [Condition] {
        match owner {
            ConditionOwner::Canary(_) => &mut [],
            ConditionOwner::Probe(name) => self.probes.get_mut(name).map_or(&mut [], |of| &mut of.conditions),
            ConditionOwner::Process => &mut self.process,
        }
    }

    /// Updates the timer and marks the rows after a possible change.
    fn ask_again(&mut self, owner: ConditionOwner) {
        let due = match &owner {
            ConditionOwner::Canary(id) => self.canaries.get(id).and_then(|runs| {
                let of = self.probes.get(&runs.canary().probe.name)?;
                runs.due(&of.rule)
            }),
            ConditionOwner::Probe(_) | ConditionOwner::Process => {
                self.of(&owner).iter().filter_map(|condition| condition.rules().due()).min()
            }
        };
        self.timers.set(&owner, due);
        self.touched.insert(owner);
    }
}

/// Whether objectives leave the run out, because its failure is told by another member.
fn part(run: &Run<'_>, before: State, after: State, since: Option<Duration>) -> RunRole {
    let subjects = run.report.verdict == Verdict::Failed && only_subjects(run.report);
    match (before, after, since) {
        (State::Failing(_), _, _) => RunRole::Member,
        (_, State::Failing(_), Some(since)) => RunRole::Crossed(since),
        _ if subjects => RunRole::Member,
        (_, State::Suspect, Some(since)) => RunRole::Suspect(since),
        _ => RunRole::Alone,
    }
}

#[cfg(test)]
mod tests;
