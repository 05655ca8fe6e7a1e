//! When another attempt is made: pure decisions for `eventually`, `consistently` and `retry`.

use std::time::{Duration, Instant};

use crate::plan::{Consistently, Eventually, Retry};

/// How much later than its window's end a last attempt may start: timers round up to whole milliseconds.
const TIMER_SLACK: Duration = Duration::from_millis(10);

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, at that moment.
    At(Instant),
    /// No further one: the attempt's result stands.
    Stop,
}

/// After an attempt of an `eventually` step that did not hold. The window is counted from the write's end; the last attempt
/// is made at its very end.
pub(super) fn poll_again(eventually: &Eventually, window_start: Instant, now: Instant) -> Next {
    let end = window_start + eventually.within;
    if now >= end { Next::Stop } else { Next::At((now + eventually.poll).min(end)) }
}

/// Whether an attempt that starts at `now` still counts. The first one always does.
pub(super) fn counts(eventually: &Eventually, window_start: Instant, now: Instant) -> bool {
    now <= window_start + eventually.within + TIMER_SLACK
}

/// After an attempt of a `consistently` step that held, which has held since `since`.
pub(super) fn hold_again(consistently: &Consistently, since: Instant, now: Instant) -> Next {
    let end = since + consistently.lasting;
    if now >= end { Next::Stop } else { Next::At((now + consistently.poll).min(end)) }
}

/// After attempt number `made` (from 1) ended in a transport error. Methods that are not idempotent are tried again only if
/// no byte was sent.
pub(super) fn retry_again(retry: &Retry, made: u32, idempotent: bool, sent: bool, now: Instant) -> Next {
    if made >= retry.attempts || (sent && !idempotent) {
        return Next::Stop;
    }
    let doublings = (made - 1).min(16);
    Next::At(now + retry.backoff.saturating_mul(1 << doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn eventually() -> Eventually {
        Eventually { within: 10 * SECOND, poll: 3 * SECOND, since: None }
    }

    #[test]
    fn polling_ends_with_an_attempt_at_the_very_end_of_the_window() {
        let start = Instant::now();
        assert_eq!(poll_again(&eventually(), start, start + 6 * SECOND), Next::At(start + 9 * SECOND));
        assert_eq!(poll_again(&eventually(), start, start + 9 * SECOND), Next::At(start + 10 * SECOND));
        assert_eq!(poll_again(&eventually(), start, start + 10 * SECOND), Next::Stop);
    }

    #[test]
    fn an_attempt_that_starts_after_the_window_does_not_count() {
        let start = Instant::now();
        assert!(counts(&eventually(), start, start + 10 * SECOND));
        assert!(!counts(&eventually(), start, start + 11 * SECOND));
    }

    #[test]
    fn a_request_that_may_have_been_taken_is_not_sent_twice_unless_it_is_idempotent() {
        let retry = Retry { attempts: 3, backoff: SECOND };
        let now = Instant::now();
        assert_eq!(retry_again(&retry, 1, false, true, now), Next::Stop);
        assert_eq!(retry_again(&retry, 1, false, false, now), Next::At(now + SECOND));
        assert_eq!(retry_again(&retry, 2, true, true, now), Next::At(now + 2 * SECOND));
        assert_eq!(retry_again(&retry, 3, true, true, now), Next::Stop);
    }
}
