//! What is told of a run that something cut: the step that was being made, and the attempt that was under way, so that whoever
//! is paged for a hang reads what hung. Decides nothing; the reason is the caller's.

use std::time::Instant;

use crate::outcome::{AttemptReport, Cause, Reason, StepResult};

use super::context::Context;
use super::state::Flight;

/// Adds to a cause which step was being made, what of it was under way, and what it saw last.
pub(super) fn at_open_step(context: &Context, cause: Cause) -> Cause {
    let mut open = context.state.open_steps();
    let flights = context.state.flights();
    let flight_of = |span_id| flights.iter().find(|flight| flight.span_id == span_id);
    // Of entries of a parallel, one that waits for an answer tells more than one that is through.
    let at = open.iter().rposition(|step| flight_of(step.span_id).is_some()).or(open.len().checked_sub(1));
    let Some(open) = at.map(|at| open.swap_remove(at)) else { return cause };
    let flight = flight_of(open.span_id);
    let attempts = open.attempts_made + u32::from(flight.is_some());
    let what = match flight {
        Some(flight) => {
            let cut = flight.underway.cut(&flight.request, context.redactor());
            let asked = format!("{} {}", cut.answer.method, cut.answer.url);
            format!(" during attempt {attempts}, {asked}, which was waiting for {}", cut.waiting_for)
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
pub(super) fn keep_attempts(context: &Context, now: Instant, reason: Reason) {
    for flight in context.state.take_flights() {
        let attempt = attempt(context, &flight, now, reason);
        context.state.update(flight.span_id, |report| super::state::keep_attempt(report, attempt));
    }
}

fn attempt(context: &Context, flight: &Flight, now: Instant, reason: Reason) -> AttemptReport {
    let cut = flight.underway.cut(&flight.request, context.redactor());
    AttemptReport {
        span_id: flight.attempt,
        started: context.offset(flight.began),
        duration: now.saturating_duration_since(flight.began),
        http: Some(cut.answer),
        exchange: Some(Box::new(cut.exchange)),
        failure: Some((reason, format!("it was cut while it was waiting for {}", cut.waiting_for))),
    }
}
