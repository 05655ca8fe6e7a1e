//! What other threads ask of the scheduler's thread, and how they wake it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests to the scheduler's thread. Its lock is not on the way of a run that passes.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    letters: Mutex<Letters>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Letters {
    confirms: Vec<Confirm>,
    stop: bool,
}

/// A canary failed: make its next tick at a moment, if that is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confirm {
    /// Which canary, by its place in the plan.
    pub(super) index: u32,
    /// When.
    pub(super) at: Instant,
}

impl Inbox {
    /// Asks for a second opinion on a failure.
    pub(super) fn confirm(&self, confirm: Confirm) {
        self.lock().confirms.push(confirm);
        self.arrived.notify_one();
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.arrived.notify_one();
    }

    /// Waits up to `timeout` for a request, then takes those there are into `confirms`. Returns whether to go on.
    pub(super) fn wait(&self, timeout: Duration, confirms: &mut Vec<Confirm>) -> bool {
        let mut letters = self.lock();
        if !timeout.is_zero() {
            let idle = |letters: &mut Letters| letters.confirms.is_empty() && !letters.stop;
            letters = self.arrived.wait_timeout_while(letters, timeout, idle).unwrap_or_else(PoisonError::into_inner).0;
        }
        confirms.append(&mut letters.confirms);
        !letters.stop
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
