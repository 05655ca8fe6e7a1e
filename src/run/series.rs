//! The attempts of one execution of a step, one after the other: each is filled in anew, and sees its own number.
//!
//! Owns what lasts from attempt to attempt: how many there were, and what all but the last may have created. When there is another
//! one is decided in `polling`.

use super::attempt::{self, JudgedAttempt};
use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::{Execution, FilledIn, Sight};
use super::creation;
use super::undo::CreationStatus;

/// The attempts of an execution.
pub(super) struct Series<'e, 'a> {
    pub(super) execution: &'e Execution<'a>,
    /// Attempts made.
    pub(super) made: u32,
    /// What those before the last one may have created.
    pub(super) earlier: CreationStatus,
}

impl<'e, 'a> Series<'e, 'a> {
    /// One of which nothing was made.
    pub(super) fn new(execution: &'e Execution<'a>) -> Self {
        Self { execution, made: 0, earlier: CreationStatus::NOTHING }
    }

    /// Makes the first attempt, which is filled in already: what cannot be filled in at all is no attempt.
    pub(super) async fn first(&mut self, filled_in: FilledIn, barrier: Option<BarrierTicket>) -> JudgedAttempt {
        self.made = 1;
        attempt::make(self.execution, filled_in, barrier).await
    }

    /// Makes another one after `last`.
    pub(super) async fn another(&mut self, last: &JudgedAttempt) -> JudgedAttempt {
        let execution = self.execution;
        self.earlier = creation::by(execution, last).and(self.earlier);
        self.made += 1;
        let sight = Sight { number: self.made, names: execution.names.clone() };
        match compute(0, || execution.fill_in(sight.clone())) {
            Ok(filled_in) => attempt::make(execution, filled_in, None).await,
            Err(cause) => attempt::refused(execution, sight, cause),
        }
    }
}
