//! Subjects of a probe: entities that a run finds, each with a result and an incident of its own.
//!
//! A subject fails when a canary has seen it fail `subject_after` times in a row. It is one fact for all regions and cells; where
//! it was seen is text. It is well when every canary that saw it fail has settled on it, retired it or is removed. What a run
//! counts as for its canary is decided in `count`. A run counts for its subjects as follows:
//!
//! | step report | for the subject |
//! |---|---|
//! | passed | pass |
//! | failed, not allowed to | failure |
//! | failed because the run's deadline cut it | – (the probe's failure) |
//! | failed by the prober's own fault, blocked, allowed to fail, not needed | – |
//! | none, though the canary knew it and its loop was gone through to the end | failure, or forgotten with `subject_gone = "retire"` |
//!
//! A loop was gone through if each of its rounds has a report with its subject and the run went on after it, or to its end.
//! Beyond `max_subjects` failing subjects, further ones share a scope; a subject keeps its scope until it is well. All subjects
//! beyond [`TRACKED`] count as one. Runs that do not count change nothing.

mod fact;
mod found;
mod list;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::rule::Rule;
use super::runs::{Counted, Track};
use super::{Changed, PlanContext, RowKind, RuleEvent, Rules, Run, evidence, level};
use crate::alert::fact::LastRun;
use crate::alert::{Fact, FactKey, State};
use crate::alert::{Failure, Moment};
use crate::history::{RestoredState, StateRow};
use crate::outcome::{Cause, Verdict};
use crate::plan::{CanaryId, PageRule, Probe, SubjectGone};
use found::{Found, found};
use list::{List, Names};

/// Most subjects of one probe that are told apart.
pub(super) const TRACKED: usize = 5_000;

/// Whether a failing subject has a scope of its own. It keeps its scope until it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SubjectScope {
    /// It alone.
    Own,
    /// All that are too many.
    Shared,
}

/// The subjects of one probe.
#[derive(Debug)]
pub(super) struct Subjects {
    probe: Arc<Probe>,
    /// What each subject is judged by, as each canary sees it.
    rule: Rule,
    names: Names,
    /// How many have a scope of their own.
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
pub(super) fn looks_for_any(probe: &Probe) -> bool {
    found::has_subjects(&probe.steps)
}

/// Subjects and why they failed, if they did.
type Results = Vec<(Arc<str>, Option<Cause>)>;

/// A subject that is not well, or was not lately.
#[derive(Debug, Clone, Default, PartialEq)]
struct Subject {
    /// Only while it fails.
    scope: Option<SubjectScope>,
    tracks: BTreeMap<CanaryId, Track>,
    /// The latest failed run, with its order.
    failure: Option<(u64, Arc<Failure>)>,
}

impl Subject {
    /// How it stands; what fails is of the probe's level.
    fn state(&self, probe: &Probe) -> State {
        let states = || self.tracks.values().map(|track| track.state(level(probe)));
        match states().find(|state| matches!(state, State::Failing(_))) {
            Some(fails) => fails,
            None if states().all(|state| state == State::Well) => State::Well,
            // One canary has settled on it, but another that saw it fail has not.
            None if self.scope.is_some() => State::Failing(level(probe)),
            None => State::Suspect,
        }
    }
}

/// Which run is being taken in.
struct Sight<'a> {
    canary: &'a CanaryId,
    order: u64,
    last: LastRun,
}

impl Subjects {
    pub(super) fn new(probe: &Arc<Probe>) -> Self {
        Self {
            rule: Rule { page: PageRule::Consecutive(probe.alert.subject_after), ..Rule::of(probe) },
            probe: Arc::clone(probe),
            names: Names::default(),
            own: 0,
            failing: BTreeMap::new(),
            rest: Subject::default(),
            lists: HashMap::new(),
            changed_lists: BTreeSet::new(),
            changed: false,
        }
    }

    /// Every canary that has seen something of them.
    pub(super) fn canaries(&self) -> BTreeSet<CanaryId> {
        let subjects = self.failing.values().chain([&self.rest]);
        self.lists.keys().chain(subjects.flat_map(|subject| subject.tracks.keys())).cloned().collect()
    }

    fn most(&self) -> usize {
        self.probe.alert.max_subjects.get() as usize
    }

    /// The results of a run in order, followed by a failure for each vanished subject; and the subjects that are retired. Updates
    /// the canary's list.
    fn with_vanished(&mut self, found: &Found, sight: &Sight<'_>) -> (Results, Vec<Arc<str>>) {
        let mut judged = found.results();
        let (list, gone) = (self.lists.entry(sight.canary.clone()).or_default(), self.probe.alert.subject_gone);
        let (vanished, changed) = list.update(&mut self.names, found, (sight.order, sight.last.started), &self.rule, gone);
        if changed {
            self.changed_lists.insert(sight.canary.clone());
        }
        let mut known: HashSet<Arc<str>> = judged.iter().map(|(name, _)| Arc::clone(name)).collect();
        let vanished = vanished.into_iter().filter(|(_, name)| known.insert(Arc::clone(name)));
        match gone {
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
    fn judge(&mut self, name: Option<&Arc<str>>, sight: &Sight<'_>, failure: Option<Arc<Failure>>, out: &mut Vec<Changed>) {
        let failed = failure.is_some();
        let list = self.lists.get(sight.canary);
        let subject = match name {
            Some(name) if failed => self.failing.entry(Arc::clone(name)).or_default(),
            Some(name) => match self.failing.get_mut(name) {
                Some(subject) => subject,
                None => return,
            },
            None => &mut self.rest,
        };
        let before = subject.state(&self.probe);
        let track = match subject.tracks.get_mut(sight.canary) {
            Some(track) => track,
            None if !failed => return,
            None => subject.tracks.entry(sight.canary.clone()).or_insert_with(|| {
                // This is a late failure. The later runs found the subject well, or it would have a track already.
                let mut track = Track::default();
                for (order, at) in list.map(|list| list.since(sight.order)).unwrap_or_default() {
                    let run = LastRun { failed: false, started: at, ended: at };
                    track.take(&self.rule, Counted { order, run, forced: false });
                }
                track
            }),
        };
        self.changed = true;
        track.take(&self.rule, Counted { order: sight.order, run: LastRun { failed, ..sight.last }, forced: false });
        if let Some(failure) = failure
            && subject.failure.as_ref().is_none_or(|(latest, _)| *latest <= sight.order)
        {
            subject.failure = Some((sight.order, failure));
        }
        subject.tracks.retain(|_, track| !track.is_forgettable());
        self.tell(name, before, out);
    }

    /// Gives a failing subject its scope, emits its fact, and drops it when nothing is left of it.
    fn tell(&mut self, name: Option<&Arc<str>>, before: State, out: &mut Vec<Changed>) {
        let Some(subject) = self.subject(name) else { return };
        let after = subject.state(&self.probe);
        let place = subject.scope;
        let is_failing = matches!(after, State::Failing(_));
        let new = (is_failing && place.is_none())
            .then(|| if name.is_some() && self.own < self.most() { SubjectScope::Own } else { SubjectScope::Shared });
        self.own += usize::from(new == Some(SubjectScope::Own));
        if let Some(subject) = self.subject_mut(name) {
            subject.scope = place.or(new);
        }
        if before != State::Well || after != State::Well {
            out.push(Changed::now(self.fact(name)));
        }
        if after != State::Well {
            return;
        }
        self.own -= usize::from(place == Some(SubjectScope::Own));
        let Some(subject) = self.subject_mut(name) else { return };
        (subject.scope, subject.failure) = (None, None);
        if subject.tracks.is_empty()
            && let Some(name) = name
        {
            self.failing.remove(name);
        }
    }

    fn subject(&self, name: Option<&Arc<str>>) -> Option<&Subject> {
        name.map_or(Some(&self.rest), |name| self.failing.get(name))
    }

    fn subject_mut(&mut self, name: Option<&Arc<str>>) -> Option<&mut Subject> {
        match name {
            Some(name) => self.failing.get_mut(name),
            None => Some(&mut self.rest),
        }
    }

    /// Forgets what a removed canary saw.
    fn forget(&mut self, canary: &CanaryId, out: &mut Vec<Changed>) {
        if self.lists.remove(canary).is_some() {
            self.changed_lists.insert(canary.clone());
        }
        for name in self.everyone() {
            self.drop_tracks(name.as_ref(), |seer| seer == canary, out);
        }
    }

    /// Drops what some canaries saw of a subject.
    fn drop_tracks(&mut self, name: Option<&Arc<str>>, of: impl Fn(&CanaryId) -> bool, out: &mut Vec<Changed>) {
        let Some(subject) = self.subject(name).filter(|subject| subject.tracks.keys().any(&of)) else { return };
        let before = subject.state(&self.probe);
        if let Some(subject) = self.subject_mut(name) {
            subject.tracks.retain(|canary, _| !of(canary));
        }
        self.changed = true;
        self.tell(name, before, out);
    }

    /// Every subject that is not well, and those that are not told apart.
    fn everyone(&self) -> Vec<Option<Arc<str>>> {
        self.failing.keys().cloned().map(Some).chain([None]).collect()
    }
}

impl Rules for Subjects {
    fn apply(&mut self, to: &PlanContext<'_>, _out: &mut Vec<Changed>) {
        let Some((probe, rule, _)) = to.probe else { return };
        self.rule = Rule { page: PageRule::Consecutive(probe.alert.subject_after), ..*rule };
        self.probe = Arc::clone(probe);
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        let report = run.report;
        if !report.trigger.counts() || !matches!(report.verdict, Verdict::Passed | Verdict::Failed) {
            return;
        }
        let canary = &report.canary.id;
        let found = found(report);
        if found.is_empty() && !self.lists.contains_key(canary) {
            return;
        }
        let sight = Sight { canary, order: report.tick.order, last: run.last(false) };
        let (judged, retired) = self.with_vanished(&found, &sight);
        for name in retired {
            self.drop_tracks(Some(&name), |seer| seer == canary, out);
        }
        let tell = |cause: Option<Cause>| cause.map(|cause| Arc::new(evidence::failure(report, &cause)));
        let mut rest = None;
        for (name, failed) in judged {
            match self.names.learn(&name) {
                Some(name) => self.judge(Some(&name), &sight, tell(failed), out),
                // The first failure stands for all subjects that are not told apart.
                None => rest = rest.filter(Option::is_some).or(Some(failed)),
            }
        }
        if let Some(failed) = rest {
            self.judge(None, &sight, tell(failed), out);
        }
    }

    fn event(&mut self, what: &RuleEvent<'_>, _now: Moment, out: &mut Vec<Changed>) {
        match what {
            RuleEvent::Removed(id) => self.forget(id, out),
            RuleEvent::Missed(_) | RuleEvent::Lost(_) | RuleEvent::Input(_) => {}
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let facts = self.everyone().into_iter().map(|name| self.fact(name.as_ref()));
        facts.filter(|fact| fact.state != State::Well).collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        for name in self.everyone() {
            if self.key(name.as_ref()) == *key {
                self.drop_tracks(name.as_ref(), |_| true, out);
            }
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !RowKind::Subject.is_of(row) {
            return Ok(false);
        }
        self.read(&row.key, &row.json, now)?;
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let lists = self.lists.keys().map(|canary| self.list_row(canary));
        lists.chain([self.subjects_row(now)]).collect()
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        let lists = std::mem::take(&mut self.changed_lists);
        let mut rows: Vec<StateRow> = lists.iter().map(|canary| self.list_row(canary)).collect();
        if std::mem::take(&mut self.changed) {
            rows.push(self.subjects_row(now));
        }
        rows
    }
}

#[cfg(test)]
mod tests;
