//! The time by which retention decides what is old: the wall clock, but not a jump ahead before it has lasted for a day.
//!
//! A clock that is a month ahead for a minute must not remove a month of history. A jump forward of more than a day is doubted
//! until the clock has gone on from there for a day; meanwhile nothing more becomes old. If it jumps forward once more meanwhile,
//! as for a prober that runs a few hours a week, one hour is enough. A jump back removes nothing and is taken at once. Pure:
//! whoever asks says what the clock shows and keeps what is known.

/// Milliseconds of an hour.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Milliseconds of a day. A jump that is longer is doubted, for so long.
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// How much of that day is still to come, at most, where the clock went forward by more than a day while it was doubted. Not
/// nothing: it may be wrong for a minute just then.
const AFTER_PAUSE_MS: i64 = HOUR_MS;

/// What is known of the wall clock. Milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetentionClock {
    /// What it showed when it was last believed.
    pub(super) trusted: i64,
    /// Since when, and up to when, it has shown what is not believed. A pause of more than a day is no part of that time: it moves
    /// the beginning.
    pub(super) doubt: Option<(i64, i64)>,
}

impl RetentionClock {
    /// A clock that is believed to have shown this.
    pub(super) fn at(trusted: i64) -> Self {
        Self { trusted, doubt: None }
    }

    /// After the clock showed `now`.
    pub(super) fn after(self, now: i64) -> Self {
        if now.saturating_sub(self.trusted) <= DAY_MS {
            return Self::at(now);
        }
        match self.doubt {
            Some((since, seen)) if now >= since && seen.saturating_sub(now) <= DAY_MS => {
                let paused = now.saturating_sub(seen) > DAY_MS;
                let since = if paused { now - (seen - since).max(DAY_MS - AFTER_PAUSE_MS) } else { since };
                let lasted = now - since >= DAY_MS;
                if lasted { Self::at(now) } else { Self { doubt: Some((since, now)), ..self } }
            }
            Some(_) | None => Self { doubt: Some((now, now)), ..self },
        }
    }

    /// Whether what the clock shows is not believed, and was not shown before.
    pub(super) fn is_new_doubt(&self) -> bool {
        self.doubt.is_some_and(|(since, seen)| since == seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// What is believed after the clock showed these hours, starting from hour 0.
    fn believed(hours: impl IntoIterator<Item = i64>) -> i64 {
        hours.into_iter().fold(RetentionClock::at(0), |clock, hour| clock.after(hour * HOUR)).trusted / HOUR
    }

    #[test]
    fn a_clock_that_is_far_ahead_for_a_while_is_not_believed() {
        assert_eq!(believed([1, 2, 2 + 720, 3]), 3);
        assert_eq!(believed((1..20).map(|hour| hour + 720)), 0, "not even for most of a day");
        assert_eq!(believed([1, 900, 2, 900, 3]), 3, "nor again and again");
    }

    #[test]
    fn a_jump_that_has_lasted_for_a_day_is_believed_and_smaller_steps_are_at_once() {
        assert_eq!(believed((0..=24).map(|hour| hour + 720)), 744);
        assert_eq!(believed([24]), 24);
        assert_eq!(believed([100, 130]), 0, "it jumped again");
        assert_eq!(believed([100, 80, 110]), 0);
    }

    #[test]
    fn a_prober_that_runs_a_few_hours_a_week_believes_its_clock_in_the_second_week() {
        let week = |week: i64| (0..3).map(move |hour| week * 168 + hour);
        assert_eq!(believed(week(1)), 0);
        assert_eq!(believed(week(1).chain([336])), 0, "a clock that is wrong for a minute is not believed then either");
        assert_eq!(believed(week(1).chain([336, 169, 170])), 0, "and not after it was right again");
        assert_eq!(believed(week(1).chain(week(2))), 338);
        assert_eq!(believed((1..=4).flat_map(week)), 674, "and from then on every other week");
    }

    #[test]
    fn a_clock_that_was_set_back_removes_nothing_and_is_doubted_when_it_comes_back() {
        assert_eq!(believed([100].into_iter().chain(100..=124).chain([-50])), -50);
        assert_eq!(believed([-50, 1]), -50);
    }
}
