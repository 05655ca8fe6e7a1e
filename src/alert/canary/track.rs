//! Puts results that come late into their tick's place.
//!
//! The newest results are kept apart, for as long as a run that was launched before them may still be under way; what is older
//! is settled. A result that comes late is put between them and the course is gone through again from what is settled, unless
//! something was decided after its tick: enough passes for the canary to be well. A failure counts as the newest run then, or
//! a target of which many runs hang for long would be well for ever, and a pass does not count; either is counted in a metric.
//! Orders begin again with a process: what an earlier one left is settled, and older than everything.

use std::collections::VecDeque;
use std::time::Duration;

use metrics::counter;

use super::course::{Counted, Course, Passage};
use super::{CanaryRule, Change};

/// Most results of one canary that are kept apart, so that no cadence and deadline can fill the memory: 128 KiB.
const MOST_APART: usize = 4_096;

/// Results that came after what their tick's place was settled as, by what became of them.
const LATE: &str = "serinus_alert_late_results_total";

/// A canary's counted runs in the order of their ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::alert) struct Track {
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

    /// One more run, whichever order they end in. A run that is known is not counted twice.
    pub(in crate::alert) fn take(&mut self, rule: &CanaryRule, order: u64, at: Duration, passage: Passage) -> Change {
        let (last, newest_at) = self.newest.back().map_or((self.settled_order, None), |run| (run.order, Some(run.at)));
        if order != 0 && self.newest.binary_search_by_key(&order, |run| run.order).is_ok() {
            return Change::Nothing;
        }
        let (order, at) = match order {
            0 => (last, at),
            _ if order > self.settled_order && !(passage == Passage::Failed && self.was_well_after(rule, order)) => (order, at),
            _ if passage == Passage::Failed => {
                counter!(LATE, "counted" => "as_newest").increment(1);
                (last, newest_at.or(self.settled.last).map_or(at, |newest| newest.max(at)))
            }
            _ => {
                counter!(LATE, "counted" => "no").increment(1);
                return Change::Nothing;
            }
        };
        let late = order < last;
        let was = self.now.paging_since.is_some();
        let place = self.newest.partition_point(|run| run.order <= order);
        self.newest.insert(place, Counted { order, at, passage, paged: false });
        if late {
            self.now = self.newest.iter().fold(self.settled.clone(), |mut course, run| {
                course.step(rule, *run);
                course
            });
        } else {
            self.now.step(rule, self.newest[place]);
        }
        let change = match (was, self.now.paging_since.is_some(), passage) {
            (false, true, _) => Change::Crossed,
            (true, false, _) => Change::Recovered,
            (true, true, Passage::Failed) | (false, false, Passage::Failed) => Change::Failed,
            (true, true, _) | (false, false, _) => Change::Nothing,
        };
        if change == Change::Crossed
            && let Some(run) = self.newest.back_mut()
        {
            run.paged = true;
        }
        self.settle(rule);
        change
    }

    /// It is at page level whatever its own rule says, since then, unless it is well again by now.
    pub(super) fn raise(&mut self, rule: &CanaryRule, since: Duration) -> bool {
        let raised = self.now.raise(rule, since);
        if raised {
            match self.newest.back_mut() {
                Some(run) => run.paged = true,
                None => self.settled = self.now.clone(),
            }
        }
        raised
    }

    /// Whether after the tick of that order enough runs passed in a row for the canary to be well.
    fn was_well_after(&self, rule: &CanaryRule, order: u64) -> bool {
        let mut since = Course::default();
        self.newest.iter().filter(|run| run.order > order).any(|run| {
            since.step(rule, *run);
            since.is_recovered(rule, run.at)
        })
    }

    /// Folds the oldest runs in: no run that was launched before them can still be under way, since one was heard of that
    /// started so long after them.
    fn settle(&mut self, rule: &CanaryRule) {
        let Some(newest) = self.newest.back().map(|run| run.at) else { return };
        let is_settled = |run: &Counted| newest.saturating_sub(run.at) > rule.late_by;
        while self.newest.len() > MOST_APART || self.newest.front().is_some_and(is_settled) {
            let Some(oldest) = self.newest.pop_front() else { return };
            self.settled.step(rule, oldest);
            self.settled_order = oldest.order;
        }
    }

    /// Since when it is at page level.
    pub(in crate::alert) fn paging_since(&self) -> Option<Duration> {
        self.now.paging_since
    }

    /// When the present failures began.
    pub(in crate::alert) fn failing_since(&self) -> Option<Duration> {
        self.now.paging_since.or_else(|| self.now.evidence_since())
    }

    /// Failures in a row.
    pub(in crate::alert) fn failures(&self) -> u32 {
        self.now.failures
    }

    /// When the newest counted run started.
    pub(in crate::alert) fn last_counted(&self) -> Option<Duration> {
        self.now.last
    }

    /// Whether nothing is left of any failure.
    pub(in crate::alert) fn is_well(&self) -> bool {
        self.now.paging_since.is_none() && self.now.evidence_since().is_none()
    }

    /// Whether nothing would change if it were begun anew: it is well, and no late result can be put before a failure.
    pub(in crate::alert) fn is_forgettable(&self) -> bool {
        let settled = self.settled.paging_since.is_none() && self.settled.evidence_since().is_none();
        settled && self.is_well() && self.newest.iter().all(|run| run.passage != Passage::Failed)
    }
}
