//! What a canary is judged by.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{Overlap, PageRule, Probe};

/// A streak lives at least so long without a counted run.
const SHORTEST_MEMORY: Duration = Duration::from_hours(1);

/// Most results of one canary that are kept apart for late ones to be put between.
const MOST_OVERLAPPING: u128 = 64;

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
    /// Runs of one canary that may be under way at once, so that a result can come after that many newer ones.
    pub overlapping: usize,
}

impl CanaryRule {
    /// The rule of a probe.
    pub fn of(probe: &Probe) -> Self {
        let (shortest, longest) = probe.cadence.pauses();
        Self {
            rule: probe.alert.rule,
            resolve_after: probe.alert.resolve_after,
            interval: shortest,
            memory: (longest * 3).max(SHORTEST_MEMORY),
            overlapping: overlapping(probe, shortest),
        }
    }

    /// What passes in a row must span: two intervals, less a tenth of one, because runs start a little late now and then.
    pub fn span(&self) -> Duration {
        self.interval * 19 / 10
    }
}

/// One run a slot, and one brought forward; without the slots' own order as many as fit into a deadline.
fn overlapping(probe: &Probe, interval: Duration) -> usize {
    let slots = u128::from(probe.runs);
    let most = match probe.overlap {
        Overlap::Skip => slots + 1,
        Overlap::Allow => slots * (1 + probe.deadline.as_millis().div_ceil(interval.as_millis().max(1))) + 1,
    };
    usize::try_from(most.min(MOST_OVERLAPPING)).unwrap_or(usize::MAX)
}
