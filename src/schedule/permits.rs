//! A bound on how many runs or cleanups go on at once, which can change meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::task::TaskTracker;

/// Permits to go on.
pub(super) struct Permits {
    semaphore: Arc<Semaphore>,
    allowed: Mutex<u32>,
}

impl Permits {
    /// As many permits, at least one.
    pub(super) fn new(allowed: usize) -> Self {
        let allowed = bounded(allowed);
        Self { semaphore: Arc::new(Semaphore::new(allowed as usize)), allowed: Mutex::new(allowed) }
    }

    /// Takes one if there is one.
    pub(super) fn try_take(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.semaphore).try_acquire_owned()
    }

    /// Takes one when there is one; none once this is closed.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).acquire_owned().await.ok()
    }

    /// Closes it: nobody gets a permit any more, and those who wait get none.
    pub(super) fn close(&self) {
        self.semaphore.close();
    }

    /// Changes how many permits there are. With fewer permits nothing is cut: a task withdraws permits as they are given back.
    pub(super) fn resize(&self, allowed: usize, tasks: &TaskTracker, runtime: &tokio::runtime::Handle) {
        let allowed = bounded(allowed);
        let mut before = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed >= *before {
            self.semaphore.add_permits((allowed - *before) as usize);
        } else {
            let semaphore = Arc::clone(&self.semaphore);
            let fewer = *before - allowed;
            let mut withdraw = Box::pin(async move {
                // Closed: then there are none to withdraw.
                if let Ok(permits) = semaphore.acquire_many_owned(fewer).await {
                    permits.forget();
                }
            });
            // Polled once here, so that it is in the queue now; the task may begin later.
            if withdraw.as_mut().now_or_never().is_none() {
                tasks.spawn_on(withdraw, runtime);
            }
        }
        *before = allowed;
    }
}

/// A million at once is more than any machine has sockets for, and sums of it stay below what a semaphore takes.
fn bounded(allowed: usize) -> u32 {
    u32::try_from(allowed.clamp(1, 1_000_000)).unwrap_or(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_ends_after_there_are_to_be_fewer_is_handed_to_nobody() {
        let permits = Permits::new(2);
        let (first, _second) = (permits.try_take().unwrap(), permits.try_take().unwrap());
        // On this runtime of one thread no task has begun by the end of the test.
        permits.resize(1, &TaskTracker::new(), &tokio::runtime::Handle::current());
        drop(first);
        assert!(permits.try_take().is_err());
    }
}
