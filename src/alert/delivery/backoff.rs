//! When something that did not get through may be tried again: the table of troubles. Pure.

use std::time::Duration;

use crate::alert::told::Trouble;

/// The longest pause between two tries of the same thing while its channel cannot be reached.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// After a 4xx, while it is a page that is due.
const REFUSED_PAGE: Duration = Duration::from_mins(2);

/// After a 4xx, while it is anything else.
const REFUSED: Duration = Duration::from_mins(15);

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Waits {
    /// For nothing.
    #[default]
    Nothing,
    /// For its time, or for the channel to take something else.
    Success,
    /// For its time.
    Time,
}

/// How often one thing that is to be sent failed, and when it may leave again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backoff {
    /// Failures in a row.
    pub(super) failures: u32,
    /// When it may leave again, unless it waits for nothing.
    pub(super) next: Duration,
    pub(super) waits: Waits,
    /// Whether only the shortest text is to be sent.
    pub(super) shortest: bool,
    /// Whether what it says was refused in every form: others are not gathered with it.
    pub(super) alone: bool,
    /// Whether a success of something else woke it once. The channel was well then, so what fails now is its own trouble, and
    /// not every success may wake it again.
    woken: bool,
    /// When it was refused as 4xx are.
    refused: Option<Duration>,
}

impl Backoff {
    /// One that may leave, in its shortest form or not.
    pub(super) fn new(shortest: bool) -> Self {
        Self { shortest, ..Self::default() }
    }

    /// It did not get through. `page` tells whether a page is due in it, `chance` in 0..1 spreads the tries of many.
    pub(super) fn failed(&mut self, trouble: Trouble, page: bool, chance: f64, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        match trouble {
            Trouble::Unreadable if !self.shortest => {
                self.shortest = true;
                self.waits = Waits::Nothing;
            }
            Trouble::Unreadable | Trouble::Rejected => {
                self.alone |= trouble == Trouble::Unreadable;
                self.refused = Some(now);
                self.waits = Waits::Time;
                self.next = now + if page { REFUSED_PAGE } else { REFUSED };
            }
            Trouble::Unreachable | Trouble::Busy(_) => {
                self.waits = if self.woken { Waits::Time } else { Waits::Success };
                self.next = now + pause(self.failures, chance);
            }
        }
    }

    /// It became a page while it waits.
    pub(super) fn is_page(&mut self) {
        if let Some(refused) = self.refused {
            self.next = self.next.min(refused + REFUSED_PAGE);
        }
    }

    /// The channel took something else, so it need not wait for that any more.
    pub(super) fn wake(&mut self) {
        if self.waits == Waits::Success {
            self.failures = 0;
            self.waits = Waits::Nothing;
            self.woken = true;
        }
    }
}

/// The pause after so many failures in a row: it doubles from two seconds to a minute, and `chance` takes up to half of it off, so
/// that many do not come back together. Never under a second. Source: "equal jitter", AWS Architecture Blog, "Exponential
/// Backoff And Jitter".
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let most = Duration::from_secs(1_u64 << failures.clamp(1, 16)).min(LONGEST_PAUSE);
    most / 2 + (most / 2).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(1_000 + second)
    }

    #[test]
    fn pauses_grow_from_a_second_to_a_minute() {
        let bounds = |failures| (pause(failures, 0.0).as_secs(), pause(failures, 1.0).as_secs());
        assert_eq!([1, 2, 3, 5, 6, 1_000].map(bounds), [(1, 2), (2, 4), (4, 8), (16, 32), (30, 60), (30, 60)]);
    }

    #[test]
    fn each_trouble_has_its_own_wait() {
        let busy = Trouble::Busy(Some(Duration::from_mins(3)));
        // Trouble, whether a page is due, whether it is the shortest already: what it waits for, until when, whether shortest.
        let table = [
            (Trouble::Unreachable, true, false, Waits::Success, at(2), false),
            (busy, false, false, Waits::Success, at(2), false),
            (Trouble::Unreadable, true, false, Waits::Nothing, Duration::ZERO, true),
            (Trouble::Unreadable, true, true, Waits::Time, at(120), true),
            (Trouble::Unreadable, false, true, Waits::Time, at(900), true),
            (Trouble::Rejected, true, false, Waits::Time, at(120), false),
            (Trouble::Rejected, false, false, Waits::Time, at(900), false),
        ];
        for (trouble, page, shortest, waits, next, short) in table {
            let mut backoff = Backoff { shortest, ..Backoff::default() };
            backoff.failed(trouble, page, 1.0, at(0));
            assert_eq!((backoff.waits, backoff.next, backoff.shortest), (waits, next, short), "{trouble:?} {page} {shortest}");
        }
    }

    #[test]
    fn a_success_wakes_what_waits_for_connection_and_not_what_was_refused() {
        for (trouble, woken) in [(Trouble::Unreachable, true), (Trouble::Busy(None), true), (Trouble::Rejected, false)] {
            let mut backoff = Backoff::default();
            backoff.failed(trouble, true, 1.0, at(0));
            backoff.wake();
            assert_eq!(backoff.waits == Waits::Nothing, woken, "{trouble:?}");
        }
    }

    #[test]
    fn what_fails_while_the_channel_takes_other_things_is_woken_once_and_waits_for_its_time_then() {
        let mut backoff = Backoff::default();
        backoff.failed(Trouble::Unreachable, true, 1.0, at(0));
        backoff.wake();
        backoff.failed(Trouble::Unreachable, true, 1.0, at(1));
        backoff.wake();
        assert_eq!((backoff.waits, backoff.next), (Waits::Time, at(3)));
    }

    #[test]
    fn what_becomes_a_page_while_it_was_refused_waits_two_minutes_and_not_fifteen() {
        let mut backoff = Backoff::default();
        backoff.failed(Trouble::Rejected, false, 1.0, at(0));
        backoff.is_page();
        assert_eq!(backoff.next, at(120));
    }
}
