//! The scheduler's time: the wall clock at its start, carried on by the monotonic clock.
//!
//! On Linux both clocks run at the same rate, so they part only where the wall clock was *set* or the machine was
//! *suspended* (the monotonic clock stands still then). The two are told apart by the time since boot, which counts sleep:
//! ticks that were slept through have been missed, but an hour that was skipped by setting a clock never happened.

use std::time::{Duration, Instant, SystemTime};

use crate::base::time::{epoch_nanos, nanos};

use super::timing::Nanos;

/// How far the clocks may differ before the scheduler follows the wall clock. It is more than the time to read both, and little
/// compared to the lateness of runs, which is read from the wall clock.
const TOLERANCE: Nanos = 10_000_000;

/// Two readings of the monotonic clock farther apart than this say nothing about a wall clock read between them.
const READING: Duration = Duration::from_millis(1);

/// The time since boot is given in hundredths of a second, so less than this of it may be rounding.
const ROUNDING: Nanos = 100_000_000;

/// The scheduler's time and where it was anchored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    steady: Instant,
    wall: Nanos,
    since_boot: Option<Duration>,
}

/// How the wall clock and the scheduler's time have parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump {
    /// How long the machine was suspended.
    pub(super) slept: Nanos,
    /// By how much the wall clock was set, in nanoseconds.
    pub(super) set: i64,
}

impl Clock {
    /// A clock that shows the wall's time now.
    pub(super) fn start() -> Self {
        Self { steady: Instant::now(), wall: wall_now(), since_boot: since_boot() }
    }

    /// The scheduler's time at a moment.
    pub(super) fn at(&self, steady: Instant) -> Nanos {
        match steady.checked_duration_since(self.steady) {
            Some(since) => self.wall.saturating_add(nanos(since)),
            None => self.wall.saturating_sub(nanos(self.steady.duration_since(steady))),
        }
    }

    /// How long until the scheduler's time is `at`; nothing if it has been.
    pub(super) fn until(&self, at: Nanos, now: Instant) -> Duration {
        Duration::from_nanos(at.saturating_sub(self.at(now)))
    }

    /// Compares the scheduler's time with the wall clock.
    pub(super) fn check(&self) -> Option<Jump> {
        let before = Instant::now();
        let wall = wall_now();
        if before.elapsed() > READING {
            return None;
        }
        let drift = signed_difference(wall, self.at(before));
        if drift.unsigned_abs() < TOLERANCE {
            return None;
        }
        let suspended = self.since_boot.and_then(|then| {
            let boot = since_boot()?.saturating_sub(then);
            Some(nanos(boot.saturating_sub(self.steady.elapsed())))
        });
        Jump::of(drift, suspended)
    }

    /// Moves the scheduler's time on by a sleep.
    pub(super) fn wake_up(&mut self, slept: Nanos) {
        self.wall = self.wall.saturating_add(slept);
    }

    /// Sets the scheduler's time by `by` nanoseconds and anchors it anew.
    pub(super) fn set(&mut self, by: i64) {
        let now = Instant::now();
        *self = Self { wall: self.at(now).saturating_add_signed(by), steady: now, since_boot: since_boot() };
    }
}

impl Jump {
    /// Splits a drift of the wall clock into sleep and setting, given how long the machine was suspended. If that is not known, a
    /// drift ahead counts as sleep: a tick wrongly reported as missed is better than one not reported at all.
    fn of(drift: i64, suspended: Option<Nanos>) -> Option<Self> {
        if drift.unsigned_abs() < TOLERANCE {
            return None;
        }
        let ahead = u64::try_from(drift).unwrap_or(0);
        let slept = suspended.map_or(ahead, |suspended| if suspended < ROUNDING { 0 } else { suspended });
        let set = drift.saturating_sub_unsigned(slept);
        Some(if slept > 0 && set.unsigned_abs() < ROUNDING { Self { slept: ahead, set: 0 } } else { Self { slept, set } })
    }
}

fn signed_difference(left: Nanos, right: Nanos) -> i64 {
    i64::try_from(i128::from(left) - i128::from(right)).unwrap_or(if left > right { i64::MAX } else { i64::MIN })
}

fn wall_now() -> Nanos {
    epoch_nanos(SystemTime::now())
}

/// Time since boot, sleep included. Only Linux says so without `unsafe`, in a file that is made up in memory when it is read;
/// it is read at the start and when the clocks have parted, never on the way to a start.
fn since_boot() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn small_differences_between_the_clocks_are_nothing() {
        assert_eq!(Jump::of(4_000_000, Some(0)), None);
        assert_eq!(Jump::of(-4_000_000, None), None);
    }

    #[test]
    fn a_suspended_machine_has_slept_and_its_clock_was_not_set() {
        let hour = HOUR.unsigned_abs();
        assert_eq!(Jump::of(HOUR, Some(hour - 8_000_000)), Some(Jump { slept: hour, set: 0 }));
    }

    #[test]
    fn a_clock_that_was_set_a_little_was_set() {
        assert_eq!(Jump::of(40_000_000, Some(7_000_000)), Some(Jump { slept: 0, set: 40_000_000 }));
    }

    #[test]
    fn a_clock_that_was_set_is_not_a_sleep() {
        assert_eq!(Jump::of(HOUR, Some(0)), Some(Jump { slept: 0, set: HOUR }));
        assert_eq!(Jump::of(-HOUR, Some(5_000_000)), Some(Jump { slept: 0, set: -HOUR }));
        assert_eq!(Jump::of(-HOUR, None), Some(Jump { slept: 0, set: -HOUR }));
    }

    #[test]
    fn a_clock_that_was_set_after_a_sleep_is_both() {
        let hour = HOUR.unsigned_abs();
        assert_eq!(Jump::of(-HOUR, Some(hour)), Some(Jump { slept: hour, set: -2 * HOUR }));
    }

    #[test]
    fn where_nobody_knows_time_that_is_gone_was_slept() {
        assert_eq!(Jump::of(HOUR, None), Some(Jump { slept: HOUR.unsigned_abs(), set: 0 }));
    }

    #[test]
    fn after_a_jump_the_clock_shows_the_walls_time_again() {
        let mut clock = Clock::start();
        clock.wall -= HOUR.unsigned_abs();
        let jump = clock.check().expect("an hour is noticed");
        clock.wake_up(jump.slept);
        clock.set(jump.set);
        assert_eq!(clock.check(), None);
    }
}
