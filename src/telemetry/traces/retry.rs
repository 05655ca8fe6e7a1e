//! When a request that failed is made again: exponential backoff with jitter, within a bound. Pure.

use std::time::{Duration, Instant};

/// The first pause, before jitter.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause, unless the receiver asks for a longer one.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a request is tried. Restarting a collector takes less, and the queue behind it is bounded.
const PATIENCE: Duration = Duration::from_mins(5);

/// The same once the process ends.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// The pause between tries once the process ends.
const LAST_PAUSE: Duration = Duration::from_millis(200);

/// The tries of one request.
#[derive(Debug)]
pub(super) struct RequestRetries {
    give_up: Instant,
    made: u32,
    /// Since when the process ends.
    ending: bool,
}

impl RequestRetries {
    /// The first one is made now.
    pub(super) fn begin(now: Instant) -> Self {
        Self { give_up: now + PATIENCE, made: 0, ending: false }
    }

    /// How long to wait after a try that failed at `now`; `None` to give up. `after` is what the receiver asks for, `jitter` from 0 to
    /// 1 shortens the pause by up to half, so that several probers do not come back together; `closed` says that the process ends.
    pub(super) fn again(&mut self, now: Instant, after: Option<Duration>, jitter: f64, closed: bool) -> Option<Duration> {
        if closed && !self.ending {
            self.ending = true;
            self.give_up = self.give_up.min(now + LAST_PATIENCE);
        }
        let left = self.give_up.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let pause = if self.ending {
            LAST_PAUSE
        } else {
            let backoff = FIRST.saturating_mul(1 << self.made.min(16)).min(LONGEST);
            backoff.mul_f64(1.0 - jitter / 2.0).max(after.unwrap_or_default())
        };
        self.made = self.made.saturating_add(1);
        // At the very end it is tried once more.
        Some(pause.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pauses until it gives up, with tries that take no time.
    fn pauses(after: Option<Duration>, jitter: f64) -> Vec<Duration> {
        let mut now = Instant::now();
        let mut tries = RequestRetries::begin(now);
        let mut pauses = Vec::new();
        while let Some(pause) = tries.again(now, after, jitter, false) {
            pauses.push(pause);
            now += pause;
        }
        pauses
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_end() {
        let seconds = |pauses: &[Duration]| pauses.iter().map(Duration::as_secs).collect::<Vec<_>>();
        let without = pauses(None, 0.0);
        assert_eq!(seconds(&without[..7]), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(without.iter().sum::<Duration>(), PATIENCE);
        assert!(pauses(None, 1.0)[0] == Duration::from_millis(500), "jitter shortens a pause by half at most");
        assert_eq!(seconds(&pauses(Some(Duration::from_mins(2)), 0.5)), [120, 120, 60], "the receiver knows best");
        assert_eq!(seconds(&pauses(Some(Duration::MAX), 0.5)), [300], "but is not waited for for ever");
    }

    #[test]
    fn at_the_end_of_the_process_it_is_tried_at_once_and_not_for_long() {
        let start = Instant::now();
        let mut tries = RequestRetries::begin(start);
        assert!(tries.again(start, None, 0.0, false).is_some());
        assert_eq!(tries.again(start, Some(Duration::from_mins(1)), 0.0, true), Some(LAST_PAUSE));
        assert!(tries.again(start + LAST_PATIENCE, None, 0.0, true).is_none());
    }
}
