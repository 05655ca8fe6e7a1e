//! How long a run has waited for the ledger, which is no time of its own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a run has waited for the ledger, which its bound does not count. Waits that overlap count once.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    over: Duration,
    going: u32,
    since: Option<Instant>,
}

/// A wait, until it is dropped.
pub(super) struct Waiting<'a>(&'a Waits);

impl Waits {
    /// A wait begins.
    pub(super) fn begin(&self) -> Waiting<'_> {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.going += 1;
        waited.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    /// All waits together, those that go on at `now` included.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.over + waited.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.going -= 1;
        if waited.going == 0
            && let Some(since) = waited.since.take()
        {
            waited.over += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_overlap_count_once_and_one_that_goes_on_counts_already() {
        let waits = Waits::default();
        let began = Instant::now();
        let (first, second) = (waits.begin(), waits.begin());
        let later = began + Duration::from_mins(1);
        let going = waits.total(later);
        assert!(going <= Duration::from_mins(1) && going > Duration::from_secs(30), "{going:?}");
        drop(first);
        assert!(waits.total(later) > Duration::from_secs(30), "the second goes on");
        drop(second);
        assert_eq!(waits.total(later), waits.total(later + Duration::from_mins(1)), "nothing goes on");
    }
}
