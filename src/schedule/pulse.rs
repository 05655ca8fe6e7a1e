//! Whether ticks are being started on time lately, for whoever tells the outside that this prober is well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::time::millis;

/// A tick that starts later than this is not on time.
const LATE: Duration = Duration::from_secs(5);

/// How long a late tick is held against the scheduler.
const LATELY: Duration = Duration::from_mins(1);

/// Written at each start, without a lock.
#[derive(Debug)]
pub(super) struct Pulse {
    origin: Instant,
    /// When the scheduler's thread looked around last, in milliseconds since the origin.
    looked: AtomicU64,
    /// When a tick was last found late, in milliseconds since the origin; 0 for never.
    late: AtomicU64,
}

impl Pulse {
    /// Of a scheduler that starts now.
    pub(super) fn new(now: Instant) -> Self {
        Self { origin: now, looked: AtomicU64::new(0), late: AtomicU64::new(0) }
    }

    /// The scheduler's thread is awake.
    pub(super) fn looked(&self, now: Instant) {
        self.looked.store(self.millis(now), Ordering::Relaxed);
    }

    /// A tick was started, or given up on, so long after it was due.
    pub(super) fn started(&self, now: Instant, lateness: Duration) {
        if lateness > LATE {
            self.late.store(self.millis(now).max(1), Ordering::Relaxed);
        }
    }

    /// Whether the thread is awake and no tick was late within the last minute.
    pub(super) fn is_punctual(&self, now: Instant) -> bool {
        let now = self.millis(now);
        let within = |then: u64, time: Duration| Duration::from_millis(now.saturating_sub(then)) < time;
        let late = self.late.load(Ordering::Relaxed);
        within(self.looked.load(Ordering::Relaxed), LATE) && !(late > 0 && within(late, LATELY))
    }

    fn millis(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_is_held_against_the_scheduler_for_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pulse = Pulse::new(start);
        pulse.started(at(1), Duration::from_secs(4));
        assert!(pulse.is_punctual(at(1)), "four seconds are not late");
        pulse.started(at(1), Duration::from_secs(6));
        for (seconds, punctual) in [(1, false), (60, false), (61, true)] {
            pulse.looked(at(seconds));
            assert_eq!(pulse.is_punctual(at(seconds)), punctual, "after {seconds} s");
        }
    }

    #[test]
    fn a_thread_that_no_longer_looks_is_not_punctual() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.looked(start + Duration::from_secs(1));
        assert!(pulse.is_punctual(start + Duration::from_secs(5)));
        assert!(!pulse.is_punctual(start + Duration::from_secs(6)));
    }
}
