//! What other threads ask of the scheduler's thread, and how they wake it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::CanaryId;

use super::active_plan::ActivePlan;
use super::due_queue::EarlyReason;

/// Requests to the scheduler's thread. Its lock is not on the way of a run that passes.
#[derive(Default)]
pub(super) struct Inbox {
    requests: Mutex<Requests>,
    arrived: Condvar,
}

#[derive(Default)]
pub(super) struct Requests {
    /// Runs that are wanted before the next tick.
    pub(super) early: Vec<EarlyRequest>,
    /// What is to be run from now on. Of several the last counts.
    pub(super) active_plan: Option<Arc<ActivePlan>>,
    /// Whether to end.
    pub(super) stop: bool,
}

/// Run a canary at a moment, if that is before its next tick.
pub(super) struct EarlyRequest {
    /// Which canary; by its id, since a new plan may have moved it.
    pub(super) canary: CanaryId,
    /// When.
    pub(super) at: Instant,
    /// What for.
    pub(super) why: EarlyReason,
}

impl Inbox {
    /// Asks for runs before their next ticks.
    pub(super) fn early(&self, early: impl IntoIterator<Item = EarlyRequest>) {
        self.lock().early.extend(early);
        self.arrived.notify_one();
    }

    /// Asks to go on with other canaries.
    pub(super) fn apply(&self, active_plan: Arc<ActivePlan>) {
        self.lock().active_plan = Some(active_plan);
        self.arrived.notify_one();
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.arrived.notify_one();
    }

    /// Waits up to `timeout` for a request, then takes those there are.
    pub(super) fn wait(&self, timeout: Duration) -> Requests {
        let mut requests = self.lock();
        if !timeout.is_zero() {
            requests = self
                .arrived
                .wait_timeout_while(requests, timeout, |requests| requests.is_empty())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::take(&mut *requests)
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn is_empty(&self) -> bool {
        self.early.is_empty() && self.active_plan.is_none() && !self.stop
    }
}
