//! Whether ticks were started on time lately, for the heartbeat and the API.

use std::time::{Duration, Instant};

use crate::base::thread::AtomicInstant;

/// A tick that starts later than this is not on time.
const LATE: Duration = Duration::from_secs(5);

/// How long a late tick is held against the scheduler.
const LATELY: Duration = Duration::from_mins(1);

/// Written at each start, without a lock.
#[derive(Debug)]
pub(super) struct Punctuality {
    /// When the scheduler's thread was last awake.
    looked: AtomicInstant,
    /// When a tick was last found late.
    late: AtomicInstant,
}

impl Punctuality {
    /// Of a scheduler that starts now.
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: AtomicInstant::at(now), late: AtomicInstant::never(now) }
    }

    /// The scheduler's thread is awake.
    pub(super) fn looked(&self, now: Instant) {
        self.looked.set(now);
    }

    /// A tick was started, or given up on, so long after it was due.
    pub(super) fn started(&self, now: Instant, lateness: Duration) {
        if lateness > LATE {
            self.late.set(now);
        }
    }

    /// Whether the thread is awake and no tick was late within the last minute.
    pub(super) fn is_punctual(&self, now: Instant) -> bool {
        let within = |moment: &AtomicInstant, time| moment.ago(now).is_some_and(|ago| ago < time);
        within(&self.looked, LATE) && !within(&self.late, LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_is_held_against_the_scheduler_for_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let punctuality = Punctuality::new(start);
        punctuality.started(at(1), Duration::from_secs(4));
        assert!(punctuality.is_punctual(at(1)), "four seconds are not late");
        punctuality.started(at(1), Duration::from_secs(6));
        for (seconds, punctual) in [(1, false), (60, false), (61, true)] {
            punctuality.looked(at(seconds));
            assert_eq!(punctuality.is_punctual(at(seconds)), punctual, "after {seconds} s");
        }
    }

    #[test]
    fn a_thread_that_no_longer_looks_is_not_punctual() {
        let start = Instant::now();
        let punctuality = Punctuality::new(start);
        punctuality.looked(start + Duration::from_secs(1));
        assert!(punctuality.is_punctual(start + Duration::from_secs(5)));
        assert!(!punctuality.is_punctual(start + Duration::from_secs(6)));
    }
}
