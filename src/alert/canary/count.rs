//! What a run counts as for its canary: the verdict table's column *failure streak*.
//!
//! A run of which only subjects failed pages under the subjects' keys and adds nothing to the canary's streak. Its journey
//! ended at the loop. If nothing was to come after the loop, nothing else is wrong, and the run is as good as passed for the
//! canary; otherwise what comes after is not known, and the run neither counts nor resets.

use crate::outcome::{Reason, RunReport, StepReport, StepResult, Verdict};
use crate::plan::{Action, Step};

use super::{Passage, counts};

/// What a run counts as for its canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A pass.
    Pass,
    /// A failure of the probe itself.
    Failure,
    /// A result that says nothing of the probe itself: only subjects failed, and there were steps to come.
    Result,
    /// No result: `errored`, `missed`, `blocked`, `skipped`.
    NoResult,
    /// It was made by hand or by `serinus test`.
    Never,
}

impl Count {
    /// What a run counts as.
    pub fn of(report: &RunReport) -> Self {
        if !counts(report.trigger) {
            return Self::Never;
        }
        match report.verdict {
            Verdict::Passed => Self::Pass,
            Verdict::Failed if !only_subjects(report) => Self::Failure,
            Verdict::Failed if nothing_was_to_come(report) => Self::Pass,
            Verdict::Failed => Self::Result,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Self::NoResult,
        }
    }

    /// What it is in a course of counted runs.
    pub(super) fn passage(self) -> Option<Passage> {
        match self {
            Self::Pass => Some(Passage::Passed),
            Self::Failure => Some(Passage::Failed),
            Self::Result => Some(Passage::Neither),
            Self::NoResult | Self::Never => None,
        }
    }
}

/// Whether nothing but subjects failed. Entries released together may fail for both reasons, and the run's cause names one.
fn only_subjects(report: &RunReport) -> bool {
    let failed_otherwise = |step: &StepReport| match &step.result {
        StepResult::Failed(cause) => !step.allow_failure && step.subject.is_none() && cause.reason != Reason::Subject,
        StepResult::Passed | StepResult::NotNeeded | StepResult::Blocked(_) => false,
    };
    report.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Subject) && !report.steps.iter().any(failed_otherwise)
}

/// Whether the step that ended the run was the last of the journey.
fn nothing_was_to_come(report: &RunReport) -> bool {
    let ended_at = report.cause.as_ref().and_then(|cause| cause.step.as_deref());
    let last = report.canary.probe.steps.last();
    ended_at.is_some_and(|name| last.is_some_and(|step| contains(step, name)))
}

/// Whether this is the step of that name, or one of its parallel entries is.
pub(in crate::alert) fn contains(step: &Step, name: &str) -> bool {
    let inside = match &step.action {
        Action::Http(_) => false,
        Action::Parallel(entries) => entries.iter().any(|entry| contains(entry, name)),
    };
    inside || *step.name == *name
}
