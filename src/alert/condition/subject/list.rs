//! The subjects that each canary knows, so that a vanished one is noticed.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{Cause, Reason};
use crate::plan::SubjectGone;

use super::super::rule::Rule;
use super::TRACKED;
use super::found::Found;

/// Most runs of one canary that are remembered for late ones.
const MOST_RECENT: usize = 4_096;

/// The names of a probe's subjects, each once and bounded in number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The shared name; learns it if there is room.
    pub(super) fn learn(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        if let Some(known) = self.0.get(name) {
            return Some(Arc::clone(known));
        }
        if self.0.len() >= TRACKED {
            return None;
        }
        self.0.insert(Arc::clone(name));
        Some(Arc::clone(name))
    }

    /// Makes room if needed by dropping the names that nothing else refers to.
    fn make_room(&mut self, for_so_many: usize) {
        if self.0.len() + for_so_many > TRACKED {
            self.0.retain(|name| Arc::strong_count(name) > 1);
        }
    }
}

/// What one canary found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List {
    /// By step.
    pub(super) loops: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Order and start of its newest runs that went through every loop, ascending.
    recent: VecDeque<(u64, Duration)>,
    /// The order of its newest run.
    newest: u64,
    /// Subjects of that run that are not told apart.
    pub(super) untold: usize,
}

/// A step and the subject that it did not find.
type Vanished = Vec<(Arc<str>, Arc<str>)>;

impl List {
    /// Takes what a run found. Returns the vanished subjects and whether the list changed. A late run neither adds nor misses
    /// subjects.
    pub(super) fn update(
        &mut self,
        names: &mut Names,
        found: &Found,
        (order, at): (u64, Duration),
        rule: &Rule,
        gone: SubjectGone,
    ) -> (Vanished, bool) {
        if found.loops.iter().all(|found| found.complete) {
            let place = self.recent.partition_point(|(known, _)| *known <= order);
            self.recent.insert(place, (order, at));
            let newest = self.recent.back().map_or(at, |(_, newest)| *newest);
            let is_over = |(_, at): &(u64, Duration)| newest.saturating_sub(*at) > rule.late_by;
            while self.recent.len() > MOST_RECENT || self.recent.front().is_some_and(is_over) {
                self.recent.pop_front();
            }
        }
        if order != 0 && order < self.newest {
            return (Vec::new(), false);
        }
        self.newest = self.newest.max(order);
        names.make_room(found.loops.iter().map(|found| found.subjects.len()).sum());
        let (mut vanished, mut changed) = (Vec::new(), false);
        let mut untold = BTreeSet::new();
        for found in &found.loops {
            if found.subjects.is_empty() && !self.loops.contains_key(&found.step) {
                continue;
            }
            let known = self.loops.entry(Arc::clone(&found.step)).or_default();
            let mut present = BTreeSet::new();
            for (name, _) in &found.subjects {
                match names.learn(name) {
                    Some(name) => present.insert(name),
                    None => untold.insert(name),
                };
            }
            if found.complete {
                vanished.extend(known.difference(&present).map(|name| (Arc::clone(&found.step), Arc::clone(name))));
            }
            let before = known.len();
            match gone {
                SubjectGone::Retire if found.complete => {
                    changed |= *known != present;
                    *known = present;
                }
                SubjectGone::Retire | SubjectGone::Fail => known.extend(present),
            }
            changed |= known.len() != before;
        }
        self.untold = untold.len();
        (vanished, changed)
    }

    /// A list that was read back.
    pub(super) fn recovered(loops: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>) -> Self {
        Self { loops, ..Self::default() }
    }

    /// The later runs that went through every loop.
    pub(super) fn since(&self, order: u64) -> Vec<(u64, Duration)> {
        let newer = |(known, _): &&(u64, Duration)| order != 0 && *known > order;
        self.recent.iter().filter(newer).copied().collect()
    }
}

/// Why a subject that was not found failed.
pub(super) fn vanished(step: &Arc<str>, name: &Arc<str>) -> Cause {
    Cause {
        reason: Reason::Subject,
        message: format!("`{name}` is gone: an earlier run found it in step `{step}`, and this one did not"),
        step: Some(Arc::clone(step)),
        subject: Some(name.to_string()),
        attempts: 0,
        expectation: None,
        location: None,
        seen: Vec::new(),
    }
}
