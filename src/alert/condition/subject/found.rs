//! What a run says of subjects: which it found, which of them failed, which loops it went through.

use std::sync::Arc;

use crate::outcome::{Cause, Reason, RunReport, StepReport, StepResult, Verdict};
use crate::plan::{Step, journey};

use super::super::count::{contains, went_to_its_end};
use super::super::evidence;

/// Most letters of a subject's name that are kept.
const LETTERS: usize = 200;

/// What a run found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Every loop with subjects.
    pub(super) loops: Vec<FoundLoop>,
}

/// What a loop found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundLoop {
    /// The step.
    pub(super) step: Arc<str>,
    /// Subjects in their order; how they ended, if that says something of them.
    pub(super) subjects: Vec<(Arc<str>, Option<Ended>)>,
    /// Whether it was gone through to the end, so that who is not in it is not there.
    pub(super) complete: bool,
}

/// How a subject ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It passed.
    Well,
    /// It failed.
    Failed(Cause),
}

impl Found {
    /// Whether there is nothing to be known of subjects.
    pub(super) fn is_empty(&self) -> bool {
        self.loops.iter().all(|found| found.subjects.is_empty())
    }

    /// Each subject that ended once, with the first of its failures.
    pub(super) fn results(&self) -> Vec<(Arc<str>, Option<Cause>)> {
        let mut places = std::collections::HashMap::new();
        let mut results: Vec<(Arc<str>, Option<Cause>)> = Vec::new();
        for (name, ended) in self.loops.iter().flat_map(|found| &found.subjects) {
            let cause = match ended {
                Some(Ended::Well) => None,
                Some(Ended::Failed(cause)) => Some(cause.clone()),
                None => continue,
            };
            let place = *places.entry(Arc::clone(name)).or_insert(results.len());
            match results.get_mut(place) {
                Some((_, known)) => *known = known.take().or(cause),
                None => results.push((Arc::clone(name), cause)),
            }
        }
        results
    }
}

/// What a counted run found.
pub(super) fn found(report: &RunReport) -> Found {
    let steps = with_subjects(&report.canary.probe.steps);
    Found { loops: steps.map(|step| found_loop(report, step)).collect() }
}

fn with_subjects(steps: &[Step]) -> impl Iterator<Item = &Step> {
    journey(steps).filter(|step| step.subject.is_some())
}

/// Whether any of the steps has subjects.
pub(super) fn has_subjects(steps: &[Step]) -> bool {
    with_subjects(steps).next().is_some()
}

fn found_loop(report: &RunReport, step: &Step) -> FoundLoop {
    let rounds: Vec<&StepReport> = report.steps.iter().filter(|round| round.name == step.name).collect();
    let subjects = rounds.iter().filter_map(|round| Some((short(round.subject.as_deref()?), ended(round)))).collect();
    let whole = rounds.iter().all(|round| round.subject.is_some() && went_on(round));
    let complete = whole && went_through(report, step, rounds.is_empty());
    FoundLoop { step: Arc::clone(&step.name), subjects, complete }
}

/// A name that is too long is cut, and kept apart from others by a hash of the whole.
fn short(name: &str) -> Arc<str> {
    match name.char_indices().nth(LETTERS) {
        Some(_) => format!("{} {:016x}", evidence::cut(name, LETTERS - 17), evidence::hash(name)).into(),
        None => name.into(),
    }
}

/// What the end of a round says of its subject.
fn ended(round: &StepReport) -> Option<Ended> {
    match &round.result {
        StepResult::Passed => Some(Ended::Well),
        StepResult::Failed(cause) if !round.allow_failure && is_its_own(cause) => Some(Ended::Failed(cause.clone())),
        StepResult::Failed(_) | StepResult::NotNeeded | StepResult::Blocked(_) => None,
    }
}

/// Whether the loop went on after a round.
fn went_on(round: &StepReport) -> bool {
    match &round.result {
        StepResult::Passed => true,
        StepResult::Failed(cause) => is_its_own(cause),
        StepResult::NotNeeded | StepResult::Blocked(_) => false,
    }
}

/// Whether a subject itself failed, and not the run around it or the prober.
fn is_its_own(cause: &Cause) -> bool {
    Verdict::of(cause.reason) == Verdict::Failed && cause.reason != Reason::Deadline
}

/// Whether the run got behind a loop, or to its end.
fn went_through(report: &RunReport, step: &Step, empty: bool) -> bool {
    let place = |name: &str| report.canary.probe.steps.iter().position(|step| contains(step, name));
    match &report.cause {
        None => report.verdict == Verdict::Passed,
        // Of subjects the run went on: to its end, or to a step behind the loop.
        Some(cause) if cause.reason == Reason::Subject => {
            let behind = |made: &StepReport| !empty && place(&made.name) > place(&step.name);
            went_to_its_end(report) || report.steps.iter().any(behind)
        }
        Some(_) if empty => false,
        Some(cause) => cause.step.as_deref().is_some_and(|ended| place(ended) > place(&step.name)),
    }
}
