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
    stalls: VecDeque<(Instant, Instant)>,
}

impl StallLog {
    /// The watchdog is awake at `now` and means to be so again after `every`. Returns the stall that ended, if the beat came
    /// late by more than one further beat.
    pub fn beat(&self, now: Instant, every: Duration) -> Option<Duration> {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let stalled = inner.overdue(now);
        if let Some((from, to)) = stalled {
            if inner.stalls.len() == KEPT {
                inner.stalls.pop_front();
            }
            inner.stalls.push_back((from, to));
        }
        inner.last_beat = Some(now);
        inner.beat_every = every;
        stalled.map(|(from, to)| to.duration_since(from))
    }

    /// How long the watchdog has been overdue at `now`, if the process may be standing still.
    pub fn ongoing(&self, now: Instant) -> Option<Duration> {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.overdue(now).map(|(from, to)| to.duration_since(from))
    }

    /// How long the process stood still between two moments, a stall that the watchdog has not yet woken from included.
    pub fn stalled_between(&self, from: Instant, to: Instant) -> Duration {
        let inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        inner
            .stalls
            .iter()
            .copied()
            .chain(inner.overdue(to))
            .map(|(start, end)| end.min(to).saturating_duration_since(start.max(from)))
            .sum()
    }

    /// Whether a bound that was passed at `to` must be blamed on this process: it stood still for more than the larger of
    /// 500 ms and 5 % of the bound.
    pub fn excuses(&self, from: Instant, to: Instant, bound: Duration) -> bool {
        self.stalled_between(from, to) > Duration::from_millis(500).max(bound / 20)
    }
}

impl Inner {
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
