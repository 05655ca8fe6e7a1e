//! What is told of a run that something cut: the step that was being made, and the attempt that was under way, so that whoever
//! is paged for a hang reads what hung. Decides nothing; the reason is the caller's.

use std::time::Instant;

use crate::outcome::{AttemptReport, Cause, Reason, StepResult};

use super::environment::Environment;
use super::log::{Flight, Log, keep_attempt};

/// Adds to a cause which step was being made, what of it was under way, and what it saw last.
pub(super) fn at_open_step((env, log): (&Environment, &Log), cause: Cause) -> Cause {
    let mut open = log.open_steps();
    let flights = log.flights();
    let flight_of = |span_id| flights.iter().find(|flight| flight.span_id == span_id);
    // Of entries of a parallel, one that waits for an answer tells more than one that is through.
    let at = open.iter().rposition(|step| flight_of(step.span_id).is_some()).or(open.len().checked_sub(1));
    let Some(open) = at.map(|at| open.swap_remove(at)) else { return cause };
    let flight = flight_of(open.span_id);
    let attempts = open.attempts_made + u32::from(flight.is_some());
    let what = match flight {
        Some(flight) => {
            let detail = flight.of_kind.detail(false, env.redactor());
            format!(" during attempt {attempts}, {}, which was waiting for {}", detail.asked(), flight.of_kind.waiting_for())
        }
        None if attempts > 0 => format!(" after {attempts} attempts"),
        None => String::new(),
    };
    let message = format!("{} in step `{}`{what}", cause.message, open.name);
    let last = match open.result {
        StepResult::Failed(last) | StepResult::Blocked(last) => Some(last),
        StepResult::Passed | StepResult::NotNeeded => None,
    };
    match last {
        Some(last) => Cause {
            reason: cause.reason,
            message: format!("{message}; at last: {}", last.message),
            step: Some(open.name),
            subject: open.subject,
            attempts,
            ..last
        },
        None => Cause { message, step: Some(open.name), subject: open.subject, attempts, ..cause },
    }
}

/// Adds the attempts that were under way when the run was cut, for this reason, to the reports of their steps.
pub(super) fn keep_attempts((env, log): (&Environment, &Log), now: Instant, reason: Reason) {
    for flight in log.take_flights() {
        let attempt = attempt(env, &flight, now, reason);
        log.update(flight.span_id, |report| keep_attempt(report, attempt));
    }
}

fn attempt(env: &Environment, flight: &Flight, now: Instant, reason: Reason) -> AttemptReport {
    AttemptReport {
        span_id: flight.attempt,
        started: env.offset(flight.began),
        duration: now.saturating_duration_since(flight.began),
        detail: Some(flight.of_kind.detail(true, env.redactor())),
        failure: Some((reason, format!("it was cut while it was waiting for {}", flight.of_kind.waiting_for()))),
    }
}
