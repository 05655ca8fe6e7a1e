//! What is known of a creation: whether a step with a cleanup made something, and whether its answer ever came.
//!
//! Owns which answers say that nothing was created, and when a cleanup that finds nothing proves nothing yet. What undoes is in
//! `cleanup`, what is written down in `journal`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{AttemptDetail, LedgerEntry, StepReport, StepResult};

use super::attempt::Attempt;
use super::context::Execution;
use super::environment::Environment;
use super::opening::Captures;
use super::scope::Names;
use super::step::{Answer, Creation};
use super::think::think;
use super::undo::{Created, Made};

/// Cleanups that must pass before a creation whose answer never came counts as undone: at once, and after one and five minutes.
const PASSES: u32 = 3;

/// How long after the end of its run's deadline a creation cannot come any more, so that one cleanup that passes is enough.
const SETTLED: Duration = Duration::from_mins(10);

/// What one attempt may have created.
pub(super) fn by(execution: &Execution<'_>, attempt: &Attempt) -> Made {
    let transport = attempt.failure.as_ref().and_then(|failure| failure.transport);
    match (&attempt.answer, transport) {
        (Some(answer), _) if refused(execution, answer) => Made::NOTHING,
        (Some(answer), _) => Made { created: Created::Maybe, cut: answer.creation() == Creation::Unknown },
        (None, Some(transport)) if transport.sent => Made::SENT,
        (None, Some(_)) => Made::NOTHING,
        (None, None) => Made { created: Created::Maybe, cut: false },
    }
}

/// Whether the target said that it created nothing. What cannot be evaluated says nothing.
fn refused(execution: &Execution<'_>, answer: &Arc<dyn Answer>) -> bool {
    answer.creation() == Creation::Refused
        || execution
            .step
            .unless_created
            .as_ref()
            .is_some_and(|unless| think(answer.bytes(), || unless.judge(&execution.scope_with(answer)).held == Ok(true)))
}

/// After a failed creation, captures are taken where the answer allows it, so that what was made can still be undone.
pub(super) fn settle_failed(execution: &Execution<'_>, made: Made, answer: Option<&Arc<dyn Answer>>) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut captures = Vec::new();
    if let Some(answer) = answer {
        captures = think(answer.bytes(), || {
            let scope = execution.scope_with(answer);
            let captures = execution.step.capture.iter();
            captures.filter_map(|(name, expression)| Some((Arc::clone(name), expression.eval(&scope).ok()?))).collect()
        });
    }
    settle(execution, made, &captures);
}

/// Notes what is known of a step's creation now that its last attempt is over.
pub(super) fn settle(execution: &Execution<'_>, made: Made, captures: &Captures) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut names: Names = Arc::clone(execution.names);
    Arc::make_mut(&mut names).extend(captures.iter().cloned());
    let context = execution.context;
    let entry = context.log.settle(execution.span_id, made, Some(Arc::clone(&names)));
    if let (Some(entry), Some(journal)) = (entry, &context.journal)
        && (made.created == Created::Yes || made.created == Created::Maybe && !captures.is_empty())
    {
        journal.created(&context.env, &entry, &names);
    }
}

/// Whether a cleanup that passes at `now` leaves it open if the creation of an entry is still to come.
pub(super) fn is_open(env: &Environment, entry: &LedgerEntry, now: SystemTime) -> bool {
    let unanswered = !entry.created || entry.passed > 0;
    let age = now.duration_since(env.facts.started()).unwrap_or_default();
    unanswered && entry.passed + 1 < PASSES && age < env.canary.probe.deadline + SETTLED
}

/// Whether the steps of a cleanup failed only because the target refused them, other than for want of access or time: after a
/// cleanup that passed, that says that nothing is there.
pub(super) fn found_nothing(steps: &[StepReport]) -> bool {
    let mut failed = steps.iter().filter(|step| matches!(step.result, StepResult::Failed(_))).peekable();
    let is_about_nothing = |step: &StepReport| {
        let last = step.attempts.last().and_then(|attempt| attempt.detail.as_ref());
        last.is_some_and(AttemptDetail::is_about_nothing)
    };
    failed.peek().is_some() && failed.all(is_about_nothing)
}
