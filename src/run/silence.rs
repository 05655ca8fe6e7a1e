//! Whether a run failed without a byte of an answer, so that it may be the prober's own network that is down.
//!
//! Pure: looks at reports and at attempts that were cut. Whether it was the network is asked elsewhere; whatever got an answer
//! is judged as usual.

use std::time::{Duration, Instant};

use crate::outcome::{AttemptReport, Reason, StepReport, StepResult};

use super::log::{Flight, Log};

/// An attempt that is younger than this when it is cut has not had the time to be answered: of it, the attempt before it tells.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// Whose failures are looked at: each excuse is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Those that ended the run.
    Journey,
    /// Those of its subjects.
    Subjects,
}

/// When the last attempt of a run began that counts and failed or was cut, if none of those had a byte of an answer. The run began
/// at `started`; its subjects and everything else are looked at apart.
pub(super) fn unanswered(log: &Log, of: Part, started: Instant, now: Instant) -> Option<Instant> {
    log.look(|steps, open, flights| last_silent(of, (steps, open), flights, started, now))
}

fn last_silent(
    of: Part,
    (steps, open): (&[StepReport], &[StepReport]),
    flights: &[Flight],
    started: Instant,
    now: Instant,
) -> Option<Instant> {
    let silent = |attempt: &AttemptReport| is_silent(attempt).then(|| started + attempt.started);
    let forgiven = |step: &StepReport| {
        step.allow_failure
            || step
                .parent
                .is_some_and(|parent| steps.iter().chain(open).any(|above| above.span_id == parent && above.allow_failure))
    };
    // A parallel has no attempts of its own: its entries tell.
    let is_group = |step: &StepReport| steps.iter().chain(open).any(|other| other.parent == Some(step.span_id));
    let failed = steps
        .iter()
        .filter(|step| step.subject.is_some() == (of == Part::Subjects))
        .filter(|step| matches!(step.result, StepResult::Failed(_)) && !forgiven(step) && !is_group(step))
        .map(|step| step.attempts.last().and_then(silent));
    let cut = open.iter().filter(|step| of == Part::Journey && !is_group(step)).map(|step| {
        let flight = flights.iter().find(|flight| flight.span_id == step.span_id);
        match (flight, step.attempts.last()) {
            (Some(flight), _) if flight.of_kind.has_answer() => None,
            (Some(flight), Some(last)) if now.saturating_duration_since(flight.began) < TIME_TO_ANSWER => silent(last),
            (Some(flight), _) => Some(flight.began),
            (None, last) => last.and_then(silent),
        }
    });
    let began: Option<Vec<Instant>> = failed.chain(cut).collect();
    began?.into_iter().max()
}

/// Whether an attempt ended without a byte of an answer, for a reason that a cut network gives.
fn is_silent(attempt: &AttemptReport) -> bool {
    let reason = attempt.failure.as_ref().map(|(reason, _)| *reason);
    let lost = matches!(reason, Some(Reason::Dns | Reason::Connect | Reason::Tls | Reason::Timeout));
    lost && attempt.detail.as_ref().is_none_or(|detail| !detail.is_answered())
}
