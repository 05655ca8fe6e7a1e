//! Puts results that come late into their tick's place.
//!
//! The newest results are kept apart, for as long as a run that was launched before them may still be under way; what is older
//! is settled. A result that comes late is put between them and the course is gone through again from what is settled, unless
//! something was decided after its tick: enough passes to be well. A failure counts as the newest run then, or a target of which
//! many runs hang for long would be well for ever, and a pass does not count; either is counted in a metric. Orders begin again
//! with a process: what an earlier one left is settled, and older than everything.

use std::collections::VecDeque;
use std::time::Duration;

use metrics::counter;

use super::super::rule::Rule;
use super::course::{Counted, Course};
use crate::alert::State;
use crate::alert::fact::{LastRun, Level};

/// Most results of one canary that are kept apart, so that no cadence and deadline can fill the memory.
const MOST_APART: usize = 4_096;

/// Results that came after what their tick's place was settled as, by what became of them.
const LATE: &str = "serinus_alert_late_results_total";

/// Counted runs in the order of their ticks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Track {
    /// What follows from the runs before the newest, and the order of the last of them.
    settled: Course,
    settled_order: u64,
    /// The newest runs, ascending.
    newest: VecDeque<Counted>,
    /// What follows from all of them.
    now: Course,
}

impl Track {
    /// A track with all its runs settled.
    pub(super) fn recovered(course: Course) -> Self {
        Self { settled: course.clone(), settled_order: 0, newest: VecDeque::new(), now: course }
    }

    /// What follows from all runs.
    pub(super) fn course(&self) -> &Course {
        &self.now
    }

    /// One more run, whichever order they end in. Says whether it counted: a run that is known is not counted twice.
    pub(in super::super) fn take(&mut self, rule: &Rule, run: Counted) -> bool {
        let Some(run) = self.place(rule, run) else { return false };
        let late = self.newest.back().map_or(self.settled_order, |last| last.order) > run.order;
        let was = self.now.failing;
        let place = self.newest.partition_point(|other| other.order <= run.order);
        self.newest.insert(place, run);
        if late {
            self.now = self.newest.iter().fold(self.settled.clone(), |mut course, run| {
                course.step(rule, *run);
                course
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

    /// The run where it counts; nothing if it does not.
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

    /// The newest run is one that fails: no late result takes that back.
    fn force(&mut self) {
        match self.newest.back_mut() {
            Some(run) => run.forced = true,
            None => self.settled = self.now.clone(),
        }
    }

    /// Runs gave way unseen, so many passes among them. What is known is settled, since nobody knows between which of its runs
    /// they were.
    pub(super) fn lost(&mut self, rule: &Rule, passes: u64) {
        self.change(|course| course.lost(rule, passes));
    }

    /// Somebody says that it is well.
    pub(in super::super) fn close(&mut self) {
        self.change(|course| {
            course.failures = 0;
            course.settle();
        });
    }

    /// The streak is forgotten if it is time for that.
    pub(in super::super) fn forget(&mut self, rule: &Rule, now: Duration) {
        if self.forgets_at(rule).is_some_and(|at| at <= now) {
            self.change(Course::forget);
        }
    }

    /// When suspicion is forgotten if no run comes; steady.
    pub(in super::super) fn forgets_at(&self, rule: &Rule) -> Option<Duration> {
        let last = self.now.last.filter(|_| self.now.since.is_some() && !self.now.failing)?;
        Some(last.started + rule.memory + Duration::from_millis(1))
    }

    fn change(&mut self, change: impl FnOnce(&mut Course)) {
        if let Some(last) = self.newest.back() {
            self.settled_order = last.order;
        }
        change(&mut self.now);
        self.settled = self.now.clone();
        self.newest.clear();
    }

    /// Whether after a failed run of that order, which started then, enough runs passed in a row for it to be settled.
    fn was_settled_after(&self, rule: &Rule, order: u64, started: Duration) -> bool {
        let mut after = Course { since: Some(started), failing: true, last_failed: Some(started), ..Course::default() };
        self.newest.iter().filter(|run| run.order > order).any(|run| {
            after.step(rule, Counted { forced: false, ..*run });
            after.since.is_none()
        })
    }

    /// Folds the oldest runs in: no run that was launched before them can still be under way, since one was heard of that
    /// started so long after them.
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

    /// Whether nothing would change if it were begun anew: it is well, and no late result can be put before a failure.
    pub(in super::super) fn is_forgettable(&self) -> bool {
        self.settled.since.is_none() && self.is_well() && self.newest.iter().all(|run| !run.run.failed)
    }
}
