//! The rule for a canary's runs: its probe's policy with times that follow from its probe's ticks.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{PageRule, Probe};

/// A streak lives at least so long without a counted run.
const SHORTEST_MEMORY: Duration = Duration::from_hours(1);

/// The longest time that a tick waits for a permit in the scheduler.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a run takes besides its deadline, at most: the ledger's entry, and a machine that is busy.
const AROUND_A_RUN: Duration = Duration::from_secs(10);

/// Most runs of one canary that are assumed to run at once.
const MOST_OVERLAPPING: u128 = 1_000;

/// With longer intervals one pass settles, and one tick without data is too many.
pub(super) const RARE: Duration = Duration::from_hours(1);

/// What a canary is judged by; the same for all canaries of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// When it fails.
    pub(super) page: PageRule,
    /// Passes in a row after which it is settled, if nothing else decides how many.
    pub(super) resolve_after: NonZeroU32,
    /// From a tick to the canary's next; the shortest such pause of a cron expression.
    pub(super) interval: Duration,
    /// How long results are remembered without a counted run: three intervals (the longest ones of a cron expression) or one
    /// hour, whichever is longer.
    pub(super) memory: Duration,
    /// How long after a run's start a run of an earlier tick may still be going: the wait for a permit, twice the deadline, and a
    /// margin.
    pub(super) late_by: Duration,
    /// How many runs of one canary may start in that time, so how many newer results may come before a late one.
    pub(super) overlapping: usize,
}

impl Rule {
    /// The rule of a probe.
    pub(super) fn of(probe: &Probe) -> Self {
        let (shortest, longest) = probe.cadence.pauses();
        let runs = probe.runs.max(1);
        let late_by = shortest.min(LONGEST_WAIT) + probe.deadline * 2 + AROUND_A_RUN;
        Self {
            page: probe.alert.rule,
            resolve_after: probe.alert.resolve_after,
            interval: shortest / runs,
            memory: (longest / runs * 3).max(SHORTEST_MEMORY),
            late_by,
            overlapping: overlapping(probe, late_by, shortest),
        }
    }

    /// Passes in a row that settle.
    pub(super) fn passes(&self) -> u32 {
        match self.page {
            PageRule::Window { failures, of } => of.get().saturating_sub(failures.get()) + 1,
            PageRule::Consecutive(_) if self.interval > RARE => 1,
            PageRule::Consecutive(_) => self.resolve_after.get(),
        }
    }

    /// How long after the last failed run the last of these passes must have started: 1.9 intervals, since runs may start a
    /// little late.
    pub(super) fn span(&self) -> Duration {
        if self.interval > RARE { Duration::ZERO } else { self.interval * 19 / 10 }
    }
}

/// One run for each tick in that time, and one that is brought forward.
fn overlapping(probe: &Probe, late_by: Duration, interval: Duration) -> usize {
    let ticks = u128::from(probe.runs) * (1 + late_by.as_millis().div_ceil(interval.as_millis().max(1)));
    usize::try_from((ticks + 1).min(MOST_OVERLAPPING)).unwrap_or(usize::MAX)
}
