//! How often a channel is tried at all: its own `Retry-After`, and rounds of a few tries while it takes nothing. Pure.
//!
//! A channel counts as *away* when tries of three scopes have failed since its last success. While it is away, three tries leave
//! in a round, and the pause between rounds grows to a minute, however much waits. The limit is three scopes, so that one or two
//! scopes with bad requests do not make the channel look away. In two hours that is 120 to 240 rounds, so at most 720 tries, and
//! a few more for the rounds at the beginning.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::tries::RefusalKind;

use super::backoff::pause;

/// Requests in flight to one channel at once.
const MOST_IN_FLIGHT: usize = 8;

/// Scopes that must have failed since the last success for the channel to count as away.
const STRIKES: usize = 3;

/// Tries in a round while it is away.
pub(super) const ROUND: u32 = 3;

/// The longest pause that a receiver may ask for.
const LONGEST_HOLD: Duration = Duration::from_hours(1);

/// How often a channel is tried.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Until when the receiver asked for a pause.
    hold: Duration,
    /// Scopes that failed since the last success, up to the limit.
    strikes: BTreeSet<Scope>,
    /// Rounds since it is away.
    rounds: u32,
    /// When the next round may begin.
    round: Duration,
    /// Tries that may still leave in this round.
    left: u32,
}

impl Throttle {
    /// Whether it takes nothing at all.
    pub(super) fn is_away(&self) -> bool {
        self.strikes.len() >= STRIKES
    }

    /// When something may leave with this many tries in flight; nothing if one of them must complete first.
    pub(super) fn opens(&self, in_flight: usize) -> Option<Duration> {
        match () {
            () if in_flight >= MOST_IN_FLIGHT => None,
            () if !self.is_away() || self.left > 0 => Some(self.hold),
            () if in_flight > 0 => None,
            () => Some(self.hold.max(self.round)),
        }
    }

    /// How many tries may leave in the current round, and its number. While the channel is not away, only [`MOST_IN_FLIGHT`] bounds them.
    pub(super) fn room(&self) -> (u32, u32) {
        match () {
            () if !self.is_away() => (u32::MAX, 0),
            () if self.left > 0 => (self.left, self.rounds),
            () => (ROUND, self.rounds.saturating_add(1)),
        }
    }

    /// Something leaves.
    pub(super) fn leaves(&mut self) {
        if self.is_away() {
            if self.left == 0 {
                self.left = ROUND;
                self.rounds = self.rounds.saturating_add(1);
            }
            self.left -= 1;
        }
    }

    /// Something about these scopes did not get through.
    pub(super) fn failed<'a>(&mut self, scopes: impl Iterator<Item = &'a Scope>, kind: RefusalKind, chance: f64, now: Duration) {
        if let RefusalKind::Busy(Some(quiet)) = kind {
            self.hold = self.hold.max(now + quiet.min(LONGEST_HOLD));
        }
        if kind == RefusalKind::Unreadable {
            // The receiver read it, so it is not away.
            return;
        }
        for scope in scopes {
            if self.is_away() {
                break;
            }
            self.strikes.insert(scope.clone());
        }
        self.left = 0;
        self.round = now + pause(self.rounds.saturating_add(1), chance);
    }

    /// It took something. A pause that it asked for stays.
    pub(super) fn taken(&mut self) {
        *self = Self { hold: self.hold, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(1_000 + second)
    }

    fn scope(number: u32) -> Scope {
        Scope::Probe(format!("p{number}").into())
    }

    fn away() -> Throttle {
        let mut throttle = Throttle::default();
        for number in 0..3 {
            throttle.failed([scope(number)].iter(), RefusalKind::Unreachable, 1.0, at(0));
        }
        throttle
    }

    #[test]
    fn it_is_away_once_three_scopes_failed_and_one_that_fails_again_and_again_is_not_enough() {
        let mut throttle = Throttle::default();
        for (number, is_away) in [(1, false), (1, false), (2, false), (1, false), (3, true)] {
            throttle.failed([scope(number)].iter(), RefusalKind::Rejected, 1.0, at(0));
            assert_eq!(throttle.is_away(), is_away);
        }
        throttle.taken();
        assert!(!throttle.is_away());
    }

    #[test]
    fn what_is_said_being_refused_does_not_make_it_away() {
        let mut throttle = Throttle::default();
        throttle.failed([scope(1), scope(2), scope(3)].iter(), RefusalKind::Unreadable, 1.0, at(0));
        assert!(!throttle.is_away());
    }

    #[test]
    fn while_it_is_away_three_leave_in_a_round_and_rounds_get_a_minute_apart() {
        let mut throttle = away();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let begin = throttle.opens(0).unwrap();
            for in_flight in 0..3 {
                assert!(throttle.opens(in_flight).unwrap() <= begin);
                throttle.leaves();
            }
            assert_eq!(throttle.opens(3), None, "not before they completed");
            throttle.failed([scope(1)].iter(), RefusalKind::Unreachable, 1.0, begin);
            pauses.push(throttle.opens(0).unwrap().saturating_sub(begin).as_secs());
        }
        assert_eq!(pauses, [4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn what_the_receiver_asks_for_is_honoured_and_is_an_hour_at_most() {
        for (asked, opens) in [(90, 90), (100_000, 3_600)] {
            let mut throttle = Throttle::default();
            throttle.failed([scope(1)].iter(), RefusalKind::Busy(Some(Duration::from_secs(asked))), 1.0, at(0));
            assert_eq!(throttle.opens(0), Some(at(opens)));
            throttle.taken();
            assert_eq!(throttle.opens(0), Some(at(opens)), "what completed had left before");
        }
    }

    #[test]
    fn eight_are_on_their_way_at_most() {
        let throttle = Throttle::default();
        assert_eq!((throttle.opens(7), throttle.opens(8)), (Some(Duration::ZERO), None));
    }
}
