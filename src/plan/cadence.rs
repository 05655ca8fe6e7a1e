//! When a probe is due and what happens when it is still busy.

use std::time::Duration;

/// How often a canary's ticks come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// Every so often, at a phase that is a function of the canary's id. At least 1 s unless the service allows less.
    Every(Duration),
    /// At the moments of a cron expression in a time zone; croner's rules, so a skipped hour runs once at its end and a
    /// repeated hour is not skipped.
    Cron {
        /// The parsed expression. It is boxed because it is large and most probes use an interval.
        cron: Box<croner::Cron>,
        /// The zone the expression is read in.
        timezone: chrono_tz::Tz,
    },
}

/// What to do when a slot's earlier run has not ended at its next tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The tick becomes `missed`/`overlap`.
    #[default]
    Skip,
    /// Both run.
    Allow,
}
