//! When another attempt is made: pure decisions for `eventually`, `consistently` and `retry`.

use std::time::{Duration, Instant};

use crate::plan::{Consistently, Eventually, Retry};

/// How much longer than the one before it an attempt is expected to take.
const MARGIN: Duration = Duration::from_millis(10);

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, at that moment.
    At(Instant),
    /// No further one: the attempt's result stands.
    Stop,
}

/// After an attempt of an `eventually` step that did not hold and took so long. Only an answer that comes before the window's
/// `end` holds, so the last attempt is made early enough for an answer as fast as the one before. After a slow attempt another
/// one is made all the same while the window is open, because the next may be faster.
pub(super) fn poll_again(eventually: &Eventually, end: Instant, took: Duration, now: Instant) -> Next {
    match end.checked_sub(took + MARGIN) {
        Some(last) if now < last => Next::At((now + eventually.poll).min(last)),
        Some(_) | None if now + eventually.poll + MARGIN < end => Next::At(now + eventually.poll),
        Some(_) | None => Next::Stop,
    }
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
    fn the_last_attempt_is_made_early_enough_to_be_answered_in_the_window() {
        let (start, took) = (Instant::now(), SECOND / 2);
        let (end, last) = (start + 10 * SECOND, start + 9 * SECOND + took.saturating_sub(MARGIN));
        assert_eq!(poll_again(&eventually(), end, took, start + 6 * SECOND), Next::At(start + 9 * SECOND));
        assert_eq!(poll_again(&eventually(), end, took, start + 7 * SECOND), Next::At(last));
        assert_eq!(poll_again(&eventually(), end, took, last), Next::Stop);
        assert_eq!(poll_again(&eventually(), end, took, start + 11 * SECOND), Next::Stop);
    }

    #[test]
    fn an_attempt_that_took_most_of_the_window_does_not_give_the_rest_of_it_away() {
        let start = Instant::now();
        let end = start + 10 * SECOND;
        assert_eq!(poll_again(&eventually(), end, 6 * SECOND, start + 6 * SECOND), Next::At(start + 9 * SECOND));
        assert_eq!(poll_again(&eventually(), end, 8 * SECOND, start + 8 * SECOND), Next::Stop);
        assert_eq!(poll_again(&eventually(), end, 20 * SECOND, start + 20 * SECOND), Next::Stop);
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
