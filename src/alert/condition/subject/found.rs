//! What a run says of subjects: which it found, which of them failed, which loops it went through.

use std::sync::Arc;

use crate::outcome::{Cause, Reason, RunReport, StepReport, StepResult, Verdict};
use crate::plan::{Step, journey};

use super::super::count::{contains, went_to_its_end};
use super::super::evidence;

/// Longest name of a subject, in characters.
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
    /// Subjects in order, each with its result if there is one.
    pub(super) subjects: Vec<(Arc<str>, Option<SubjectResult>)>,
    /// Whether the loop ran to its end, so that a subject that is not in it is gone.
    pub(super) complete: bool,
}

/// How a subject ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SubjectResult {
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

    /// Each subject once, with the first of its failures.
    pub(super) fn results(&self) -> Vec<(Arc<str>, Option<Cause>)> {
        let mut places = std::collections::HashMap::new();
        let mut results: Vec<(Arc<str>, Option<Cause>)> = Vec::new();
        for (name, ended) in self.loops.iter().flat_map(|found| &found.subjects) {
            let cause = match ended {
                Some(SubjectResult::Well) => None,
                Some(SubjectResult::Failed(cause)) => Some(cause.clone()),
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

/// The name; a long one is cut and gets a hash.
fn short(name: &str) -> Arc<str> {
    match name.char_indices().nth(LETTERS) {
        Some(_) => format!("{} {:016x}", evidence::cut(name, LETTERS - 17), evidence::hash(name)).into(),
        None => name.into(),
    }
}

/// The result of a subject in one round of the loop.
fn ended(round: &StepReport) -> Option<SubjectResult> {
    match &round.result {
        StepResult::Passed => Some(SubjectResult::Well),
        StepResult::Failed(cause) if !round.allow_failure && is_its_own(cause) => Some(SubjectResult::Failed(cause.clone())),
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

/// Whether the run went on after the loop or ended with it.
fn went_through(report: &RunReport, step: &Step, empty: bool) -> bool {
    let place = |name: &str| report.canary.probe.steps.iter().position(|step| contains(step, name));
    match &report.cause {
        None => report.verdict == Verdict::Passed,
        // The run went on after failed subjects: to its end, or to a step after the loop.
        Some(cause) if cause.reason == Reason::Subject => {
            let behind = |made: &StepReport| !empty && place(&made.name) > place(&step.name);
            went_to_its_end(report) || report.steps.iter().any(behind)
        }
        Some(_) if empty => false,
        Some(cause) => cause.step.as_deref().is_some_and(|ended| place(ended) > place(&step.name)),
    }
}
