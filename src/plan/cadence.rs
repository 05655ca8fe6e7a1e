//! When a probe is due and what happens when it is still busy.

use std::time::Duration;

/// How often a canary's ticks come.
#[derive(Debug, Clone)]
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

/// Moments of a cron expression looked at for its pauses.
const CRON_MOMENTS: usize = 100;

impl Cadence {
    /// The shortest and the longest pause between two ticks of one slot: the interval twice; of a cron expression those among
    /// its next moments.
    pub fn pauses(&self) -> (Duration, Duration) {
        match self {
            Self::Every(interval) => (*interval, *interval),
            Self::Cron { cron, timezone } => {
                let moments: Vec<_> = cron.iter_after(chrono::Utc::now().with_timezone(timezone)).take(CRON_MOMENTS).collect();
                let pauses = moments.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok());
                pauses
                    .fold(None, |known: Option<(Duration, Duration)>, pause| {
                        Some(known.map_or((pause, pause), |(shortest, longest)| (shortest.min(pause), longest.max(pause))))
                    })
                    .unwrap_or_default()
            }
        }
    }
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
