//! The rate limit of a channel: ten rings leave singly in a minute, and the rest is gathered in one. Pure.
//!
//! Repeated tries of unknown outcome do not count, so they delay nothing new.
//!
//! In any sixty seconds at most ten requests leave singly and one gathered. What waits is gathered a minute after the first of
//! the ten left. It is gathered at once if it has waited for a minute already, for example because the receiver was away.

use std::collections::VecDeque;
use std::time::Duration;

/// Requests that may leave singly in a minute.
const AT_ONCE: usize = 10;

/// The window of the limit.
const MINUTE: Duration = Duration::from_mins(1);

/// Whether something may leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// As a request of its own.
    One,
    /// Together with all others that wait.
    Gathered,
    /// Not yet.
    Not,
}

/// What a request used of the limit; it is given back if the request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// One of the ten single requests; it left then.
    Single(Duration),
    /// The gathered request.
    Gathered,
}

/// The requests of a channel that left in the last minute.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// When the last single requests left, at most ten, in order.
    singles: VecDeque<Duration>,
    /// When the last gathered request left.
    gathered: Option<Duration>,
    /// While something waits to be gathered: when it leaves at the latest.
    held: Option<Duration>,
}

impl RateLimit {
    /// Whether something may leave. `since` is when the first that waits became due.
    pub(super) fn asks(&mut self, since: Duration, now: Duration) -> Permit {
        if self.held.is_none() {
            match self.full_until() {
                Some(until) if until > now => self.held = Some(until),
                _ => return Permit::One,
            }
        }
        if self.opens(since) <= now { Permit::Gathered } else { Permit::Not }
    }

    /// When something that is due since `since` may leave, singly or gathered; in the past if now.
    pub(super) fn opens(&self, since: Duration) -> Duration {
        let Some(end) = self.held else { return self.full_until().map_or(Duration::ZERO, |until| until.min(self.early(since))) };
        end.min(since + MINUTE).max(self.after_gathered())
    }

    fn early(&self, since: Duration) -> Duration {
        (since + MINUTE).max(self.after_gathered())
    }

    fn after_gathered(&self) -> Duration {
        self.gathered.map_or(Duration::ZERO, |at| at + MINUTE)
    }

    fn full_until(&self) -> Option<Duration> {
        (self.singles.len() >= AT_ONCE).then(|| self.singles.front().map(|first| *first + MINUTE)).flatten()
    }

    /// Nothing waits any more.
    pub(super) fn idle(&mut self) {
        self.held = None;
    }

    /// Something leaves.
    pub(super) fn left(&mut self, several: bool, now: Duration) -> Slot {
        let full = self.full_until().is_some_and(|until| until > now);
        self.held = None;
        if several || full {
            self.gathered = Some(now);
            return Slot::Gathered;
        }
        if self.singles.len() >= AT_ONCE {
            self.singles.pop_front();
        }
        self.singles.push_back(now);
        Slot::Single(now)
    }

    /// A request was refused, so nobody heard it.
    pub(super) fn give_back(&mut self, slot: Slot) {
        match slot {
            Slot::Single(at) => {
                if let Some(place) = self.singles.iter().rposition(|left| *left == at) {
                    self.singles.remove(place);
                }
                // What waits only because of refused requests need not wait any more.
                self.held = self.held.filter(|_| self.singles.len() >= AT_ONCE);
            }
            Slot::Gathered => (self.gathered, self.held) = (None, Some(Duration::ZERO)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(1_000 + second)
    }

    fn full(second: u64) -> RateLimit {
        let mut rate_limit = RateLimit::default();
        for _ in 0..AT_ONCE {
            assert_eq!(rate_limit.asks(at(second), at(second)), Permit::One);
            rate_limit.left(false, at(second));
        }
        rate_limit
    }

    #[test]
    fn ten_leave_at_once_and_the_rest_at_the_minutes_end_as_one() {
        let mut rate_limit = full(0);
        for (second, may) in [(0, Permit::Not), (30, Permit::Not), (59, Permit::Not), (60, Permit::Gathered)] {
            assert_eq!(rate_limit.asks(at(0), at(second)), may, "{second}");
        }
        assert_eq!(rate_limit.opens(at(0)), at(60));
        rate_limit.left(true, at(60));
        assert_eq!(rate_limit.asks(at(60), at(60)), Permit::One, "a new minute");
    }

    #[test]
    fn what_has_waited_for_a_minute_already_is_gathered_at_once() {
        let mut rate_limit = full(600);
        assert_eq!(rate_limit.asks(at(0), at(600)), Permit::Gathered);
        rate_limit.left(true, at(600));
        assert_eq!(rate_limit.asks(at(0), at(600)), Permit::Not, "only one is gathered in a minute");
        assert_eq!(rate_limit.opens(at(0)), at(660));
    }

    #[test]
    fn what_was_refused_was_heard_by_nobody_and_counts_not() {
        let mut rate_limit = full(0);
        assert_eq!(rate_limit.asks(at(0), at(1)), Permit::Not);
        rate_limit.give_back(Slot::Single(at(0)));
        assert_eq!(rate_limit.asks(at(0), at(1)), Permit::One);
    }

    #[test]
    fn what_was_gathered_and_refused_may_leave_again() {
        let mut rate_limit = full(0);
        let slot = rate_limit.left(true, at(60));
        rate_limit.give_back(slot);
        assert_eq!(rate_limit.asks(at(0), at(60)), Permit::Gathered);
    }

    proptest! {
        #[test]
        fn in_any_minute_ten_leave_singly_and_one_gathered_at_most_and_none_waits_longer_than_a_minute(
            steps in prop::collection::vec((0..40_u64, 0..4_u8), 1..200),
        ) {
            let (mut rate_limit, mut now) = (RateLimit::default(), at(0));
            let (mut waiting, mut left): (VecDeque<Duration>, Vec<(Duration, bool)>) = (VecDeque::new(), Vec::new());
            for (pause, rings) in steps {
                let until = now + Duration::from_secs(pause);
                loop {
                    while let Some(first) = waiting.front().copied() {
                        match rate_limit.asks(first, now) {
                            Permit::One => { waiting.pop_front(); rate_limit.left(false, now); left.push((now, false)); }
                            Permit::Gathered => { waiting.clear(); rate_limit.left(true, now); left.push((now, true)); }
                            Permit::Not => break,
                        }
                    }
                    let Some(first) = waiting.front() else { rate_limit.idle(); break };
                    prop_assert!(rate_limit.opens(*first) > now, "it says that it may leave, and it may not");
                    prop_assert!(now < *first + MINUTE * 2, "it waited for {:?}", now.checked_sub(*first));
                    if rate_limit.opens(*first) > until { break }
                    now = rate_limit.opens(*first);
                }
                now = until;
                waiting.extend((0..rings).map(|_| now));
            }
            for (start, _) in &left {
                let within: Vec<_> = left.iter().filter(|(at, _)| at >= start && *at < *start + MINUTE).collect();
                prop_assert!(within.iter().filter(|(_, gathered)| !gathered).count() <= AT_ONCE);
                prop_assert!(within.iter().filter(|(_, gathered)| *gathered).count() <= 1);
            }
        }
    }
}
