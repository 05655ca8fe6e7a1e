//! All conditions of this process: who is told what happens, and in which order.
//!
//! A run moves its canary first, then what the probe's canaries share, then what is of the process; each is given what the ones
//! before it found. Nothing here walks over all canaries but a start, a reload, [`Conditions::facts`] and [`Conditions::canaries`].

mod now;
mod orphan;
mod plan;
mod timers;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::count::{Count, counts, is_needed, only_subjects};
use super::objective::Part;
use super::rule::Rule;
use super::{Changed, Condition, Input, Run, Runs, Told, evidence};
use crate::alert::Moment;
use crate::alert::{Fact, FactKey, State};
use crate::history::StateRow;
use crate::outcome::{RunReport, Verdict};
use crate::plan::{Alerting, CanaryId, Plan, Probe};
pub use now::{Known, ObjectivesNow};
use orphan::Orphans;
use timers::{Owner, Timers};

/// Every condition of this process.
#[derive(Debug)]
pub struct Conditions {
    plan: Arc<Plan>,
    alerting: Arc<Alerting>,
    canaries: HashMap<CanaryId, Runs>,
    probes: HashMap<Arc<str>, OfProbe>,
    process: Vec<Condition>,
    timers: Timers,
    /// Whose rows the store may lack.
    touched: HashSet<Owner>,
    orphans: Orphans,
    /// Rows that are to be deleted.
    gone: Vec<StateRow>,
}

/// What the canaries of a probe share.
#[derive(Debug)]
struct OfProbe {
    probe: Arc<Probe>,
    rule: Rule,
    conditions: Vec<Condition>,
    /// How long convergence took lately.
    convergence: now::Convergence,
}

impl Conditions {
    /// Takes something in. Returns the facts that changed: none where all is well and stays so.
    pub fn take(&mut self, input: Input<'_>, now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        match input {
            Input::Run(report) => self.run(report, now, &mut out),
            Input::TicksMissed(missed) => {
                if self.canaries.contains_key(&missed.canary.id) {
                    self.tell_process(&Told::Missed(missed), now, &mut out);
                }
            }
            Input::Lost { ticks, passed } => self.lost(&ticks.canary.id, passed, input, now, &mut out),
            Input::Leaked { .. }
            | Input::LeakCleared { .. }
            | Input::LedgerHas(_)
            | Input::Started { .. }
            | Input::RegionHeard(_) => self.tell_process(&Told::Input(input), now, &mut out),
        }
        out
    }

    /// A run ended. One of a canary that is no more, or that somebody asked for, changes nothing.
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
            part: Part::Alone,
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
        let canary = Owner::Canary(report.canary.id.clone());
        self.timers.set(&canary, due);
        self.touched.insert(canary);
        of.convergence.take(report, now);
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
        self.ask_again(Owner::Probe(probe));
        self.ask_again(Owner::Process);
    }

    /// Results of a canary gave way while they waited to be looked at, so many passes among them.
    fn lost(&mut self, id: &CanaryId, passed: u64, input: Input<'_>, now: Moment, out: &mut Vec<Changed>) {
        let Some(runs) = self.canaries.get_mut(id) else { return };
        let Some(of) = self.probes.get_mut(&runs.canary().probe.name) else { return };
        runs.lost(&of.rule, passed);
        of.conditions.iter_mut().for_each(|condition| condition.rules_mut().told(&Told::Lost(passed), now, out));
        let probe = Arc::clone(&of.probe.name);
        self.touched.insert(Owner::Canary(id.clone()));
        self.ask_again(Owner::Probe(probe));
        self.tell_process(&Told::Input(input), now, out);
    }

    fn tell_process(&mut self, what: &Told<'_>, now: Moment, out: &mut Vec<Changed>) {
        self.process.iter_mut().for_each(|condition| condition.rules_mut().told(what, now, out));
        self.ask_again(Owner::Process);
    }

    /// What is due is done, though nothing happens. Returns the facts that changed.
    pub fn clock(&mut self, now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        let due: Vec<Owner> = std::iter::from_fn(|| self.timers.take(now.steady)).collect();
        for owner in due {
            if let Owner::Canary(id) = &owner
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

    /// Somebody says that these are well. Returns the facts that changed.
    pub fn close(&mut self, keys: &[FactKey], now: Moment) -> Vec<Changed> {
        let mut out = Vec::new();
        for key in keys {
            if let FactKey::Canary(id) = key {
                self.close_canary(id, &mut out);
                continue;
            }
            let probe = key.probe().and_then(|probe| self.probes.get_key_value(probe)).map(|(name, _)| Arc::clone(name));
            for owner in probe.map(Owner::Probe).into_iter().chain([Owner::Process]) {
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
        self.ask_again(Owner::Canary(id.clone()));
    }

    /// What the store does not have: what changed since the last call.
    pub fn take_rows(&mut self, now: Moment) -> Vec<StateRow> {
        let mut rows = std::mem::take(&mut self.gone);
        for owner in std::mem::take(&mut self.touched) {
            if let Owner::Canary(id) = &owner {
                let json = self.canaries.get_mut(id).and_then(|runs| runs.take_changed(now));
                rows.extend(json.map(|json| super::row("canary", id.as_str(), Some(json))));
            }
            rows.extend(self.of(&owner).iter_mut().flat_map(|condition| condition.rules_mut().take_changed(now)));
        }
        rows
    }

    /// Every row that all of it would need to be as it is.
    #[cfg(test)]
    pub(super) fn all_rows(&self, now: Moment) -> Vec<StateRow> {
        let canary = |(id, runs): (&CanaryId, &Runs)| super::row("canary", id.as_str(), Some(runs.to_json(now)));
        let conditions = self.probes.values().flat_map(|of| &of.conditions).chain(&self.process);
        self.canaries.iter().map(canary).chain(conditions.flat_map(|condition| condition.rules().rows(now))).collect()
    }

    /// Who is responsible for what a fact is about: the owner of its probe, and of a leak the one that the probe had when it was
    /// last there.
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
    fn of(&mut self, owner: &Owner) -> &mut [Condition] {
        match owner {
            Owner::Canary(_) => &mut [],
            Owner::Probe(name) => self.probes.get_mut(name).map_or(&mut [], |of| &mut of.conditions),
            Owner::Process => &mut self.process,
        }
    }

    /// Something of it may have changed: when it wants to be asked again, and that its rows may have to be written.
    fn ask_again(&mut self, owner: Owner) {
        let due = match &owner {
            Owner::Canary(id) => self.canaries.get(id).and_then(|runs| {
                let of = self.probes.get(&runs.canary().probe.name)?;
                runs.due(&of.rule)
            }),
            Owner::Probe(_) | Owner::Process => self.of(&owner).iter().filter_map(|condition| condition.rules().due()).min(),
        };
        self.timers.set(&owner, due);
        self.touched.insert(owner);
    }
}

/// Whose run it is where objectives are judged without those that fail.
fn part(run: &Run<'_>, before: State, after: State, since: Option<Duration>) -> Part {
    let subjects = run.report.verdict == Verdict::Failed && only_subjects(run.report);
    match (before, after, since) {
        (State::Failing(_), _, _) => Part::Member,
        (_, State::Failing(_), Some(since)) => Part::Crossed(since),
        _ if subjects => Part::Member,
        (_, State::Suspect, Some(since)) => Part::Suspect(since),
        _ => Part::Alone,
    }
}

#[cfg(test)]
mod tests;
