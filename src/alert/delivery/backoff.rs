//! When something that did not get through may be tried again: the table by kind of refusal. Pure.

use std::time::Duration;

use crate::alert::tries::RefusalKind;

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
    /// For its time, or until the channel takes something else.
    Success,
    /// For its time.
    Time,
}

/// How often something failed to be sent, and when it may leave again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Backoff {
    /// Failures in a row.
    pub(super) failures: u32,
    /// When it may leave again, if it waits.
    pub(super) next: Duration,
    pub(super) waits: Waits,
    /// Whether only the shortest text is to be sent.
    pub(super) shortest: bool,
    /// Whether its text was refused in every form, so that it is not gathered with others.
    pub(super) alone: bool,
    /// Whether it was woken once by a success of something else. The channel was well then, so what fails now has a cause of its
    /// own, and not every success may wake it again.
    woken: bool,
    /// When it was refused with a 4xx or the like.
    refused: Option<Duration>,
}

impl Backoff {
    /// One that may leave at once.
    pub(super) fn new(shortest: bool) -> Self {
        Self { shortest, ..Self::default() }
    }

    /// It failed. `page`: whether it is about a page. `chance` in 0..1 is the jitter.
    pub(super) fn failed(&mut self, kind: RefusalKind, page: bool, chance: f64, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        match kind {
            RefusalKind::Unreadable if !self.shortest => {
                self.shortest = true;
                self.waits = Waits::Nothing;
            }
            RefusalKind::Unreadable | RefusalKind::Rejected => {
                self.alone |= kind == RefusalKind::Unreadable;
                self.refused = Some(now);
                self.waits = Waits::Time;
                self.next = now + if page { REFUSED_PAGE } else { REFUSED };
            }
            RefusalKind::Unreachable | RefusalKind::Busy(_) => {
                self.waits = if self.woken { Waits::Time } else { Waits::Success };
                self.next = now + pause(self.failures, chance);
            }
        }
    }

    /// It has become a page while it waited.
    pub(super) fn is_page(&mut self) {
        if let Some(refused) = self.refused {
            self.next = self.next.min(refused + REFUSED_PAGE);
        }
    }

    /// The channel took something else, so it may leave at once.
    pub(super) fn wake(&mut self) {
        if self.waits == Waits::Success {
            self.failures = 0;
            self.waits = Waits::Nothing;
            self.woken = true;
        }
    }
}

/// The pause after this many failures in a row. It doubles from two seconds to a minute, and `chance` takes off up to half of it
/// as jitter. It is never under a second. Source: "equal jitter", AWS Architecture Blog, "Exponential Backoff And Jitter".
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
    fn each_kind_of_refusal_has_its_own_wait() {
        let busy = RefusalKind::Busy(Some(Duration::from_mins(3)));
        // Kind of refusal, whether a page is due, whether the text is the shortest; then what it waits for, until when, whether
        // the text is the shortest.
        let table = [
            (RefusalKind::Unreachable, true, false, Waits::Success, at(2), false),
            (busy, false, false, Waits::Success, at(2), false),
            (RefusalKind::Unreadable, true, false, Waits::Nothing, Duration::ZERO, true),
            (RefusalKind::Unreadable, true, true, Waits::Time, at(120), true),
            (RefusalKind::Unreadable, false, true, Waits::Time, at(900), true),
            (RefusalKind::Rejected, true, false, Waits::Time, at(120), false),
            (RefusalKind::Rejected, false, false, Waits::Time, at(900), false),
        ];
        for (kind, page, shortest, waits, next, short) in table {
            let mut backoff = Backoff { shortest, ..Backoff::default() };
            backoff.failed(kind, page, 1.0, at(0));
            assert_eq!((backoff.waits, backoff.next, backoff.shortest), (waits, next, short), "{kind:?} {page} {shortest}");
        }
    }

    #[test]
    fn a_success_wakes_what_waits_for_connection_and_not_what_was_refused() {
        for (kind, woken) in [(RefusalKind::Unreachable, true), (RefusalKind::Busy(None), true), (RefusalKind::Rejected, false)] {
            let mut backoff = Backoff::default();
            backoff.failed(kind, true, 1.0, at(0));
            backoff.wake();
            assert_eq!(backoff.waits == Waits::Nothing, woken, "{kind:?}");
        }
    }

    #[test]
    fn what_fails_while_the_channel_takes_other_things_is_woken_once_and_waits_for_its_time_then() {
        let mut backoff = Backoff::default();
        backoff.failed(RefusalKind::Unreachable, true, 1.0, at(0));
        backoff.wake();
        backoff.failed(RefusalKind::Unreachable, true, 1.0, at(1));
        backoff.wake();
        assert_eq!((backoff.waits, backoff.next), (Waits::Time, at(3)));
    }

    #[test]
    fn what_becomes_a_page_while_it_was_refused_waits_two_minutes_and_not_fifteen() {
        let mut backoff = Backoff::default();
        backoff.failed(RefusalKind::Rejected, false, 1.0, at(0));
        backoff.is_page();
        assert_eq!(backoff.next, at(120));
    }
}
