//! A record of the moments at which this process stood still, so that a bound that passed meanwhile is not held against the target.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Stalls kept; older ones cannot matter to a run that is still going.
const KEPT: usize = 256;

/// Written by the scheduler's watchdog, read by runs whose bound has passed.
#[derive(Debug, Default)]
pub struct StallLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_beat: Option<Instant>,
    beat_every: Duration,
    stalls: VecDeque<Stall>,
}

/// The process stood still from one moment to another, and the machine slept for so long between them, which the steady clock
/// does not show.
#[derive(Debug, Clone, Copy)]
struct Stall {
    from: Instant,
    to: Instant,
    slept: Duration,
}

impl StallLog {
    /// The watchdog is awake at `now` and means to be so again after `every`. Returns the stall that ended, if the beat came
    /// late by more than one further beat.
    pub fn beat(&self, now: Instant, every: Duration) -> Option<Duration> {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let stalled = inner.overdue(now);
        if let Some((from, to)) = stalled {
            inner.keep(Stall { from, to, slept: Duration::ZERO });
        }
        inner.last_beat = Some(now);
        inner.beat_every = every;
        stalled.map(|(from, to)| to.duration_since(from))
    }

    /// The machine slept for so long at some moment between these two. Bounds do not run out while it sleeps, but targets and
    /// networks do not sleep along.
    pub fn slept(&self, from: Instant, to: Instant, slept: Duration) {
        // As a stall it has no length of its own, or a stall of the watchdog that is noticed beside it would count twice.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).keep(Stall { from, to, slept });
    }

    /// How long the watchdog has been overdue at `now`, if the process may be standing still.
    pub fn ongoing(&self, now: Instant) -> Option<Duration> {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.overdue(now).map(|(from, to)| to.duration_since(from))
    }

    /// How long the process stood still between two moments, a stall that the watchdog has not yet woken from included.
    pub fn stalled_between(&self, from: Instant, to: Instant) -> Duration {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let awake = |start: Instant, end: Instant| end.min(to).saturating_duration_since(start.max(from));
        let within = |stall: &Stall| match stall.slept {
            Duration::ZERO => awake(stall.from, stall.to),
            slept if stall.from <= to && stall.to >= from => slept,
            _ => Duration::ZERO,
        };
        let ongoing = inner.overdue(to).map_or(Duration::ZERO, |(start, end)| awake(start, end));
        inner.stalls.iter().map(within).sum::<Duration>() + ongoing
    }

    /// Whether a bound that was passed at `to` must be blamed on this process: it stood still for more than the larger of
    /// 500 ms and 5 % of the bound.
    pub fn excuses(&self, from: Instant, to: Instant, bound: Duration) -> bool {
        self.stalled_between(from, to) > Duration::from_millis(500).max(bound / 20)
    }
}

impl Inner {
    fn keep(&mut self, stall: Stall) {
        if self.stalls.len() == KEPT {
            self.stalls.pop_front();
        }
        self.stalls.push_back(stall);
    }

    fn overdue(&self, now: Instant) -> Option<(Instant, Instant)> {
        let expected = self.last_beat? + self.beat_every;
        (now.saturating_duration_since(expected) > self.beat_every).then_some((expected, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(50);

    #[test]
    fn a_late_beat_is_a_stall_and_counts_only_where_it_overlaps() {
        let log = StallLog::default();
        let start = Instant::now();
        assert_eq!(log.beat(start, BEAT), None);
        let woke = start + Duration::from_secs(2);
        assert_eq!(log.beat(woke, BEAT), Some(Duration::from_millis(1950)));
        assert_eq!(log.stalled_between(start, start + Duration::from_secs(1)), Duration::from_millis(950));
        assert_eq!(log.stalled_between(woke, woke + BEAT), Duration::ZERO);
    }

    #[test]
    fn a_sleep_of_the_machine_excuses_whatever_was_going_on() {
        let log = StallLog::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        log.slept(at(1000), at(1400), Duration::from_mins(10));
        let bound = Duration::from_secs(30);
        assert!(log.excuses(at(1200), at(31_200), bound), "begun before it was noticed");
        assert!(log.excuses(at(0), at(1_300), bound));
        assert!(!log.excuses(at(1401), at(31_401), bound), "begun afterwards");
        assert!(!log.excuses(at(0), at(999), bound), "ended before");
    }

    #[test]
    fn a_stall_is_ongoing_from_the_missed_beat_until_the_next_one() {
        let log = StallLog::default();
        let start = Instant::now();
        assert_eq!(log.ongoing(start), None, "nobody watches yet");
        log.beat(start, BEAT);
        assert_eq!(log.ongoing(start + BEAT), None);
        let later = start + Duration::from_secs(3);
        assert_eq!(log.ongoing(later), Some(Duration::from_millis(2950)));
        log.beat(later, BEAT);
        assert_eq!(log.ongoing(later), None);
    }

    #[test]
    fn a_stall_the_watchdog_has_not_woken_from_counts_already() {
        let log = StallLog::default();
        let start = Instant::now();
        log.beat(start, BEAT);
        assert!(log.excuses(start, start + Duration::from_secs(1), Duration::from_secs(1)));
        assert!(!log.excuses(start, start + Duration::from_secs(1), Duration::from_mins(1)));
    }
}
