//! The attempts of one execution of a step, one after the other: each is filled in anew, and sees its own number and what those before
//! it have handed on.
//!
//! Owns what lasts from attempt to attempt: how many there were, what they handed on, and what all but the last may have created. When
//! there is another one is decided in `polling`.
//!
//! What a step with a cleanup sends must be known to whoever undoes it. So a new intent is written down before an attempt that would
//! create something else than the one before it, and the earlier intent is settled with what was sent under it.

use std::time::{Duration, Instant};

use crate::outcome::{Cause, Reason, SpanId, StepResult, Verdict};

use super::attempt::{self, JudgedAttempt};
use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::{Execution, FilledIn, Sight};
use super::creation::{self, Creator};
use super::handed_on::HandedOn;
use super::ledger;
use super::scope::Names;
use super::step_context::Captures;
use super::undo::{Created, CreationStatus};

/// Creations of one execution that are written down and undone each for itself.
const MOST_INTENTS: u32 = 100;

/// The attempts of an execution.
pub(super) struct Series<'e, 'a> {
    pub(super) execution: &'e Execution<'a>,
    /// Attempts made.
    pub(super) made: u32,
    /// What they may have created under the present intent.
    created: CreationStatus,
    /// The last of them that may have created something; one with an answer before one without, as captures are taken from it.
    creator: Option<Creator>,
    /// The present intent, of a step with a cleanup.
    undo: SpanId,
    /// Whether each attempt is a creation of its own, which only its captures tell from the others.
    draws: bool,
    /// Whether the cleanup can tell what attempts with other carried values created.
    tells: bool,
    /// Intents written down.
    intents: u32,
    /// How long they waited for the ledger, which is not held against the target.
    pub(super) waited: Duration,
    /// What the last attempt was handed.
    sent: HandedOn,
    /// What the next attempt would see.
    pub(super) handed_on: HandedOn,
}

impl<'e, 'a> Series<'e, 'a> {
    /// One of which nothing was made.
    pub(super) fn new(execution: &'e Execution<'a>, handed_on: HandedOn) -> Self {
        let step = execution.step;
        let is_captured = |name: &str| step.capture.iter().any(|(captured, _)| **captured == *name);
        let is_carried = |name: &str| step.carry.iter().any(|carry| *carry.name == *name);
        let reads = |is_it: &dyn Fn(&str) -> bool| step.cleanup.iter().any(|cleanup| cleanup.reads(is_it));
        let draws = step.action.asks_for_others(execution.device) && reads(&is_captured);
        let tells = !step.carry.is_empty() && (reads(&is_carried) || reads(&is_captured));
        Self {
            execution,
            made: 0,
            created: CreationStatus::NOTHING,
            creator: None,
            undo: execution.span_id,
            draws,
            tells,
            intents: 0,
            waited: Duration::ZERO,
            sent: HandedOn::default(),
            handed_on,
        }
    }

    /// Writes down that what is sent with these names may create something; nothing of a step without a cleanup.
    ///
    /// # Errors
    /// As [`ledger::intend`].
    pub(super) async fn intend(&mut self, names: &Names) -> Result<(), Cause> {
        let Execution { context, step, device_name, .. } = self.execution;
        if step.cleanup.is_empty() {
            return Ok(());
        }
        self.intents += 1;
        let run = (&context.env, &context.log, context.ledger.as_ref());
        let began = Instant::now();
        let intended = ledger::intend(run, step, (self.undo, self.made == 0), names, device_name).await;
        self.waited += began.elapsed();
        intended?;
        // From here on the run knows that something may have to be undone.
        context.log.settle(self.undo, CreationStatus::SENT, None);
        Ok(())
    }

    /// Makes the first attempt, which is filled in already: what cannot be filled in at all is no attempt.
    pub(super) async fn first(&mut self, filled_in: FilledIn, barrier: Option<BarrierTicket>) -> JudgedAttempt {
        self.make(filled_in, barrier).await
    }

    /// Makes another one after `last`.
    pub(super) async fn another(&mut self, last: &JudgedAttempt) -> JudgedAttempt {
        let execution = self.execution;
        self.note(last);
        let sight = Sight { number: self.made + 1, names: self.handed_on.names(execution.step, execution.names) };
        let filled_in = match compute(0, || execution.fill_in(sight.clone())) {
            Ok(_) if self.is_another_creation() && self.intents == MOST_INTENTS => {
                self.made += 1;
                return attempt::refused(execution, sight, self.too_many(), true);
            }
            Ok(filled_in) => self.ready_to_send(&sight.names).await.map(|()| filled_in),
            Err(cause) => Err(cause),
        };
        match filled_in {
            Ok(filled_in) => self.make(filled_in, None).await,
            Err(cause) => {
                self.made += 1;
                let mut refused = attempt::refused(execution, sight, cause, false);
                self.keep_reason(last, &mut refused);
                refused
            }
        }
    }

    /// A retry that could not be sent does not hide why one was needed.
    fn keep_reason(&self, last: &JudgedAttempt, refused: &mut JudgedAttempt) {
        let step = self.execution.step;
        if step.eventually.is_none()
            && let (Some(first), Some(failure)) = (&last.failure, &mut refused.failure)
            && Verdict::of(failure.cause.reason) == Verdict::Failed
        {
            let message = format!("{}; attempt {} could not be sent: {}", first.cause.message, self.made, failure.cause.message);
            failure.cause = Cause { message, ..first.cause.clone() };
            let result = StepResult::Failed(failure.cause.clone());
            self.execution.context.log.update(self.execution.span_id, |report| report.result = result);
        }
    }

    async fn make(&mut self, filled_in: FilledIn, barrier: Option<BarrierTicket>) -> JudgedAttempt {
        self.made += 1;
        self.sent = self.handed_on.clone();
        attempt::make(self.execution, filled_in, &mut self.handed_on, barrier).await
    }

    /// Whether the next attempt would create something else than the one before it, as far as the cleanup can tell.
    fn is_another_creation(&self) -> bool {
        let moved = self.tells && !self.handed_on.carries_as(&self.sent);
        moved || self.draws && self.created.created != Created::No
    }

    /// Why no further creation is begun.
    fn too_many(&self) -> Cause {
        let step = &self.execution.step.name;
        let message = format!(
            "the attempts of `{step}` would make more than {MOST_INTENTS} creations, each to be undone for itself; let them create the \
             same, or look for it in a step of its own"
        );
        self.execution.context.env.cause(Reason::NotEvaluable, Some(step), &message)
    }

    /// Replaces the intent if an attempt is about to create something else than the one before it.
    async fn ready_to_send(&mut self, names: &Names) -> Result<(), Cause> {
        if self.execution.step.cleanup.is_empty() || !self.is_another_creation() {
            return Ok(());
        }
        self.settle_failed();
        (self.created, self.creator, self.undo) = (CreationStatus::NOTHING, None, SpanId::random());
        self.intend(names).await
    }

    /// Notes what an attempt may have created. One that was never sent created nothing, and what it would have carried undoes nothing.
    fn note(&mut self, attempt: &JudgedAttempt) -> Created {
        if self.execution.step.cleanup.is_empty() {
            return Created::No;
        }
        let status = creation::by(self.execution, attempt);
        self.created = status.and(self.created);
        if status.created != Created::No && (attempt.answer.is_some() || self.creator.is_none()) {
            self.creator = Some(Creator { sight: attempt.sight.clone(), answer: attempt.answer.clone() });
        }
        status.created
    }

    /// Settles the present intent with what was sent under it.
    fn settle_failed(&self) {
        creation::settle_failed(self.execution, (self.undo, self.created), self.creator.as_ref());
    }

    /// The last attempt has failed.
    pub(super) fn failed(&mut self, last: &JudgedAttempt) {
        self.note(last);
        self.settle_failed();
    }

    /// The last attempt held and gave these captures.
    pub(super) fn held(&mut self, last: &JudgedAttempt, captures: &Captures) {
        let by_last = self.note(last);
        let created = if by_last == Created::No { self.created.created } else { Created::Yes };
        creation::settle(self.execution, (self.undo, CreationStatus { created, ..self.created }), &last.sight, captures);
    }
}
