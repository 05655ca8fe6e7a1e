//! Budgets that burn: of what share, what counts against them, and what is said of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::whole;
use crate::alert::condition::RowKind;
use crate::alert::fact::Objective;
use crate::outcome::{RunReport, SloCount, Verdict};
use crate::plan::Slo;

/// Characters that are kept of what a run said.
const TOLD: usize = 200;

/// How fast a budget burned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// Burn rate over the long window; 1 spends the budget exactly by the end of the SLO's window.
    pub rate: f64,
    /// Over how long; no longer than what was recorded.
    pub long: Duration,
    /// Burn rate over the short window.
    pub recent: f64,
    /// Bad runs in the long window.
    pub bad: u32,
    /// Counted runs in it.
    pub runs: u32,
    /// Whether it would also burn this fast without the runs that other members tell of.
    #[serde(default = "yes")]
    pub alone: bool,
}

fn yes() -> bool {
    true
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Budget {
    /// Bad runs, of all that count.
    Bad,
    /// Degraded runs, of those that passed.
    Degraded,
}

impl Budget {
    /// The share of runs that may be so, if the probe promises anything of it; 0 where none may.
    pub(in super::super) fn share(self, slo: &Slo) -> Option<f64> {
        match self {
            Self::Bad => slo.success.map(|success| 1.0 - success),
            Self::Degraded => slo.degraded,
        }
    }

    /// The objective that it belongs to.
    pub(super) fn objective(self) -> Objective {
        match self {
            Self::Bad => Objective::BurnRate,
            Self::Degraded => Objective::Degraded,
        }
    }

    /// The kind of its row.
    pub(super) fn row(self) -> RowKind {
        match self {
            Self::Bad => RowKind::Budget,
            Self::Degraded => RowKind::Degraded,
        }
    }

    /// Whether a run keeps to it; nothing of one that does not count.
    pub(super) fn is_kept_by(self, report: &RunReport) -> Option<bool> {
        match (self, report.verdict.slo()) {
            (Self::Bad, SloCount::Good) => Some(true),
            (Self::Bad, SloCount::Bad) => Some(false),
            (Self::Degraded, _) if report.verdict == Verdict::Passed => Some(!report.is_degraded()),
            (Self::Bad, SloCount::Not) | (Self::Degraded, _) => None,
        }
    }

    /// What there is to say of a run that does not keep to it. Failures are told by their canaries.
    pub(super) fn told(self, report: &RunReport) -> Option<Box<str>> {
        match self {
            Self::Bad => None,
            Self::Degraded => {
                let (step, warning) = report.degraded_by().next()?;
                Some(format!("{}: {}", step.name, warning.message()).chars().take(TOLD).collect())
            }
        }
    }

    /// One line on how fast it burns; `share` may be so, and `last` was told of the last run that was.
    pub(super) fn words(self, burn: &Burn, share: f64, last: Option<&str>) -> String {
        let (rate, over) = (burn.rate, whole(burn.long));
        match self {
            Self::Bad => format!(
                "its budget burns {rate:.1} times as fast as it may over {over}: {} of {} runs were bad",
                burn.bad, burn.runs
            ),
            Self::Degraded => format!(
                "{} of {} passed runs over {over} were degraded, {rate:.1} times the {} % that may be{}",
                burn.bad,
                burn.runs,
                // As it was written, without the digits that come of its binary form.
                (share * 1e6).round() / 1e4,
                last.map_or(String::new(), |last| format!("; the last: {last}"))
            ),
        }
    }
}
