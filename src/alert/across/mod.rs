//! Many canaries of a probe that fail together, where each by itself might fail by chance.
//!
//! Owns the rule `across`: K of the last N counted runs of the probe failed, all its canaries of this process together, in the
//! order of their ticks. The canaries that failed among those runs come to page level then, and are well again by their own passes:
//! this machine only ever raises. Runs that fail take longer than runs that pass, so a window may end at any run, not only at
//! the newest one: a failure is judged among its neighbours, however many later runs are known by then.
//!
//! It must not look at a clock, know incidents or send anything. What counts is decided by `canary::Count`.

mod row;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Moment;
use super::canary::CanaryRule;
use crate::plan::{CanaryId, Probe};

/// Most runs that are kept apart from the window for late ones to be put between.
const LATEST: usize = 1_000;

/// What a probe's canaries are judged by together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcrossRule {
    /// Failed runs.
    failures: usize,
    /// Of so many runs.
    of: usize,
    /// How long they are remembered without a counted run.
    memory: Duration,
    /// Runs of the probe that may be under way at once, so that a result can come after that many newer ones.
    overlapping: usize,
}

impl AcrossRule {
    /// The rule of a probe that has so many canaries in this process; none if it has not asked for one.
    pub fn of(probe: &Probe, canaries: usize) -> Option<Self> {
        let across = probe.alert.across?;
        let rule = CanaryRule::of(probe);
        Some(Self {
            failures: across.failures.get() as usize,
            of: across.of.get() as usize,
            memory: rule.memory,
            overlapping: rule.overlapping.saturating_mul(canaries).min(LATEST),
        })
    }
}

/// A counted run of any of the canaries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ran {
    /// Its place; 0 of what an earlier process left.
    order: u64,
    /// When it started; steady time.
    at: Duration,
    /// Whose it was, if it failed.
    failed: Option<CanaryId>,
}

/// Enough runs failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The canaries whose runs they were, and when the first failed one of each started. The one whose run decided is the last.
    pub canaries: Vec<(CanaryId, Duration)>,
    /// Failed runs in the window.
    pub failed: usize,
    /// Runs in it.
    pub of: usize,
    /// Whether it is the first time since the probe was well.
    pub first: bool,
}

/// The latest counted runs of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Across {
    /// Ascending by their order.
    runs: Vec<Ran>,
    /// Runs up to this one are over and done with.
    after: u64,
    /// Whether canaries were raised since the probe was well.
    crossed: bool,
    /// Runs since it was last written.
    unwritten: usize,
}

impl Across {
    /// Takes a counted run in, whichever order runs end in: who is at page level because of it.
    pub fn seen(&mut self, rule: &AcrossRule, id: &CanaryId, order: u64, at: Duration, failed: bool) -> Option<Crossing> {
        let newest = self.runs.last().map(|run| (run.order, run.at));
        if newest.is_some_and(|(_, last)| at.saturating_sub(last) > rule.memory) {
            self.runs.clear();
        }
        if order <= self.after || self.runs.iter().rev().take_while(|run| run.order >= order).any(|run| run.order == order) {
            return None;
        }
        let place = self.runs.partition_point(|run| run.order < order);
        self.runs.insert(place, Ran { order, at, failed: failed.then(|| id.clone()) });
        self.unwritten += 1;
        let crossing = if failed { self.judge(rule, place) } else { None };
        self.crossed |= crossing.is_some();
        let excess = self.runs.len().saturating_sub(rule.of + rule.overlapping);
        self.runs.drain(..excess);
        crossing
    }

    /// Whether enough runs failed in a window with the failed one at `place`: in the one with the most, if there are several.
    fn judge(&self, rule: &AcrossRule, place: usize) -> Option<Crossing> {
        let failed = |at: usize| usize::from(self.runs[at].failed.is_some());
        let begin = |end: usize| end.saturating_sub(rule.of);
        let mut count: usize = (begin(place + 1)..=place).map(failed).sum();
        let (mut failures, mut end) = (count, place + 1);
        for later in place + 2..=(place + rule.of).min(self.runs.len()) {
            count += failed(later - 1);
            count -= if begin(later) > 0 { failed(begin(later) - 1) } else { 0 };
            if count > failures {
                (failures, end) = (count, later);
            }
        }
        if failures < rule.failures {
            return None;
        }
        let window = &self.runs[begin(end)..end];
        let mut since: BTreeMap<&CanaryId, Duration> = BTreeMap::new();
        for run in window {
            if let Some(id) = &run.failed {
                since.entry(id).and_modify(|since| *since = run.at.min(*since)).or_insert(run.at);
            }
        }
        let decided = self.runs[place].failed.as_ref();
        let mut canaries: Vec<(CanaryId, Duration)> = since.into_iter().map(|(id, since)| (id.clone(), since)).collect();
        canaries.sort_by_key(|(id, _)| decided == Some(id));
        Some(Crossing { canaries, failed: failures, of: window.len(), first: !self.crossed })
    }

    /// Passed runs gave way unseen: they let as many others go as they would have.
    pub fn lost(&mut self, rule: &AcrossRule, passes: u64) {
        let Some(newest) = self.runs.last().cloned() else { return };
        let passes = usize::try_from(passes).unwrap_or(usize::MAX).min(rule.of);
        self.runs.extend(std::iter::repeat_n(Ran { failed: None, ..newest }, passes));
        let excess = self.runs.len().saturating_sub(rule.of + rule.overlapping);
        self.runs.drain(..excess);
    }

    /// The probe is well: what it was told for is over. Says whether that changed anything.
    pub fn ended(&mut self) -> bool {
        if !self.crossed {
            return false;
        }
        self.after = self.runs.last().map_or(self.after, |run| run.order);
        self.runs.clear();
        self.crossed = false;
        true
    }

    /// A canary is no more: its failures no longer count.
    pub fn forget(&mut self, id: &CanaryId) {
        self.runs.retain(|run| run.failed.as_ref() != Some(id));
    }

    /// What is to be written after a run, if it is worth it: every failure, and now and then the passes that let failures go.
    pub fn take_changed(&mut self, rule: &AcrossRule, failed: bool, now: Moment) -> Option<String> {
        let due = failed || (self.unwritten >= rule.of.div_ceil(4) && self.runs.iter().any(|run| run.failed.is_some()));
        due.then(|| {
            self.unwritten = 0;
            self.to_json(rule, now)
        })
    }
}

#[cfg(test)]
mod tests;
