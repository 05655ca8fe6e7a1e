//! What is known of a creation: whether a step with a cleanup made something, and whether its answer ever came.
//!
//! Owns which answers say that nothing was created, and when a cleanup that finds nothing has to be repeated. What undoes is in
//! `cleanup`, what is written down in `ledger`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{AttemptDetail, LedgerEntry, StepReport, StepResult};

use super::attempt::JudgedAttempt;
use super::compute::compute;
use super::context::{Execution, Sight};
use super::environment::Environment;
use super::scope::Names;
use super::step::{Answer, Creation};
use super::step_context::Captures;
use super::undo::{Created, CreationStatus};

/// Cleanups that must pass before a creation whose answer never came counts as undone: at once, and after one and five minutes.
const PASSES: u32 = 3;

/// How long after its run's deadline a creation may still come. After that one cleanup that passes is enough.
const SETTLED: Duration = Duration::from_mins(10);

/// What one attempt may have created.
pub(super) fn by(execution: &Execution<'_>, attempt: &JudgedAttempt) -> CreationStatus {
    let transport = attempt.failure.as_ref().and_then(|failure| failure.transport);
    match (&attempt.answer, transport) {
        (Some(answer), _) if refused(execution, &attempt.sight, answer) => CreationStatus::NOTHING,
        (Some(answer), _) => CreationStatus { created: Created::Maybe, cut: answer.creation() == Creation::Unknown },
        (None, Some(transport)) if transport.sent => CreationStatus::SENT,
        (None, Some(_)) => CreationStatus::NOTHING,
        (None, None) => CreationStatus { created: Created::Maybe, cut: false },
    }
}

/// Whether the target said that it created nothing. What cannot be evaluated says nothing.
fn refused(execution: &Execution<'_>, sight: &Sight, answer: &Arc<dyn Answer>) -> bool {
    answer.creation() == Creation::Refused
        || execution
            .step
            .unless_created
            .as_ref()
            .is_some_and(|unless| compute(answer.bytes(), || unless.judge(&execution.scope_with(sight, answer)).held == Ok(true)))
}

/// An attempt that may have created something.
pub(super) struct Creator {
    pub(super) sight: Sight,
    pub(super) answer: Option<Arc<dyn Answer>>,
}

/// Notes a failed creation. Captures are taken as far as the answer has them, so that what was created can still be undone. Whether there
/// were any.
pub(super) fn settle_failed(execution: &Execution<'_>, made: CreationStatus, creator: Option<&Creator>) -> bool {
    if execution.step.cleanup.is_empty() {
        return false;
    }
    let Some(Creator { sight, answer }) = creator else {
        execution.context.log.settle(execution.span_id, made, None);
        return false;
    };
    let mut captures = Vec::new();
    if let Some(answer) = answer {
        captures = compute(answer.bytes(), || {
            let scope = execution.scope_with(sight, answer);
            let captures = execution.step.capture.iter();
            captures.filter_map(|(name, expression)| Some((Arc::clone(name), expression.eval(&scope).ok()?))).collect()
        });
    }
    settle(execution, made, &captures);
    !captures.is_empty()
}

/// Notes what is known of a creation now that an attempt at it is over, and what that captured.
pub(super) fn settle(execution: &Execution<'_>, made: CreationStatus, captures: &Captures) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut names: Names = Arc::clone(execution.names);
    Arc::make_mut(&mut names).extend(captures.iter().cloned());
    let context = execution.context;
    let entry = context.log.settle(execution.span_id, made, Some(Arc::clone(&names)));
    if let (Some(entry), Some(ledger)) = (entry, &context.ledger)
        && (made.created == Created::Yes || made.created == Created::Maybe && !captures.is_empty())
    {
        ledger.created(&context.env, &entry, &names);
    }
}

/// Whether the creation of an entry may still come after a cleanup that passes at `now`.
pub(super) fn is_open(env: &Environment, entry: &LedgerEntry, now: SystemTime) -> bool {
    let unanswered = !entry.created || entry.passed > 0;
    let age = now.duration_since(env.facts.started()).unwrap_or_default();
    unanswered && entry.passed + 1 < PASSES && age < env.canary.probe.deadline + SETTLED
}

/// Whether the failed steps of a cleanup say that there is nothing to undo: the target refused each of them, for another reason
/// than lack of access or time.
pub(super) fn found_nothing(steps: &[StepReport]) -> bool {
    let mut failed = steps.iter().filter(|step| matches!(step.result, StepResult::Failed(_))).peekable();
    let is_about_nothing = |step: &StepReport| {
        let last = step.attempts.last().and_then(|attempt| attempt.detail.as_ref());
        last.is_some_and(AttemptDetail::is_about_nothing)
    };
    failed.peek().is_some() && failed.all(is_about_nothing)
}
