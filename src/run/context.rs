//! One run in progress: what it reads, what it writes down, and its way to the ledger.
//!
//! Only what makes steps is given all of it. Whoever only reads gets the [`Environment`], whoever only writes the [`Log`].

use std::time::Instant;

use super::environment::Environment;
use super::journal::Journal;
use super::log::Log;
use super::stall::Bound;

/// One run in progress.
pub(super) struct Context {
    pub(super) env: Environment,
    pub(super) log: Log,
    /// Where there is a ledger.
    pub(super) journal: Option<Journal>,
}

impl Context {
    /// A run of which nothing has happened.
    pub(super) fn new(env: Environment, journal: Option<Journal>) -> Self {
        Self { log: Log::new(env.started, &env.stalls), env, journal }
    }

    /// The run's bound, as far as is known at `now`: waiting for the ledger moves it.
    pub(super) fn deadline(&self, now: Instant) -> Bound<'_> {
        self.env.bound(self.env.started + self.log.waits.total(now), self.env.canary.probe.deadline)
    }
}
