//! Subjects of a probe: entities that a run finds, each with a result and a page of its own.
//!
//! Owns the rules for them: a subject is at page level when a canary has seen it fail `subject_after` times in a row, under the
//! key probe/subject whatever region or cell saw it; it is well again when every canary that had it at page level has seen it
//! pass `resolve_after` times in a row over two intervals: what another canary sees does not help. What a run counts as for
//! its canary is decided in `canary`. A run is split like this:
//!
//! | step report | for the subject |
//! |---|---|
//! | passed | pass |
//! | failed, not allowed to | failure |
//! | failed because the run's deadline cut it | – (the probe's failure) |
//! | failed by the prober's own fault, blocked, allowed to fail, not needed | – |
//! | none, though the canary knew it and its loop was gone through to the end | failure, or forgotten with `subject_gone = "retire"` |
//!
//! A loop was gone through if each of its rounds has a report with its subject and the run went on behind it, or to its end. Beyond `max_subjects` subjects at page level the next ones share a summary, and stay there until they are well.
//! So do all beyond [`TRACKED`], as if they were one subject. Runs that are not counted do nothing here.

mod found;
mod list;
mod row;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{Cause, RunReport, Verdict};
use crate::plan::{CanaryId, PageRule, Probe, SubjectGone};

use super::canary::{CanaryRule, Change, Passage, Track, counts};
use super::{Failure, Moment};
use found::{Found, found};
use list::{List, Names};
pub use view::Sighting;

/// Most subjects of one probe that are told apart.
pub const TRACKED: usize = 5_000;

/// What the subjects of a probe are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectRule {
    /// What each subject is judged by, as each canary sees it.
    pub course: CanaryRule,
    /// Subjects with an incident of their own at once.
    pub most: usize,
    /// What it means that one vanished.
    pub gone: SubjectGone,
}

impl SubjectRule {
    /// The rule of a probe, whose canaries' rule is `of_canaries`.
    pub fn of(probe: &Probe, of_canaries: &CanaryRule) -> Self {
        Self {
            course: CanaryRule { rule: PageRule::Consecutive(probe.alert.subject_after), ..*of_canaries },
            most: probe.alert.max_subjects.get() as usize,
            gone: probe.alert.subject_gone,
        }
    }
}

/// Whose page a subject at page level is on. It stays there until the subject is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its own.
    Own,
    /// The one of all that are too many.
    Summary,
}

/// Something that happened to a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectChange {
    /// Which; absent for those beyond [`TRACKED`], which are as one.
    pub subject: Option<Arc<str>>,
    /// Whose page it is on.
    pub place: Place,
    /// What happened; never [`Change::Nothing`].
    pub change: Change,
}

/// The subjects of one probe.
#[derive(Debug, Default, PartialEq)]
pub struct Subjects {
    names: Names,
    /// How many have a page of their own.
    own: usize,
    /// Subjects that have failed and are not well yet.
    failing: BTreeMap<Arc<str>, Subject>,
    /// Those that are not told apart.
    rest: Subject,
    /// What each canary found.
    lists: HashMap<CanaryId, List>,
    /// Canaries whose list the store does not have, and whether it lacks the subjects.
    changed_lists: BTreeSet<CanaryId>,
    changed: bool,
}

/// Whether a probe looks for subjects.
pub fn looks_for_any(probe: &Probe) -> bool {
    found::has_subjects(&probe.steps)
}

/// Subjects and why they failed, if they did.
type Results = Vec<(Arc<str>, Option<Cause>)>;

/// A subject that fails.
#[derive(Debug, Clone, Default, PartialEq)]
struct Subject {
    place: Option<Place>,
    tracks: BTreeMap<CanaryId, Track>,
    failure: Option<Arc<Failure>>,
}

impl Subject {
    fn is_paging(&self) -> bool {
        self.tracks.values().any(|track| track.paging_since().is_some())
    }
}

impl Subjects {
    /// Takes a run in that has just ended. `tell` makes what a page tells of a failure.
    pub fn seen(
        &mut self,
        rule: &SubjectRule,
        report: &RunReport,
        now: Moment,
        tell: impl Fn(&RunReport, &Cause) -> Failure,
    ) -> Vec<SubjectChange> {
        if !counts(report.trigger) || !matches!(report.verdict, Verdict::Passed | Verdict::Failed) {
            return Vec::new();
        }
        let canary = &report.canary.id;
        let run = Run { canary, order: report.tick.order, at: now.steady.saturating_sub(report.duration) };
        let found = found(report);
        if found.is_empty() && !self.lists.contains_key(canary) {
            return Vec::new();
        }
        let (judged, retired) = self.with_vanished(rule, &found, run);
        let mut changes: Vec<SubjectChange> =
            retired.into_iter().filter_map(|name| self.drop_track(Some(name), canary)).collect();
        let mut rest = None;
        for (name, failed) in judged {
            match self.names.learn(&name) {
                Some(name) => {
                    let failure = || failed.map(|cause| Arc::new(tell(report, &cause)));
                    changes.extend(self.judge(rule, Some(name), run, failure()));
                }
                // Of those that are not told apart, the first failure stands for all.
                None => rest = rest.filter(Option::is_some).or(Some(failed)),
            }
        }
        if let Some(failed) = rest {
            changes.extend(self.judge(rule, None, run, failed.map(|cause| Arc::new(tell(report, &cause)))));
        }
        changes
    }

    /// The results of a run, in its order, and behind them the subjects that it should have found; and those that need not be
    /// found any more. Updates the canary's list.
    fn with_vanished(&mut self, rule: &SubjectRule, found: &Found, run: Run<'_>) -> (Results, Vec<Arc<str>>) {
        let mut judged = found.results();
        let list = self.lists.entry(run.canary.clone()).or_default();
        let (vanished, changed) = list.update(&mut self.names, found, (run.order, run.at), rule);
        if changed {
            self.changed_lists.insert(run.canary.clone());
        }
        let mut known: HashSet<Arc<str>> = judged.iter().map(|(name, _)| Arc::clone(name)).collect();
        let vanished = vanished.into_iter().filter(|(_, name)| known.insert(Arc::clone(name)));
        match rule.gone {
            SubjectGone::Fail => {
                judged.extend(vanished.map(|(step, name)| {
                    let cause = list::vanished(&step, &name);
                    (name, Some(cause))
                }));
                (judged, Vec::new())
            }
            SubjectGone::Retire => {
                let retired = vanished.map(|(_, name)| name).collect();
                (judged, retired)
            }
        }
    }

    /// Takes one canary's result of one subject in.
    fn judge(
        &mut self,
        rule: &SubjectRule,
        name: Option<Arc<str>>,
        run: Run<'_>,
        failure: Option<Arc<Failure>>,
    ) -> Option<SubjectChange> {
        let list = self.lists.get(run.canary);
        let subject = match &name {
            Some(name) if failure.is_some() => self.failing.entry(Arc::clone(name)).or_default(),
            Some(name) => self.failing.get_mut(name)?,
            None => &mut self.rest,
        };
        let passage = if failure.is_some() { Passage::Failed } else { Passage::Passed };
        let was = subject.is_paging();
        let track = match subject.tracks.get_mut(run.canary) {
            Some(track) => track,
            None if passage == Passage::Passed => return None,
            None => subject.tracks.entry(run.canary.clone()).or_insert_with(|| {
                // A late failure: the runs since then have found it well, or it would have a track.
                let mut track = Track::default();
                for (order, at) in list.map(|list| list.since(run.order)).unwrap_or_default() {
                    track.take(&rule.course, order, at, Passage::Passed);
                }
                track
            }),
        };
        self.changed = true;
        track.take(&rule.course, run.order, run.at, passage);
        subject.failure = failure.or(subject.failure.take());
        subject.tracks.retain(|_, track| !track.is_forgettable());
        let is = subject.is_paging();
        if is && subject.place.is_none() {
            let full = self.own >= rule.most || name.is_none();
            subject.place = Some(if full { Place::Summary } else { Place::Own });
            self.own += usize::from(!full);
        }
        let place = subject.place;
        self.tidy(name.as_ref());
        let change = match (was, is, passage) {
            (false, true, _) => Change::Crossed,
            (true, false, _) => Change::Recovered,
            (true, true, Passage::Failed) => Change::Failed,
            (true | false, _, _) => return None,
        };
        place.map(|place| SubjectChange { subject: name, place, change })
    }

    /// Forgets a subject that is well, and the place of one that is not at page level any more.
    fn tidy(&mut self, name: Option<&Arc<str>>) {
        let subject = match name {
            Some(name) => self.failing.get_mut(name),
            None => Some(&mut self.rest),
        };
        let Some(subject) = subject else { return };
        if !subject.is_paging() {
            self.own -= usize::from(subject.place.take() == Some(Place::Own));
        }
        if subject.tracks.is_empty() {
            *subject = Subject::default();
            if let Some(name) = name {
                self.failing.remove(name);
            }
        }
    }

    /// A canary is no more: what it alone saw failing is not at page level any longer, which is told as a recovery.
    pub fn forget(&mut self, canary: &CanaryId) -> Vec<SubjectChange> {
        if self.lists.remove(canary).is_some() {
            self.changed_lists.insert(canary.clone());
        }
        let failing: Vec<Option<Arc<str>>> = self.failing.keys().cloned().map(Some).chain([None]).collect();
        failing.into_iter().filter_map(|name| self.drop_track(name, canary)).collect()
    }

    /// Takes back what a canary saw of a subject.
    fn drop_track(&mut self, name: Option<Arc<str>>, canary: &CanaryId) -> Option<SubjectChange> {
        let subject = match &name {
            Some(name) => self.failing.get_mut(name)?,
            None => &mut self.rest,
        };
        subject.tracks.remove(canary)?;
        self.changed = true;
        let (is, place) = (subject.is_paging(), subject.place);
        self.tidy(name.as_ref());
        place.filter(|_| !is).map(|place| SubjectChange { subject: name, place, change: Change::Recovered })
    }
}

/// Which run is being taken in.
#[derive(Clone, Copy)]
struct Run<'a> {
    canary: &'a CanaryId,
    order: u64,
    at: Duration,
}

#[cfg(test)]
mod tests;
