//! What becomes of an attempt when the window of its `eventually` ends.
//!
//! "Within two seconds" means it: only an answer that was there by then holds. When another attempt is made is decided in `polling`.

use std::time::Instant;

use crate::base::time::whole_millis;
use crate::outcome::{Cause, Reason, StepResult, Verdict};

use super::attempt::{Failure, JudgedAttempt};
use super::compute::compute;
use super::context::Execution;
use super::environment::held_against;
use super::judge;
use super::polling::Next;
use super::stall::Bound;

/// The window, if there is one, has closed. The last attempt's reason stays, unless this process stood still meanwhile. A value
/// that was missing is what was waited for, so that the reason is then `expectation` and not `not_evaluable`.
pub(super) fn closed(execution: &Execution<'_>, mut attempt: JudgedAttempt, window: Option<&Bound<'_>>) -> JudgedAttempt {
    let Some(window) = window else { return attempt };
    if let Some(failure) = &mut attempt.failure
        && Verdict::of(failure.cause.reason) == Verdict::Failed
    {
        let was_absent = failure.cause.reason == Reason::NotEvaluable
            && attempt.answer.as_ref().is_some_and(|answer| {
                let scope = execution.scope_with(&attempt.sight, answer);
                let missed =
                    execution.step.expect.iter().find(|expect| failure.cause.location.as_ref() == Some(expect.location()));
                missed.is_some_and(|missed| compute(answer.bytes(), || missed.lacks_a_value(&scope)))
            });
        let reason = if was_absent { Reason::Expectation } else { failure.cause.reason };
        let (reason, stalled) = held_against(reason, window, attempt.ended);
        failure.cause.reason = reason;
        let window = described(execution, window, attempt.ended);
        judge::retell(&mut failure.cause, &execution.step.expect, |last| {
            format!("it did not hold within {window}; at last: {last}{stalled}")
        });
        set_cause(execution, &failure.cause);
    }
    attempt
}

/// A subject polls only while its share of the deadline lasts.
pub(super) fn shared(execution: &Execution<'_>, next: Next, now: Instant) -> Next {
    let stalled = |since| execution.context.env.stalls.stalled_between(since, now);
    execution.share.map_or(next, |share| share.bounded(next, stalled, now))
}

/// The window for people, or the share of the deadline that was shorter.
fn described(execution: &Execution<'_>, window: &Bound<'_>, now: Instant) -> String {
    let within = humantime::format_duration(window.lasting());
    let stalled = |since| execution.context.env.stalls.stalled_between(since, now);
    match execution.share.and_then(|share| share.used_up(stalled, now)).filter(|share| *share < window.lasting()) {
        Some(share) => {
            let share = humantime::format_duration(whole_millis(share));
            format!(
                "the {share} that are its share of the run's deadline (`within` is {within}; `at_once` or a longer `deadline` gives more)"
            )
        }
        None => within.to_string(),
    }
}

/// The attempt held, but its answer came after the window.
pub(super) fn held_late(execution: &Execution<'_>, mut attempt: JudgedAttempt, window: &Bound<'_>) -> JudgedAttempt {
    let (context, step) = (execution.context, execution.step);
    let late = humantime::format_duration(whole_millis(attempt.ended.saturating_duration_since(window.end(attempt.ended))));
    let within = humantime::format_duration(window.lasting());
    let (reason, stalled) = held_against(Reason::Expectation, window, attempt.ended);
    let message = format!("it held, but only {late} after the {within} in which it should have{stalled}");
    let cause = context.env.cause(reason, Some(&step.name), &message);
    set_cause(execution, &cause);
    attempt.failure = Some(Failure { cause, is_lasting: false, transport: None });
    attempt
}

/// The step's report, and that of its last attempt, have the same cause as the run.
fn set_cause(execution: &Execution<'_>, cause: &Cause) {
    execution.context.log.update(execution.span_id, |report| {
        if let Some(last) = report.attempts.last_mut() {
            last.failure = Some((cause.reason, cause.message.clone()));
        }
        report.result = StepResult::Failed(cause.clone());
    });
}
