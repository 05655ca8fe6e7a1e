//! Whether a lease is certain now, by the clocks of this process alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::base::thread::AtomicInstant;
use crate::base::time::epoch_ms;

/// A lease counts as lost so long before it can have run out, so that what was begun under it has left.
const MARGIN: Duration = Duration::from_secs(2);

/// A lease as this process knows it. Clones watch the same one.
#[derive(Debug, Clone)]
pub struct LeaseWatch(Arc<WatchState>);

#[derive(Debug)]
struct WatchState {
    lasts: Duration,
    is_held: AtomicBool,
    /// When the question was sent whose answer confirmed it.
    asked: AtomicInstant,
    asked_ms: AtomicI64,
}

impl LeaseWatch {
    /// A lease that is not held yet, and lasts so long after each renewal.
    pub fn new(lasts: Duration) -> Self {
        Self(Arc::new(WatchState {
            lasts,
            is_held: AtomicBool::new(false),
            asked: AtomicInstant::never(Instant::now()),
            asked_ms: AtomicI64::new(0),
        }))
    }

    /// It is held, as of a question that was sent then.
    pub(super) fn confirm(&self, asked: Instant, wall: SystemTime) {
        self.0.asked.set(asked);
        self.0.asked_ms.store(epoch_ms(wall), Ordering::Relaxed);
        self.0.is_held.store(true, Ordering::Release);
    }

    /// Another process has it.
    pub(super) fn lose(&self) {
        self.0.is_held.store(false, Ordering::Release);
    }

    /// Whether it is certain that no other process has it. The steady clock stands still while a machine sleeps, so the wall clock is
    /// asked as well; a wall clock that was set ahead costs certainty until the next renewal.
    pub fn is_certain(&self, now: Instant, wall: SystemTime) -> bool {
        let state = &*self.0;
        let bound = state.lasts.saturating_sub(MARGIN);
        let slept = Duration::from_millis(
            u64::try_from(epoch_ms(wall).saturating_sub(state.asked_ms.load(Ordering::Relaxed))).unwrap_or_default(),
        );
        state.is_held.load(Ordering::Acquire) && state.asked.ago(now).is_some_and(|ago| ago.max(slept) < bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(12);

    #[test]
    fn a_lease_is_certain_from_its_confirmation_until_two_seconds_before_it_can_have_run_out() {
        let (begin, wall) = (Instant::now() + Duration::from_secs(1), SystemTime::now());
        let watch = LeaseWatch::new(LASTS);
        let certain = |seconds: f64| {
            let passed = Duration::from_secs_f64(seconds);
            watch.is_certain(begin + passed, wall + passed)
        };
        assert!(!certain(0.0), "it was never held");
        watch.confirm(begin, wall);
        assert!(certain(0.0) && certain(9.9));
        assert!(!certain(10.0));
        watch.confirm(begin + Duration::from_secs(8), wall + Duration::from_secs(8));
        assert!(certain(17.9) && !certain(18.0));
        watch.lose();
        assert!(!certain(8.0));
    }

    #[test]
    fn a_machine_that_slept_is_not_certain_though_its_steady_clock_stood_still() {
        let (begin, wall) = (Instant::now() + Duration::from_secs(1), SystemTime::now());
        let watch = LeaseWatch::new(LASTS);
        watch.confirm(begin, wall);
        assert!(!watch.is_certain(begin + Duration::from_secs(1), wall + Duration::from_hours(1)));
        assert!(watch.is_certain(begin + Duration::from_secs(1), wall - Duration::from_hours(1)), "it was set back");
    }
}
