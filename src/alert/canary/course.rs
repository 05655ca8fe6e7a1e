//! The course of a canary's counted runs, oldest first: the rules themselves.

use std::time::Duration;

use crate::plan::PageRule;

use super::CanaryRule;

/// What a counted run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::alert) enum Passage {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was a result, and neither.
    Neither,
}

/// A counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// Its place.
    pub(super) order: u64,
    /// When it started; steady time.
    pub(super) at: Duration,
    /// What it was.
    pub(super) passage: Passage,
    /// Whether the canary was said to be at page level when this was the newest run known, by its rule or because many failed
    /// together. A late result does not take that back: it takes passes.
    pub(super) paged: bool,
}

/// What follows from all counted runs up to one. Times are steady.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// When the last of them started.
    pub(super) last: Option<Duration>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When the first failure of the row started; only while there is one.
    pub(super) failing_since: Option<Duration>,
    /// Runs judged by a window rule, so that a failure's place in the window is known.
    pub(super) number: u64,
    /// Failed runs in the window: number and start. Empty with any other rule, and again after a recovery: what it was told for
    /// is over.
    pub(super) window: Vec<(u64, Duration)>,
    /// Since when the failures go on that it is at page level for.
    pub(super) paging_since: Option<Duration>,
    /// Passes in a row.
    pub(super) passes: u32,
    /// When the first pass of the row started; only while there is one.
    pub(super) passing_since: Option<Duration>,
}

impl Course {
    /// One more run.
    pub(super) fn step(&mut self, rule: &CanaryRule, run: Counted) {
        if self.last.is_some_and(|last| run.at.saturating_sub(last) > rule.memory) {
            *self = Self { paging_since: self.paging_since, ..Self::default() };
        }
        self.last = Some(run.at);
        match run.passage {
            Passage::Passed => {
                self.failures = 0;
                self.failing_since = None;
                self.passes = self.passes.saturating_add(1);
                self.passing_since = self.passing_since.or(Some(run.at));
            }
            Passage::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.failing_since = self.failing_since.or(Some(run.at));
                self.passes = 0;
                self.passing_since = None;
            }
            Passage::Neither => {}
        }
        let at_level = self.judge(rule, run);
        if self.paging_since.is_none() && (at_level || run.paged) {
            self.paging_since = self.evidence_since().or(Some(run.at));
        }
        if self.paging_since.is_some() && self.is_recovered(rule, run.at) {
            self.paging_since = None;
            self.window = Vec::new();
        }
    }

    /// At page level since then for another reason than the rule, unless it has recovered since.
    pub(super) fn raise(&mut self, rule: &CanaryRule, since: Duration) -> bool {
        let Some(last) = self.last.filter(|_| self.paging_since.is_none()) else { return false };
        if self.is_recovered(rule, last) {
            return false;
        }
        self.paging_since = Some(since);
        true
    }

    /// Whether the rule says page after this run.
    fn judge(&mut self, rule: &CanaryRule, run: Counted) -> bool {
        match rule.rule {
            PageRule::Consecutive(failures) => {
                self.window = Vec::new();
                self.failures >= failures.get()
            }
            PageRule::Window { failures, of } => {
                if run.passage != Passage::Neither {
                    self.number += 1;
                }
                if run.passage == Passage::Failed {
                    self.window.push((self.number, run.at));
                }
                let gone = self.number.saturating_sub(u64::from(of.get()));
                self.window.retain(|(number, _)| *number > gone);
                self.window.len() >= failures.get() as usize
            }
        }
    }

    /// Whether enough runs in a row passed, over long enough.
    pub(super) fn is_recovered(&self, rule: &CanaryRule, now: Duration) -> bool {
        let spanned = self.passing_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.passes >= rule.resolve_after.get() && spanned >= rule.span()
    }

    /// The first failure that may lead to a page.
    pub(super) fn evidence_since(&self) -> Option<Duration> {
        self.window.first().map(|(_, at)| *at).or(self.failing_since)
    }
}
