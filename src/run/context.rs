//! One run in progress: what it reads, what it writes down, and its way to the ledger; and one execution of a step in it.
//!
//! Only the code that executes steps gets all of it. Code that only reads gets the [`Environment`], code that only writes the
//! [`Log`].

use std::sync::Arc;
use std::time::Instant;

use minijinja::Value;

use crate::outcome::{Cause, SpanId};
use crate::plan::{Device, Step, StepKind};

use super::environment::Environment;
use super::ledger::RunLedger;
use super::log::Log;
use super::scope::Names;
use super::stall::Bound;
use super::step::{Answer, Session, Setting, Task, prepare};
use super::subjects::Share;

/// One run in progress.
pub(super) struct Context {
    pub(super) env: Environment,
    pub(super) log: Log,
    /// Where there is a ledger.
    pub(super) ledger: Option<RunLedger>,
}

impl Context {
    /// A run of which nothing has happened.
    pub(super) fn new(env: Environment, ledger: Option<RunLedger>) -> Self {
        Self { log: Log::new(env.started, &env.stalls), env, ledger }
    }

    /// The run's bound as known at `now`: waiting for the ledger moves it.
    pub(super) fn deadline(&self, now: Instant) -> Bound<'_> {
        self.env.bound(self.env.started + self.log.waits.total(now), self.env.canary.probe.deadline)
    }
}

/// What stays the same over the attempts of one execution of a step, which is one iteration of it in a loop.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context,
    pub(super) step: &'a Step,
    pub(super) names: &'a Names,
    pub(super) span_id: SpanId,
    /// The device it acts on, and what that keeps from step to step.
    pub(super) device_name: Arc<str>,
    pub(super) device: &'a Device,
    pub(super) session: Arc<Session>,
    /// Whether its failure is allowed, by the step itself or by a parallel around it.
    pub(super) failure_allowed: bool,
    /// How long it may poll, as a subject.
    pub(super) share: Option<Share>,
}

impl Execution<'_> {
    /// The scope of an expression that looks at what came back to an attempt.
    pub(super) fn scope_with(&self, sight: &Sight, answer: &Arc<dyn Answer>) -> Value {
        self.context.env.scope_of(&sight.names, sight.number, Some(answer))
    }

    /// Fills the step in for an attempt.
    ///
    /// # Errors
    /// A template has no value, or one that cannot stand in its place.
    pub(super) fn fill_in(&self, sight: Sight) -> Result<FilledIn, Cause> {
        let (env, step) = (&self.context.env, self.step);
        let scope = env.scope_of(&sight.names, sight.number, None);
        let setting = Setting {
            device: self.device,
            session: &self.session,
            scope: &scope,
            limits: &env.limits,
            origins: &env.canary.probe.origins,
        };
        let task = prepare(&step.action, &setting).map_err(|error| {
            env.not_evaluable(Some(&step.name), step.action.kind().map_or("the step", StepKind::request), &error)
        })?;
        Ok(FilledIn { sight, task })
    }
}

/// What the expressions of one attempt see beside its answer.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Which attempt it is, from 1.
    pub(super) number: u32,
    /// The names of the run, and what attempts hand on to each other.
    pub(super) names: Names,
}

/// A step as one attempt makes it.
pub(super) struct FilledIn {
    pub(super) sight: Sight,
    pub(super) task: Box<dyn Task>,
}
