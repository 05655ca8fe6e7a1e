//! Whether a run failed without a byte of an answer, so that it may be the prober's own network that is down.
//!
//! Pure: it looks at reports and at attempts that were cut. `self_check` knows whether the network was down; a run that got an
//! answer is judged as usual.

use std::time::{Duration, Instant};

use crate::outcome::{AttemptReport, Reason, StepReport, StepResult};

use super::log::{Log, OpenAttempt};

/// An attempt that is cut before this time could not have been answered yet; then the attempt before it decides.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// Whose failures are looked at. Each part of a run is excused by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunPart {
    /// Those that ended the run.
    Journey,
    /// Those of its subjects.
    Subjects,
}

/// When the last attempt began that failed or was cut; `None` if one of these attempts had a byte of an answer. Attempts whose
/// failure is allowed do not count. The run began at `started`.
pub(super) fn last_attempt(log: &Log, of: RunPart, started: Instant, now: Instant) -> Option<Instant> {
    log.look(|steps, open, open_attempts| last_unanswered(of, (steps, open), open_attempts, started, now))
}

fn last_unanswered(
    of: RunPart,
    (steps, open): (&[StepReport], &[StepReport]),
    open_attempts: &[OpenAttempt],
    started: Instant,
    now: Instant,
) -> Option<Instant> {
    let unanswered_since = |attempt: &AttemptReport| is_unanswered(attempt).then(|| started + attempt.started);
    let is_allowed = |step: &StepReport| {
        step.allow_failure
            || step
                .parent
                .is_some_and(|parent| steps.iter().chain(open).any(|above| above.span_id == parent && above.allow_failure))
    };
    // A parallel has no attempts of its own; its entries have.
    let is_group = |step: &StepReport| steps.iter().chain(open).any(|other| other.parent == Some(step.span_id));
    let failed = steps
        .iter()
        .filter(|step| step.subject.is_some() == (of == RunPart::Subjects))
        .filter(|step| matches!(step.result, StepResult::Failed(_)) && !is_allowed(step) && !is_group(step))
        .map(|step| step.attempts.last().and_then(unanswered_since));
    let cut = open.iter().filter(|step| of == RunPart::Journey && !is_group(step)).map(|step| {
        let current = open_attempts.iter().find(|current| current.span_id == step.span_id);
        match (current, step.attempts.last()) {
            (Some(current), _) if current.of_kind.has_answer() => None,
            (Some(current), Some(last)) if now.saturating_duration_since(current.began) < TIME_TO_ANSWER => {
                unanswered_since(last)
            }
            (Some(current), _) => Some(current.began),
            (None, last) => last.and_then(unanswered_since),
        }
    });
    let began: Option<Vec<Instant>> = failed.chain(cut).collect();
    began?.into_iter().max()
}

/// Whether an attempt ended without a byte of an answer, for a reason that a cut network gives.
fn is_unanswered(attempt: &AttemptReport) -> bool {
    let reason = attempt.failure.as_ref().map(|(reason, _)| *reason);
    let lost = matches!(reason, Some(Reason::Dns | Reason::Connect | Reason::Tls | Reason::Timeout));
    lost && attempt.detail.as_ref().is_none_or(|detail| !detail.is_answered())
}
