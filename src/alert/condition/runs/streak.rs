//! Folds counted runs, oldest first: when the rule is crossed, and when it is settled.

use std::time::Duration;

use super::super::ratio::{Clears, Ratio, WindowLength, WindowRule};
use super::super::rule::Rule;
use crate::alert::State;
use crate::alert::fact::{LastRun, Level};
use crate::plan::PageRule;

/// A counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Counted {
    /// Its order among the runs of this process, `Tick.order`; 0 puts it after all known runs.
    pub(in super::super) order: u64,
    /// What it was.
    pub(in super::super) run: LastRun,
    /// Whether the canary fails with this run whatever the rule says: the run was made for a dependent and failed, or a failing
    /// fact was emitted when it was the newest run. A late result cannot undo that; only passes can.
    pub(in super::super) forced: bool,
}

/// The state after all counted runs up to one. Times are steady.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Streak {
    /// The last of them.
    pub(super) last: Option<LastRun>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When the first failed run started since it was well; absent while it is.
    pub(super) since: Option<Duration>,
    /// Whether the rule was crossed since then.
    pub(super) failing: bool,
    /// Failed runs since then, and counted runs from the first of them on.
    pub(super) failed: u32,
    pub(super) runs: u32,
    /// When the latest failed run of those started.
    pub(super) last_failed: Option<Duration>,
    /// Passes in a row since then.
    pub(super) passes: u32,
    /// Runs counted by a window rule; it numbers the slots of the window.
    pub(super) number: u64,
    /// Failed runs in the window, when they started. Empty with any other rule, and again when it is settled.
    pub(super) window: Ratio<Duration, ()>,
}

impl Streak {
    /// One more run.
    pub(super) fn step(&mut self, rule: &Rule, run: Counted) {
        let LastRun { failed, started, .. } = run.run;
        if self.last.is_some_and(|last| started.saturating_sub(last.started) > rule.memory) {
            self.forget();
        }
        self.last = Some(run.run);
        if failed {
            self.failures = self.failures.saturating_add(1);
            self.failed = self.failed.saturating_add(1);
            self.passes = 0;
            self.since = self.since.or(Some(started));
            self.last_failed = Some(self.last_failed.map_or(started, |last| last.max(started)));
        } else {
            self.failures = 0;
            self.passes = self.passes.saturating_add(1);
        }
        let crossed = self.judge(rule, run.run);
        if run.forced {
            self.since = self.since.or(Some(started));
        }
        if self.since.is_some() {
            self.runs = self.runs.saturating_add(1);
            self.failing |= crossed || run.forced;
            if !failed && self.is_settled(rule) {
                self.settle();
            }
        }
    }

    /// Whether the rule is crossed after this run.
    fn judge(&mut self, rule: &Rule, run: LastRun) -> bool {
        match rule.page {
            PageRule::Consecutive(failures) => {
                self.window = Ratio::default();
                self.failures >= failures.get()
            }
            PageRule::Window { failures, of } => {
                self.number += 1;
                if run.failed {
                    *self.window.slot(self.number) = run.started;
                }
                let crossed = |window: &[(u64, Duration)], _: &[(u64, Duration)], _| {
                    (window.len() >= failures.get() as usize).then_some(())
                };
                // It is cleared by passes in a row, which the caller counts.
                let window_rule = WindowRule { over: WindowLength::Runs(of.get().into()), crossed, clears: Clears::WhenTold };
                self.window.judge(&window_rule, self.number, run.started);
                self.window.prune(self.number, of.get().into());
                self.window.held().is_some()
            }
        }
    }

    /// Whether enough runs in a row passed, long enough after the last failed one.
    pub(super) fn is_settled(&self, rule: &Rule) -> bool {
        let after = |failed: Duration| self.last.map_or(Duration::ZERO, |last| last.started.saturating_sub(failed));
        self.passes >= rule.passes() && self.last_failed.is_none_or(|failed| after(failed) >= rule.span())
    }

    /// Makes it well.
    pub(super) fn settle(&mut self) {
        *self = Self { last: self.last, number: self.number, passes: self.passes, ..Self::default() };
    }

    /// Forgets the streak after a long time without runs. That ends suspicion, but not failing.
    pub(super) fn forget(&mut self) {
        if self.failing {
            self.failures = 0;
            self.passes = 0;
            self.window = Ratio::default();
        } else {
            *self = Self { last: self.last, number: self.number, ..Self::default() };
        }
    }

    /// Runs were dropped, this many passes among them. Failures before and after them are not in a row.
    pub(super) fn lost(&mut self, rule: &Rule, passes: u64) {
        if passes == 0 {
            return;
        }
        self.failures = 0;
        self.passes = 0;
        if let PageRule::Window { of, .. } = rule.page {
            self.number += passes;
            self.window.prune(self.number, of.get().into());
        }
    }

    /// The state; a failing one has this level.
    pub(super) fn state(&self, level: Level) -> State {
        match (self.since, self.failing) {
            (None, _) => State::Well,
            (Some(_), false) => State::Suspect,
            (Some(_), true) => State::Failing(level),
        }
    }
}
