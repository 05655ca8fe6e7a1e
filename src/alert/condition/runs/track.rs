//! Counts late results in the order of their ticks.
//!
//! The newest runs are kept one by one while a run of an earlier tick may still be going; older runs are folded into a settled
//! streak. A late result is inserted in tick order, and the runs after the settled streak are folded again. If enough passes to
//! be well came after its tick, it is too late for that: a failure then counts as the newest run, since otherwise a target whose
//! runs hang would stay well for ever, and a pass does not count. A metric counts both. Orders begin anew with each process, so
//! restored runs are settled and older than everything.

use std::collections::VecDeque;
use std::time::Duration;

use metrics::counter;

use super::super::rule::Rule;
use super::streak::{Counted, Streak};
use crate::alert::State;
use crate::alert::fact::{LastRun, Level};

/// Most runs of one canary that are kept one by one, so that memory is bounded for any cadence and deadline.
const MOST_APART: usize = 4_096;

/// The metric of results that came after their tick was settled.
const LATE: &str = "serinus_alert_late_results_total";

/// Counted runs in the order of their ticks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Track {
    /// The streak of all runs before the newest ones, and the order of the last of them.
    settled: Streak,
    settled_order: u64,
    /// The newest runs, ascending.
    newest: VecDeque<Counted>,
    /// The streak of all runs.
    now: Streak,
}

impl Track {
    /// A track with all its runs settled.
    pub(super) fn recovered(streak: Streak) -> Self {
        Self { settled: streak.clone(), settled_order: 0, newest: VecDeque::new(), now: streak }
    }

    /// The streak of all runs.
    pub(super) fn streak(&self) -> &Streak {
        &self.now
    }

    /// Takes a run, which may come late. Returns whether it counted; a known run is not counted twice.
    pub(in super::super) fn take(&mut self, rule: &Rule, run: Counted) -> bool {
        let Some(run) = self.place(rule, run) else { return false };
        let late = self.newest.back().map_or(self.settled_order, |last| last.order) > run.order;
        let was = self.now.failing;
        let place = self.newest.partition_point(|other| other.order <= run.order);
        self.newest.insert(place, run);
        if late {
            self.now = self.newest.iter().fold(self.settled.clone(), |mut streak, run| {
                streak.step(rule, *run);
                streak
            });
        } else {
            self.now.step(rule, run);
        }
        if self.now.failing && !was {
            self.force();
        }
        self.settle(rule);
        true
    }

    /// The run with the order and time by which it counts; nothing if it does not count.
    fn place(&self, rule: &Rule, run: Counted) -> Option<Counted> {
        let Counted { order, run: LastRun { failed, started, .. }, .. } = run;
        let (last, newest) =
            self.newest.back().map_or((self.settled_order, self.settled.last), |last| (last.order, Some(last.run)));
        if order == 0 {
            return Some(Counted { order: last, ..run });
        }
        if self.newest.binary_search_by_key(&order, |run| run.order).is_ok() {
            return None;
        }
        if order > self.settled_order && !(failed && self.was_settled_after(rule, order, started)) {
            return Some(run);
        }
        if !failed {
            counter!(LATE, "counted" => "no").increment(1);
            return None;
        }
        counter!(LATE, "counted" => "as_newest").increment(1);
        let started = newest.map_or(started, |newest| newest.started.max(started));
        Some(Counted { order: last, run: LastRun { started, ..run.run }, ..run })
    }

    /// Makes the newest run a forced failure, so that no late result undoes it.
    fn force(&mut self) {
        match self.newest.back_mut() {
            Some(run) => run.forced = true,
            None => self.settled = self.now.clone(),
        }
    }

    /// Runs were dropped, this many passes among them. All known runs are settled, since the ticks of the dropped ones are
    /// unknown.
    pub(super) fn lost(&mut self, rule: &Rule, passes: u64) {
        self.change(|streak| streak.lost(rule, passes));
    }

    /// Somebody says that it is well.
    pub(in super::super) fn close(&mut self) {
        self.change(|streak| {
            streak.failures = 0;
            streak.settle();
        });
    }

    /// Forgets the streak when its time has come.
    pub(in super::super) fn forget(&mut self, rule: &Rule, now: Duration) {
        if self.forgets_at(rule).is_some_and(|at| at <= now) {
            self.change(Streak::forget);
        }
    }

    /// When suspicion is forgotten if no run comes; steady.
    pub(in super::super) fn forgets_at(&self, rule: &Rule) -> Option<Duration> {
        let last = self.now.last.filter(|_| self.now.since.is_some() && !self.now.failing)?;
        Some(last.started + rule.memory + Duration::from_millis(1))
    }

    fn change(&mut self, change: impl FnOnce(&mut Streak)) {
        if let Some(last) = self.newest.back() {
            self.settled_order = last.order;
        }
        change(&mut self.now);
        self.settled = self.now.clone();
        self.newest.clear();
    }

    /// Whether enough runs after this order passed in a row to settle a failed run that started then.
    fn was_settled_after(&self, rule: &Rule, order: u64, started: Duration) -> bool {
        let mut after = Streak { since: Some(started), failing: true, last_failed: Some(started), ..Streak::default() };
        self.newest.iter().filter(|run| run.order > order).any(|run| {
            after.step(rule, Counted { forced: false, ..*run });
            after.since.is_none()
        })
    }

    /// Folds the oldest runs into the settled streak once no run of an earlier tick can still be going.
    fn settle(&mut self, rule: &Rule) {
        let Some(newest) = self.newest.back().map(|run| run.run.started) else { return };
        let is_settled = |run: &Counted| newest.saturating_sub(run.run.started) > rule.late_by;
        while self.newest.len() > MOST_APART || self.newest.front().is_some_and(is_settled) {
            let Some(oldest) = self.newest.pop_front() else { return };
            self.settled.step(rule, oldest);
            self.settled_order = oldest.order;
        }
    }

    /// How it stands; what fails is of this level.
    pub(in super::super) fn state(&self, level: Level) -> State {
        self.now.state(level)
    }

    /// Since when it has not been well: when its first failed run started.
    pub(in super::super) fn since(&self) -> Option<Duration> {
        self.now.since
    }

    /// Failures in a row.
    pub(in super::super) fn failures(&self) -> u32 {
        self.now.failures
    }

    /// Failed runs since it was well.
    pub(in super::super) fn failed(&self) -> u32 {
        self.now.failed
    }

    /// Counted runs since then.
    pub(in super::super) fn runs(&self) -> u32 {
        self.now.runs
    }

    /// The newest counted run.
    pub(in super::super) fn last(&self) -> Option<LastRun> {
        self.now.last
    }

    /// When the latest of the failed runs since it was well started.
    pub(in super::super) fn last_failed(&self) -> Option<Duration> {
        self.now.last_failed
    }

    /// Whether nothing is left of any failure.
    pub(in super::super) fn is_well(&self) -> bool {
        self.now.since.is_none()
    }

    /// Whether it can be dropped: it is well, and no late result can be inserted before a failure.
    pub(in super::super) fn is_forgettable(&self) -> bool {
        self.settled.since.is_none() && self.is_well() && self.newest.iter().all(|run| !run.run.failed)
    }
}
