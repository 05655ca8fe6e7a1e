//! The rule `across`: many canaries of a probe fail together, though each of them might fail by chance.
//!
//! It is crossed when K of the last N counted runs of the probe failed. The runs of all its canaries in this process count, in
//! the order of their ticks. Failing runs take longer than passing ones, so a late failure is judged in the window around its own
//! tick, not only in the newest window. The rule is settled after a whole window of runs that did not cross it.

mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::ratio::{Clears, Ratio, WindowLength, WindowRule};
use super::rule::Rule;
use super::{Changed, PlanContext, RowKind, RuleEvent, Rules, Run, level, region_and_cell, row};
use crate::alert::fact::Share;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::alert::{Failure, Moment};
use crate::history::{RestoredState, StateRow};
use crate::plan::{CanaryId, Probe};

/// Most runs that are kept besides the window, so that late runs can be put in their place.
const LATEST: u64 = 1_000;

/// Most cells that are named.
const CELLS: usize = 5;

/// A counted run of any of the canaries.
#[derive(Debug, Clone, PartialEq)]
struct WindowRun {
    /// Its order by tick; 0 for runs of an earlier process.
    order: u64,
    /// When it started; steady.
    at: Duration,
    /// The canary; unknown for runs that were dropped before they were evaluated.
    canary: Option<CanaryId>,
    failed: bool,
}

/// Failed runs of a window.
#[derive(Debug, Clone, PartialEq)]
struct FailedRuns {
    /// Failed and counted runs since the probe was well.
    failed: u32,
    runs: u32,
    /// When the first of them started.
    since: Duration,
    /// When the latest of them started.
    last: Duration,
}

/// The latest counted runs of a probe.
#[derive(Debug)]
pub(super) struct Across {
    probe: Arc<Probe>,
    /// Failed runs of so many.
    failures: u64,
    of: u64,
    interval: Duration,
    /// Slots are numbered as their runs are ordered.
    ratio: Ratio<WindowRun, FailedRuns>,
    /// How many runs may come late.
    apart: u64,
    /// The latest failed run.
    evidence: Option<(u64, Arc<Failure>)>,
    /// Regions whose own share reached the rule's in the last fact.
    reaching: Vec<Arc<str>>,
    /// Runs since it was last written, and whether it must be written now.
    unwritten: u64,
    changed: bool,
}

impl Across {
    pub(super) fn new(probe: &Arc<Probe>) -> Self {
        Self {
            probe: Arc::clone(probe),
            failures: 1,
            of: 1,
            interval: Rule::of(probe).interval,
            ratio: Ratio::default(),
            apart: 0,
            evidence: None,
            reaching: Vec::new(),
            unwritten: 0,
            changed: false,
        }
    }

    /// Since when they fail together, if they do: when the first failed run started.
    pub(super) fn since(&self) -> Option<Duration> {
        self.ratio.held().map(|held| held.seen.since)
    }

    /// The canaries whose runs are in the window.
    pub(super) fn canaries(&self) -> BTreeSet<CanaryId> {
        self.ratio.all().iter().filter_map(|(_, ran)| ran.canary.clone()).collect()
    }

    /// Puts a run into its place. Nothing if it is known already.
    fn put(&mut self, rule: &Rule, ran: WindowRun) -> Option<u64> {
        let newest = self.ratio.all().last().map(|(_, newest)| newest.at);
        if newest.is_some_and(|newest| ran.at.saturating_sub(newest) > rule.memory) {
            self.ratio.clear();
        }
        let slots = self.ratio.all();
        let later = slots.iter().rev().take_while(|(_, other)| ran.order != 0 && other.order > ran.order).count();
        let before = slots.len() - later;
        if ran.order != 0 && before > 0 && slots[before - 1].1.order == ran.order {
            return None;
        }
        let number = slots.get(before).map_or(self.ratio.newest() + 1, |(number, _)| *number);
        self.ratio.insert(number, ran);
        self.ratio.prune(self.ratio.newest(), self.of + self.apart);
        Some(number)
    }

    /// The end of the worst window that contains this run: the one with the most failed runs.
    fn worst(&self, number: u64) -> u64 {
        let slots = self.ratio.window(number + self.of - 1, 2 * self.of - 1);
        let failed = |window: &[(u64, WindowRun)]| window.iter().filter(|(_, ran)| ran.failed).count() as u64;
        let mut count = failed(self.ratio.window(number, self.of));
        let mut worst = (count, number);
        for (end, ran) in slots.iter().filter(|(end, _)| *end > number) {
            let left = end.checked_sub(self.of).and_then(|left| slots.binary_search_by_key(&left, |(number, _)| *number).ok());
            count += u64::from(ran.failed);
            count -= left.map_or(0, |left| u64::from(slots[left].1.failed));
            if count > worst.0 {
                worst = (count, *end);
            }
        }
        worst.1
    }

    /// Judges the window around a run of that number.
    fn judge(&mut self, number: u64, now: Duration) {
        let Some((failed, at)) = self.ratio.window(number, 1).first().map(|(_, ran)| (ran.failed, ran.at)) else { return };
        if let Some(held) = self.ratio.held_mut() {
            held.seen.runs = held.seen.runs.saturating_add(1);
            held.seen.failed = held.seen.failed.saturating_add(u32::from(failed));
            held.seen.last = if failed { held.seen.last.max(at) } else { held.seen.last };
        } else if !failed {
            return;
        }
        let before = self.ratio.held().map(|held| held.seen.clone());
        let crossed = |window: &[(u64, WindowRun)], _: &[(u64, WindowRun)], _| {
            let failed = || window.iter().filter(|(_, ran)| ran.failed);
            let count = failed().count();
            let first = || failed().next().map_or(at, |(_, ran)| ran.at);
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let new = || FailedRuns { failed: number(count), runs: number(window.len()), since: first(), last: at };
            (count as u64 >= self.failures).then(|| before.clone().unwrap_or_else(new))
        };
        let end = if failed { self.worst(number) } else { self.ratio.newest() };
        let window_rule = WindowRule { over: WindowLength::Runs(self.of), crossed, clears: Clears::WholeWindow };
        let mut ratio = std::mem::take(&mut self.ratio);
        ratio.judge(&window_rule, end, now);
        self.ratio = ratio;
    }

    /// What is so of them.
    fn fact(&self) -> Fact {
        let key = FactKey::Across(Arc::clone(&self.probe.name));
        let well = Fact { interval: self.interval, ..Fact::well(key, Scope::Probe(Arc::clone(&self.probe.name))) };
        let Some(held) = self.ratio.held() else { return well };
        let (shares, words) = self.shares();
        let evidence = self.evidence.as_ref().map(|(_, failure)| Arc::clone(failure));
        Fact {
            state: State::Failing(level(&self.probe)),
            since: held.seen.since,
            failed: held.seen.failed,
            of: held.seen.runs,
            last_failed: Some(held.seen.last),
            reason: evidence.as_ref().map(|failure| failure.reason.as_str().into()),
            evidence,
            words: Some(words.into()),
            shares,
            ..well
        }
    }

    /// Failed and counted runs of the newest window by region, and in words with the cells.
    fn shares(&self) -> (BTreeMap<Arc<str>, Share>, String) {
        let window = self.ratio.window(self.ratio.newest(), self.of);
        let (mut regions, mut cells): (BTreeMap<&str, Share>, BTreeMap<&str, Share>) = Default::default();
        let mut failed = 0;
        for (_, ran) in window {
            failed += u32::from(ran.failed);
            let Some((region, cell)) = ran.canary.as_ref().map(region_and_cell) else { continue };
            for share in [regions.entry(region).or_default(), cells.entry(cell).or_default()] {
                share.failed += u32::from(ran.failed);
                share.counted += 1;
            }
        }
        let reaches =
            |share: Share| share.failed > 0 && u64::from(share.failed) * self.of >= u64::from(share.counted) * self.failures;
        let mut words = format!("{failed} of the last {} runs failed", window.len());
        cells.remove("");
        let mut cells: Vec<(&str, Share)> = cells.into_iter().filter(|(_, share)| share.failed > 0).collect();
        cells.sort_by_key(|(_, share)| std::cmp::Reverse(u64::from(share.failed) * 1_000_000 / u64::from(share.counted)));
        for (at, (cell, share)) in cells.iter().take(CELLS).enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            words.extend([before, cell, &format!(" {} of {}", share.failed, share.counted)]);
        }
        if cells.len() > CELLS {
            words.extend([format!(" and {} more cells", cells.len() - CELLS)]);
        }
        let regions = regions.into_iter().map(|(region, share)| (region.into(), Share { reaches: reaches(share), ..share }));
        (regions.collect(), words)
    }

    /// Emits a fact after a failed run, when the state changes, and when other regions reach the rule's share.
    fn tell(&mut self, was: bool, failed: bool, out: &mut Vec<Changed>) {
        let is = self.ratio.held().is_some();
        if !was && !is {
            return;
        }
        let fact = self.fact();
        let reaching: Vec<Arc<str>> =
            fact.shares.iter().filter(|(_, share)| share.reaches).map(|(region, _)| Arc::clone(region)).collect();
        if failed || was != is || reaching != self.reaching {
            out.push(Changed::now(fact));
        }
        self.reaching = reaching;
    }
}

impl Rules for Across {
    fn apply(&mut self, to: &PlanContext<'_>, _out: &mut Vec<Changed>) {
        let Some((probe, rule, canaries)) = to.probe else { return };
        let Some(across) = probe.alert.across else { return };
        self.probe = Arc::clone(probe);
        (self.failures, self.of) = (across.failures.get().into(), across.of.get().into());
        self.interval = rule.interval;
        self.apart = u64::try_from(rule.overlapping.saturating_mul(canaries)).unwrap_or(u64::MAX).min(LATEST);
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        let Some(failed) = run.count.failed() else { return };
        let order = run.report.tick.order;
        let ran = WindowRun { order, at: run.started(), canary: Some(run.report.canary.id.clone()), failed };
        let Some(number) = self.put(run.rule, ran) else { return };
        if let Some(failure) = run.failure.as_ref().filter(|_| failed)
            && self.evidence.as_ref().is_none_or(|(latest, _)| *latest <= order)
        {
            self.evidence = Some((order, Arc::clone(failure)));
        }
        let was = self.ratio.held().is_some();
        self.judge(number, run.now.steady);
        self.unwritten += 1;
        let clears = self.unwritten >= self.of.div_ceil(4) && (was || self.ratio.all().iter().any(|(_, ran)| ran.failed));
        self.changed |= failed || clears || was != self.ratio.held().is_some();
        self.tell(was, failed, out);
    }

    fn event(&mut self, what: &RuleEvent<'_>, _now: Moment, _out: &mut Vec<Changed>) {
        match what {
            // Dropped runs count as passes, so that they push older runs out of the window.
            RuleEvent::Lost(passes) => {
                let Some((number, newest)) = self.ratio.all().last().cloned() else { return };
                let passes = (*passes).min(self.of);
                for more in 1..=passes {
                    self.ratio.insert(number + more, WindowRun { failed: false, canary: None, ..newest.clone() });
                }
                self.ratio.prune(self.ratio.newest(), self.of + self.apart);
            }
            RuleEvent::Removed(id) => {
                for (_, ran) in self.ratio.all_mut().filter(|(_, ran)| ran.canary.as_ref() == Some(*id)) {
                    (ran.canary, ran.failed) = (None, false);
                }
                self.changed = true;
            }
            RuleEvent::Missed(_) | RuleEvent::Input(_) => {}
        }
    }

    fn facts(&self) -> Vec<Fact> {
        self.ratio.held().map(|_| self.fact()).into_iter().collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        let is_this = matches!(key, FactKey::Across(probe) if *probe == self.probe.name);
        if is_this && self.ratio.held().is_some() {
            self.ratio.hold(None);
            self.ratio.clear();
            self.changed = true;
            self.tell(true, false, out);
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !RowKind::Across.is_of(row) {
            return Ok(false);
        }
        self.read(&row.json, now)?;
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        vec![row(RowKind::Across, &*self.probe.name, Some(self.to_json(now)))]
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        self.unwritten = 0;
        self.rows(now)
    }
}

#[cfg(test)]
mod tests;
