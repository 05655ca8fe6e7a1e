//! What is reported of a run that was cut: its open step and the attempt under way, so that the page for a hang says what hung.
//! It decides nothing; the caller gives the reason.

use std::time::Instant;

use crate::outcome::{AttemptReport, Cause, Reason, StepResult};

use super::environment::Environment;
use super::log::{Log, OpenAttempt, keep_attempt};

/// Adds to a cause which step was being made, what of it was under way, and what it saw last.
pub(super) fn at_open_step((env, log): (&Environment, &Log), cause: Cause) -> Cause {
    let mut open = log.open_steps();
    let open_attempts = log.open_attempts();
    let open_attempt_of = |span_id| open_attempts.iter().find(|current| current.span_id == span_id);
    // Of the entries of a parallel, one that waits for an answer tells more than one that has ended.
    let at = open.iter().rposition(|step| open_attempt_of(step.span_id).is_some()).or(open.len().checked_sub(1));
    let Some(open) = at.map(|at| open.swap_remove(at)) else { return cause };
    let current = open_attempt_of(open.span_id);
    let attempts = open.attempts_made + u32::from(current.is_some());
    let what = match current {
        Some(current) => {
            let detail = current.of_kind.detail(false, env.redactor());
            format!(" during attempt {attempts}, {}, which was waiting for {}", detail.asked(), current.of_kind.waiting_for())
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
    for open in log.take_open_attempts() {
        let attempt = attempt(env, &open, now, reason);
        log.update(open.span_id, |report| keep_attempt(report, attempt));
    }
}

fn attempt(env: &Environment, open: &OpenAttempt, now: Instant, reason: Reason) -> AttemptReport {
    AttemptReport {
        span_id: open.attempt,
        started: env.offset(open.began),
        duration: now.saturating_duration_since(open.began),
        detail: Some(open.of_kind.detail(true, env.redactor())),
        failure: Some((reason, format!("it was cut while it was waiting for {}", open.of_kind.waiting_for()))),
        alike: 0,
        certificate: None,
    }
}
