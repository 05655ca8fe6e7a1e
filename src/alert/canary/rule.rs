//! What a canary is judged by.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{PageRule, Probe};

/// A streak lives at least so long without a counted run.
const SHORTEST_MEMORY: Duration = Duration::from_hours(1);

/// The longest that a tick waits for its turn, as the scheduler has it.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a run takes besides its deadline, at most: the ledger's entry, and a machine that is busy.
const AROUND_A_RUN: Duration = Duration::from_secs(10);

/// Most runs of one canary that are reckoned with at once where they are counted.
const MOST_OVERLAPPING: u128 = 1_000;

/// What a canary is judged by; the same for all canaries of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryRule {
    /// When it is at page level.
    pub rule: PageRule,
    /// Passes in a row after which it is well again, if they span two intervals.
    pub resolve_after: NonZeroU32,
    /// The probe's interval; the shortest one of a cron expression.
    pub interval: Duration,
    /// How long results are remembered without a counted run: three intervals (the longest ones of a cron expression) or one
    /// hour, whichever is longer.
    pub memory: Duration,
    /// So long after a run's start a run that was launched before it may still be under way: the wait for its turn, its
    /// deadline prolonged by itself, and a little.
    pub late_by: Duration,
    /// Runs of one canary that may start meanwhile, one a tick, so that a result can come after that many newer ones.
    pub overlapping: usize,
}

impl CanaryRule {
    /// The rule of a probe.
    pub fn of(probe: &Probe) -> Self {
        let (shortest, longest) = probe.cadence.pauses();
        let late_by = shortest.min(LONGEST_WAIT) + probe.deadline * 2 + AROUND_A_RUN;
        Self {
            rule: probe.alert.rule,
            resolve_after: probe.alert.resolve_after,
            interval: shortest,
            memory: (longest * 3).max(SHORTEST_MEMORY),
            late_by,
            overlapping: overlapping(probe, late_by, shortest),
        }
    }

    /// What passes in a row must span: two intervals, less a tenth of one, because runs start a little late now and then.
    pub fn span(&self) -> Duration {
        self.interval * 19 / 10
    }
}

/// One of each tick that comes in that time, and one that is brought forward.
fn overlapping(probe: &Probe, late_by: Duration, interval: Duration) -> usize {
    let ticks = u128::from(probe.runs) * (1 + late_by.as_millis().div_ceil(interval.as_millis().max(1)));
    usize::try_from((ticks + 1).min(MOST_OVERLAPPING)).unwrap_or(usize::MAX)
}
