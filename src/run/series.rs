//! The attempts of one execution of a step, one after the other: each is filled in anew, and sees its own number and what those before
//! it have handed on.
//!
//! Owns what lasts from attempt to attempt: how many there were, what they handed on, and what all but the last may have created. When
//! there is another one is decided in `polling`.
//!
//! What a step with a cleanup asks for is the same in each of its attempts (`config::probe::creation`), so that one intent is written down
//! for all of them.

use std::time::{Duration, Instant};

use crate::outcome::{Cause, StepResult, Verdict};

use super::attempt::{self, JudgedAttempt};
use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::{Execution, FilledIn, Sight};
use super::creation::{self, Creator};
use super::handed_on::HandedOn;
use super::ledger;
use super::step_context::Captures;
use super::undo::{Created, CreationStatus};

/// The attempts of an execution.
pub(super) struct Series<'e, 'a> {
    pub(super) execution: &'e Execution<'a>,
    /// Attempts made.
    pub(super) made: u32,
    /// What they may have created.
    created: CreationStatus,
    /// What the last one that was sent may have created.
    by_last: Created,
    /// The last of them that may have created something; one with an answer before one without, as captures are taken from it.
    creator: Option<Creator>,
    /// Whether the ledger knows what an answer told.
    told: bool,
    /// How long the intent waited for the ledger, which is not held against the target.
    pub(super) waited: Duration,
    /// What the next attempt would see.
    pub(super) handed_on: HandedOn,
}

impl<'e, 'a> Series<'e, 'a> {
    /// One of which nothing was made.
    pub(super) fn new(execution: &'e Execution<'a>, handed_on: HandedOn) -> Self {
        let created = CreationStatus::NOTHING;
        Self { execution, made: 0, created, by_last: Created::No, creator: None, told: false, waited: Duration::ZERO, handed_on }
    }

    /// Writes down that its attempts may create something; nothing of a step without a cleanup.
    ///
    /// # Errors
    /// As [`ledger::intend`].
    pub(super) async fn intend(&mut self) -> Result<(), Cause> {
        let Execution { context, step, names, span_id, device_name, .. } = self.execution;
        if step.cleanup.is_empty() {
            return Ok(());
        }
        let run = (&context.env, &context.log, context.ledger.as_ref());
        let began = Instant::now();
        let intended = ledger::intend(run, step, *span_id, names, device_name).await;
        self.waited = began.elapsed();
        intended?;
        // From here on the run knows that something may have to be undone.
        context.log.settle(*span_id, CreationStatus::SENT, None);
        Ok(())
    }

    /// Makes the first attempt, which is filled in already: what cannot be filled in at all is no attempt.
    pub(super) async fn first(&mut self, filled_in: FilledIn, barrier: Option<BarrierTicket>) -> JudgedAttempt {
        self.make(filled_in, barrier).await
    }

    /// Makes another one after `last`.
    pub(super) async fn another(&mut self, last: &JudgedAttempt) -> JudgedAttempt {
        let execution = self.execution;
        let sight = Sight { number: self.made + 1, names: self.handed_on.names(execution.step, execution.names) };
        match compute(0, || execution.fill_in(sight.clone())) {
            Ok(filled_in) => self.make(filled_in, None).await,
            Err(cause) => {
                self.made += 1;
                let mut refused = attempt::refused(execution, sight, cause);
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
        let made = attempt::make(self.execution, filled_in, &mut self.handed_on, barrier).await;
        self.note(&made);
        made
    }

    /// Notes what an attempt may have created.
    fn note(&mut self, attempt: &JudgedAttempt) {
        if self.execution.step.cleanup.is_empty() {
            return;
        }
        let status = creation::by(self.execution, attempt);
        self.by_last = status.created;
        self.created = status.and(self.created);
        if status.created != Created::No && (attempt.answer.is_some() || self.creator.is_none()) {
            self.creator = Some(Creator { sight: attempt.sight.clone(), answer: attempt.answer.clone() });
            if attempt.answer.is_some() && attempt.failure.is_some() && !self.told {
                // A run that is cut, or a process that ends, before the next answer still knows what this one told. What the next attempt
                // creates may still come then.
                let made = CreationStatus { cut: true, ..self.created };
                self.told = creation::settle_failed(self.execution, made, self.creator.as_ref());
            }
        }
    }

    /// The last attempt has failed.
    pub(super) fn failed(&self) {
        creation::settle_failed(self.execution, self.created, self.creator.as_ref());
    }

    /// The last attempt held and gave these captures.
    pub(super) fn held(&self, captures: &Captures) {
        let created = if self.by_last == Created::No { self.created.created } else { Created::Yes };
        creation::settle(self.execution, CreationStatus { created, ..self.created }, captures);
    }
}
