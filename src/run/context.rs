//! One run in progress: what it reads, what it writes down, and its way to the ledger; and one execution of a step in it.
//!
//! Only the code that executes steps gets all of it. Code that only reads gets the [`Environment`], code that only writes the
//! [`Log`].

use std::sync::Arc;
use std::time::Instant;

use minijinja::Value;

use crate::outcome::SpanId;
use crate::plan::Step;

use super::environment::Environment;
use super::ledger::RunLedger;
use super::log::Log;
use super::scope::Names;
use super::stall::Bound;
use super::step::{Answer, Task};
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
    /// The step with everything filled in.
    pub(super) task: Box<dyn Task>,
    /// Whether its failure is allowed, by the step itself or by a parallel around it.
    pub(super) failure_allowed: bool,
    /// How long it may poll, as a subject.
    pub(super) share: Option<Share>,
}

impl Execution<'_> {
    /// The scope of an expression that looks at what came back.
    pub(super) fn scope_with(&self, answer: &Arc<dyn Answer>) -> Value {
        self.context.env.scope_with(self.names, answer)
    }
}
