//! Puts results that come late into their tick's place.
//!
//! The newest results are kept apart, as many as runs may overlap; what is older is settled. A result that comes late is put
//! between them and the course is gone through again from what is settled. Orders begin again with a process: what an earlier
//! one left is settled, and older than everything.

use std::time::Duration;

use super::course::{Counted, Course, Passage};
use super::{CanaryRule, Change};

/// A canary's counted runs in the order of their ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::alert) struct Track {
    /// What follows from the runs before the newest, and the order of the last of them.
    settled: Course,
    settled_order: u64,
    /// The newest runs, ascending.
    newest: Vec<Counted>,
    /// What follows from all of them.
    now: Course,
}

impl Track {
    /// A track with all its runs settled.
    pub(super) fn recovered(course: Course) -> Self {
        Self { settled: course.clone(), settled_order: 0, newest: Vec::new(), now: course }
    }

    /// What follows from all runs.
    pub(super) fn course(&self) -> &Course {
        &self.now
    }

    /// One more run, whichever order they end in. A run that is known is not counted twice, and one that is older than what is
    /// settled is not counted at all.
    pub(in crate::alert) fn take(&mut self, rule: &CanaryRule, order: u64, at: Duration, passage: Passage) -> Change {
        let last = self.newest.last().map_or(self.settled_order, |run| run.order);
        if order != 0 && self.knows(order) {
            return Change::Nothing;
        }
        let order = if order == 0 { last } else { order };
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
            && let Some(run) = self.newest.last_mut()
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
            match self.newest.last_mut() {
                Some(run) => run.paged = true,
                None => self.settled = self.now.clone(),
            }
        }
        raised
    }

    fn knows(&self, order: u64) -> bool {
        order <= self.settled_order || self.newest.iter().any(|run| run.order == order)
    }

    /// Folds the oldest runs in, of which no late result can come any more.
    fn settle(&mut self, rule: &CanaryRule) {
        while self.newest.len() > rule.overlapping {
            let oldest = self.newest.remove(0);
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
