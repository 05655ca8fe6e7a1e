//! The store's row of counted runs: JSON with wall-clock times and without defaults.
//!
//! Rows of the version before can be read. They have no [`took`](StreakRow::took), [`failed`](StreakRow::failed), `runs` and
//! `failed_at`; suspicion follows from their failures in a row and their window.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::is_default;
use super::Track;
use super::streak::Streak;
use crate::alert::fact::LastRun;
use crate::alert::{Failure, Moment};
use crate::base::time::millis;

/// A canary's row. An earlier version stored the clock of *no data* in it, too.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CanaryRow {
    pub(super) runs: StreakRow,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) failure: Option<Arc<Failure>>,
}

/// Whether the row of a canary says that it is not well, of a run after its last known tick (milliseconds since the epoch), and another
/// row of it, if there is one, does not say so already.
///
/// # Errors
/// If either is no such row.
pub fn fails_since(row: &str, other: Option<&str>, ticked_ms: Option<i64>) -> Result<bool, serde_json::Error> {
    let row: CanaryRow = serde_json::from_str(row)?;
    let other: Option<CanaryRow> = other.map(serde_json::from_str).transpose()?;
    let is_known = other.is_some_and(|other| other.failure.is_some());
    Ok(row.failure.is_some() && !is_known && row.runs.last > ticked_ms)
}

/// A course of counted runs. Times are milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct StreakRow {
    /// When the last run started.
    #[serde(skip_serializing_if = "is_default")]
    last: Option<i64>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    took: u64,
    /// Failures in a row.
    #[serde(skip_serializing_if = "is_default")]
    failures: u32,
    #[serde(skip_serializing_if = "is_default")]
    since: Option<i64>,
    /// Failed runs in the window: how many judged runs ago, and when they started.
    #[serde(skip_serializing_if = "is_default")]
    window: Vec<(u64, i64)>,
    /// Since when it has not been well, if it fails.
    #[serde(skip_serializing_if = "is_default")]
    paging: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    passes: u32,
    /// When the first of them started; only of an earlier version.
    #[serde(skip_serializing)]
    passing: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    failed: u32,
    #[serde(skip_serializing_if = "is_default")]
    runs: u32,
    #[serde(skip_serializing_if = "is_default")]
    failed_at: Option<i64>,
}

impl StreakRow {
    /// What is kept of a track.
    pub(in super::super) fn of(track: &Track, now: Moment) -> Self {
        let streak = track.streak();
        let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
        let took = streak.last.map_or(Duration::ZERO, |last| last.ended.saturating_sub(last.started));
        Self {
            last: wall(streak.last.map(|last| last.started)),
            took: millis(took),
            failures: streak.failures,
            since: wall(streak.since.filter(|_| !streak.failing)),
            window: streak.window.all().iter().map(|(number, at)| (streak.number - number, now.wall_ms_of(*at))).collect(),
            paging: wall(streak.since.filter(|_| streak.failing)),
            passes: if streak.since.is_some() { streak.passes } else { 0 },
            passing: None,
            failed: streak.failed,
            runs: streak.runs,
            failed_at: wall(streak.last_failed),
        }
    }

    /// The track again, with all its runs settled.
    pub(in super::super) fn track(self, now: Moment) -> Track {
        let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
        let number = self.window.iter().map(|(ago, _)| *ago).max().unwrap_or(0) + 1;
        let since = self.paging.or(self.since).or(self.window.first().map(|(_, at)| *at));
        let last = self.last.map(|started| {
            let started = now.steady_of(started);
            let ended = (started + Duration::from_millis(self.took)).min(now.steady);
            LastRun { failed: self.failures > 0, started, ended }
        });
        // An earlier version did not store it. It was the last run, or the one before the first pass.
        let failed_at = self.failed_at.or(self.passing).or(self.last).filter(|_| since.is_some());
        let failed = self.failed.max(self.failures).max(u32::try_from(self.window.len()).unwrap_or(u32::MAX));
        let is_well = since.is_none();
        Track::recovered(Streak {
            last,
            failures: self.failures,
            since: steady(since),
            failing: self.paging.is_some(),
            failed: if is_well { 0 } else { failed.max(1) },
            runs: if is_well { 0 } else { self.runs.max(failed).max(1) },
            last_failed: steady(failed_at),
            passes: self.passes,
            number,
            window: self.window.iter().map(|(ago, at)| (number - ago, now.steady_of(*at))).collect(),
        })
    }
}
