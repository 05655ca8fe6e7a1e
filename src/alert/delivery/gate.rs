//! How many rings of a channel leave in a minute: ten one by one, the rest as one. Pure.
//!
//! What is repeated, because nobody knows whether it was heard, counts not: it keeps back nothing new.
//!
//! In any sixty seconds at most ten leave singly and one gathered: eleven. What waits is gathered when the minute is over that
//! the first of the ten began, or at once if what waits has waited for a minute already, as after a receiver was away.

use std::collections::VecDeque;
use std::time::Duration;

/// What leaves at once in a minute.
const AT_ONCE: usize = 10;

/// What "in a minute" means.
const MINUTE: Duration = Duration::from_mins(1);

/// Whether something may leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// As a request of its own.
    One,
    /// Together with all others that wait.
    Gathered,
    /// Not yet.
    Not,
}

/// The place that a request took up; it is given back if the request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// One of the ten, taken then.
    Single(Duration),
    /// That of what is gathered.
    Gathered,
}

/// What of a channel's requests left in the last minute.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// When the last ones left, at most ten, in order.
    singles: VecDeque<Duration>,
    /// When what was gathered left last.
    gathered: Option<Duration>,
    /// While something is held: when it is gathered at the latest.
    held: Option<Duration>,
}

impl Gate {
    /// Whether something may leave. `since` is when the first that waits became due.
    pub(super) fn asks(&mut self, since: Duration, now: Duration) -> May {
        if self.held.is_none() {
            match self.full_until() {
                Some(until) if until > now => self.held = Some(until),
                _ => return May::One,
            }
        }
        if self.opens(since) <= now { May::Gathered } else { May::Not }
    }

    /// From when on something that is due since then may leave, in whichever way; in the past if now.
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

    /// What left was refused, so nobody heard it.
    pub(super) fn give_back(&mut self, slot: Slot) {
        match slot {
            Slot::Single(at) => {
                if let Some(place) = self.singles.iter().rposition(|left| *left == at) {
                    self.singles.remove(place);
                }
                // What was held only because of those that nobody heard need not wait.
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

    fn full(second: u64) -> Gate {
        let mut gate = Gate::default();
        for _ in 0..AT_ONCE {
            assert_eq!(gate.asks(at(second), at(second)), May::One);
            gate.left(false, at(second));
        }
        gate
    }

    #[test]
    fn ten_leave_at_once_and_the_rest_at_the_minutes_end_as_one() {
        let mut gate = full(0);
        for (second, may) in [(0, May::Not), (30, May::Not), (59, May::Not), (60, May::Gathered)] {
            assert_eq!(gate.asks(at(0), at(second)), may, "{second}");
        }
        assert_eq!(gate.opens(at(0)), at(60));
        gate.left(true, at(60));
        assert_eq!(gate.asks(at(60), at(60)), May::One, "a new minute");
    }

    #[test]
    fn what_has_waited_for_a_minute_already_is_gathered_at_once() {
        let mut gate = full(600);
        assert_eq!(gate.asks(at(0), at(600)), May::Gathered);
        gate.left(true, at(600));
        assert_eq!(gate.asks(at(0), at(600)), May::Not, "only one is gathered in a minute");
        assert_eq!(gate.opens(at(0)), at(660));
    }

    #[test]
    fn what_was_refused_was_heard_by_nobody_and_counts_not() {
        let mut gate = full(0);
        assert_eq!(gate.asks(at(0), at(1)), May::Not);
        gate.give_back(Slot::Single(at(0)));
        assert_eq!(gate.asks(at(0), at(1)), May::One);
    }

    #[test]
    fn what_was_gathered_and_refused_may_leave_again() {
        let mut gate = full(0);
        let slot = gate.left(true, at(60));
        gate.give_back(slot);
        assert_eq!(gate.asks(at(0), at(60)), May::Gathered);
    }

    proptest! {
        #[test]
        fn in_any_minute_ten_leave_singly_and_one_gathered_at_most_and_none_waits_longer_than_a_minute(
            steps in prop::collection::vec((0..40_u64, 0..4_u8), 1..200),
        ) {
            let (mut gate, mut now) = (Gate::default(), at(0));
            let (mut waiting, mut left): (VecDeque<Duration>, Vec<(Duration, bool)>) = (VecDeque::new(), Vec::new());
            for (pause, rings) in steps {
                let until = now + Duration::from_secs(pause);
                loop {
                    while let Some(first) = waiting.front().copied() {
                        match gate.asks(first, now) {
                            May::One => { waiting.pop_front(); gate.left(false, now); left.push((now, false)); }
                            May::Gathered => { waiting.clear(); gate.left(true, now); left.push((now, true)); }
                            May::Not => break,
                        }
                    }
                    let Some(first) = waiting.front() else { gate.idle(); break };
                    prop_assert!(gate.opens(*first) > now, "it says that it may leave, and it may not");
                    prop_assert!(now < *first + MINUTE * 2, "it waited for {:?}", now.checked_sub(*first));
                    if gate.opens(*first) > until { break }
                    now = gate.opens(*first);
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
