//! What a run counts as for its canary, as in the column *failure streak* of the verdict table.
//!
//! A run in which only subjects failed pages for the subjects and never adds to the canary's streak. If its journey went to the
//! end, nothing else is wrong and the run counts as passed. If the journey was broken off by something that is no failure (a
//! blocked guard, a fault of the prober), the later steps are unknown and the run neither counts nor resets.

use crate::outcome::{Reason, RunReport, StepReport, StepResult, Trigger, Verdict};
use crate::plan::Step;

/// What a run counts as for its canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A pass.
    Pass,
    /// A failure of the probe itself.
    Failure,
    /// Only subjects failed and the journey was broken off, so nothing is known of the probe itself.
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
            Verdict::Failed if went_to_its_end(report) => Self::Pass,
            Verdict::Failed => Self::Result,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Self::NoResult,
        }
    }

    /// Whether it failed, if it counts for the canary.
    pub fn failed(self) -> Option<bool> {
        match self {
            Self::Pass => Some(false),
            Self::Failure => Some(true),
            Self::Result | Self::NoResult | Self::Never => None,
        }
    }
}

/// Whether runs with this trigger count at all.
pub(super) fn counts(trigger: Trigger) -> bool {
    match trigger {
        Trigger::Schedule | Trigger::Confirm | Trigger::Needed => true,
        Trigger::Manual | Trigger::Test => false,
    }
}

/// Whether a run was brought forward because what needs its probe failed.
pub(super) fn is_needed(trigger: Trigger) -> bool {
    match trigger {
        Trigger::Needed => true,
        Trigger::Schedule | Trigger::Confirm | Trigger::Manual | Trigger::Test => false,
    }
}

/// Whether nothing but subjects failed: any other failure is the run's reason.
pub(super) fn only_subjects(report: &RunReport) -> bool {
    report.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Subject)
}

/// Whether a run in which only subjects failed went to the end of its journey: no step was blocked, none failed by the prober's
/// fault, and no failed step was excused.
pub(super) fn went_to_its_end(report: &RunReport) -> bool {
    let forgiven = |step: &StepReport| {
        step.allow_failure || report.steps.iter().any(|above| step.parent == Some(above.span_id) && above.allow_failure)
    };
    let broken_off = |step: &StepReport| match &step.result {
        StepResult::Passed | StepResult::NotNeeded => false,
        StepResult::Blocked(_) => true,
        StepResult::Failed(cause) if Verdict::of(cause.reason) != Verdict::Failed => true,
        StepResult::Failed(_) => step.subject.is_none() && !forgiven(step),
    };
    !report.steps.iter().any(broken_off)
}

/// Whether this is the step of that name, or one of its parallel entries is.
pub(super) fn contains(step: &Step, name: &str) -> bool {
    step.with_entries().any(|step| *step.name == *name)
}
