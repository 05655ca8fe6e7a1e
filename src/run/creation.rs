//! What is known of a creation: whether a step with a cleanup made something, and whether its answer ever came.
//!
//! Owns which answers say that nothing was created, and when a cleanup that finds nothing proves nothing yet. What undoes is in
//! `cleanup`, what is written down in `journal`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{LedgerEntry, StepReport, StepResult};

use super::attempt::Attempt;
use super::context::Context;
use super::exchange::Execution;
use super::scope::Names;
use super::sequence::Captures;
use super::step::http::HttpResponse;
use super::think::think;

/// Cleanups that must pass before a creation whose answer never came counts as undone: at once, and after one and five minutes.
const PASSES: u32 = 3;

/// How long after the end of its run's deadline a creation cannot come any more, so that one cleanup that passes is enough.
const SETTLED: Duration = Duration::from_mins(10);

/// Whether a step with a cleanup created something. Of several attempts the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Created {
    /// No byte was sent, or the target said no: with a 4xx, or so that `unless_created` holds.
    No,
    /// The request may have left; what it created cannot be named for certain.
    Maybe,
    /// Its captures are known.
    Yes,
}

/// What is known of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    /// Whether there is something.
    pub(super) created: Created,
    /// Whether an attempt was cut before its answer came, so that what it creates may still come.
    pub(super) cut: bool,
}

impl Made {
    /// Nothing was sent.
    pub(super) const NOTHING: Self = Self { created: Created::No, cut: false };

    /// The request is about to leave, and no answer has come.
    pub(super) const SENT: Self = Self { created: Created::Maybe, cut: true };

    /// Of several attempts.
    pub(super) fn and(self, other: Self) -> Self {
        Self { created: self.created.max(other.created), cut: self.cut || other.cut }
    }

    /// What one attempt may have created.
    pub(super) fn by(execution: &Execution<'_>, attempt: &Attempt) -> Self {
        let transport = attempt.failure.as_ref().and_then(|failure| failure.transport);
        match (&attempt.response, transport) {
            (Some(response), _) if refused(execution, response) => Self::NOTHING,
            // The gateway says that it got no answer itself.
            (Some(response), _) => Self { created: Created::Maybe, cut: matches!(response.status, 502 | 504) },
            (None, Some(transport)) if transport.sent => Self::SENT,
            (None, Some(_)) => Self::NOTHING,
            (None, None) => Self { created: Created::Maybe, cut: false },
        }
    }
}

/// Whether the target said that it created nothing. What cannot be evaluated says nothing.
fn refused(execution: &Execution<'_>, response: &Arc<HttpResponse>) -> bool {
    (400..500).contains(&response.status)
        || execution.step.unless_created.as_ref().is_some_and(|unless| {
            think(response.body.len(), || unless.judge(&execution.context.scope_with(execution.names, response)).held == Ok(true))
        })
}

/// After a failed creation, captures are taken where the answer allows it, so that what was made can still be undone.
pub(super) fn settle_failed(execution: &Execution<'_>, made: Made, response: Option<&Arc<HttpResponse>>) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut captures = Vec::new();
    if let Some(response) = response {
        captures = think(response.body.len(), || {
            let scope = execution.context.scope_with(execution.names, response);
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
    let entry = context.state.settle(execution.span_id, made, Some(Arc::clone(&names)));
    if let (Some(entry), Some(journal)) = (entry, &context.journal)
        && (made.created == Created::Yes || made.created == Created::Maybe && !captures.is_empty())
    {
        journal.created(context, &entry, &names);
    }
}

/// Whether a cleanup that passes at `now` leaves it open if the creation of an entry is still to come.
pub(super) fn is_open(context: &Context, entry: &LedgerEntry, now: SystemTime) -> bool {
    let unanswered = !entry.created || entry.passed > 0;
    let age = now.duration_since(context.facts.started()).unwrap_or_default();
    unanswered && entry.passed + 1 < PASSES && age < context.canary.probe.deadline + SETTLED
}

/// Whether the steps of a cleanup failed only because the target refused them, other than for want of access or time: after a
/// cleanup that passed, that says that nothing is there.
pub(super) fn found_nothing(steps: &[StepReport]) -> bool {
    let mut failed = steps.iter().filter(|step| matches!(step.result, StepResult::Failed(_))).peekable();
    let refused = |step: &StepReport| {
        let status = step.attempts.last().and_then(|attempt| attempt.http.as_ref()?.status);
        status.is_some_and(|status| (400..500).contains(&status) && ![401, 407, 408, 425, 429].contains(&status))
    };
    failed.peek().is_some() && failed.all(refused)
}
