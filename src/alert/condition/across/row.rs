//! The store's row of `across`: the canaries of the latest runs, and which runs failed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::ratio::Held;
use super::{Across, FailedRuns, WindowRun};
use crate::alert::{Failure, Moment};
use crate::plan::CanaryId;

/// Times are milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AcrossRow {
    runs: usize,
    /// When the newest of them started.
    last: i64,
    /// Failed runs: how many runs before the newest, start time and canary.
    failed: Vec<(usize, i64, String)>,
    /// Whether it fails.
    crossed: bool,
    /// The canaries, and for each run, oldest first, its canary's index among them. An earlier version did not store it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    canaries: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    whose: Vec<Option<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Arc<Failure>>,
}

/// What is known of it while it fails.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct HeldRow {
    since: i64,
    last: i64,
    failed: u32,
    runs: u32,
    quiet: u64,
}

impl Across {
    /// The state for the store.
    pub(super) fn to_json(&self, now: Moment) -> String {
        let runs = self.ratio.window(self.ratio.newest(), self.of);
        let mut canaries: Vec<&CanaryId> = runs.iter().filter_map(|(_, ran)| ran.canary.as_ref()).collect();
        canaries.sort_unstable();
        canaries.dedup();
        let whose = |ran: &WindowRun| ran.canary.as_ref().and_then(|canary| canaries.binary_search(&canary).ok());
        let failed = |(ago, (_, ran)): (usize, &(u64, WindowRun))| {
            let canary = ran.canary.as_ref().filter(|_| ran.failed)?;
            Some((ago, now.wall_ms_of(ran.at), canary.to_string()))
        };
        let held = self.ratio.held().map(|held| HeldRow {
            since: now.wall_ms_of(held.seen.since),
            last: now.wall_ms_of(held.seen.last),
            failed: held.seen.failed,
            runs: held.seen.runs,
            quiet: held.quiet,
        });
        let row = AcrossRow {
            runs: runs.len(),
            last: runs.last().map_or(0, |(_, run)| now.wall_ms_of(run.at)),
            failed: runs.iter().rev().enumerate().filter_map(failed).collect(),
            crossed: held.is_some(),
            whose: runs.iter().map(|(_, ran)| whose(ran)).collect(),
            canaries: canaries.iter().map(ToString::to_string).collect(),
            failure: held.as_ref().and(self.evidence.as_ref()).map(|(_, failure)| Arc::clone(failure)),
            held,
        };
        super::super::to_json(&row)
    }

    /// Restores what [`to_json`](Self::to_json) wrote. All restored runs count as older than any run to come.
    pub(super) fn read(&mut self, json: &str, now: Moment) -> Result<(), serde_json::Error> {
        let row: AcrossRow = serde_json::from_str(json)?;
        let last = now.steady_of(row.last);
        let count = row.runs.min(usize::try_from(self.of).unwrap_or(usize::MAX));
        let mut runs = vec![WindowRun { order: 0, at: last, canary: None, failed: false }; count];
        let canaries: Vec<CanaryId> = row.canaries.iter().map(|id| CanaryId::read_back(id)).collect();
        for (ran, whose) in runs.iter_mut().rev().zip(row.whose.iter().rev()) {
            ran.canary = whose.and_then(|whose| canaries.get(whose).cloned());
        }
        for (ago, at, id) in row.failed {
            if let Some(run) = runs.len().checked_sub(ago + 1).and_then(|place| runs.get_mut(place)) {
                *run = WindowRun { order: 0, at: now.steady_of(at), canary: Some(CanaryId::read_back(&id)), failed: true };
            }
        }
        let failed = || runs.iter().filter(|ran| ran.failed);
        // An earlier version stored only that the rule was crossed.
        let before = row.crossed.then(|| HeldRow {
            since: failed().next().map_or(row.last, |ran| now.wall_ms_of(ran.at)),
            last: failed().next_back().map_or(row.last, |ran| now.wall_ms_of(ran.at)),
            failed: u32::try_from(failed().count()).unwrap_or(u32::MAX),
            runs: u32::try_from(count).unwrap_or(u32::MAX),
            quiet: 0,
        });
        let crossed = row.held.or(before).map(|kept| {
            let (since, last) = (now.steady_of(kept.since), now.steady_of(kept.last));
            let seen = FailedRuns { failed: kept.failed, runs: kept.runs, since, last };
            Held { since, seen, quiet: kept.quiet }
        });
        self.ratio = (1..).zip(runs).collect();
        self.ratio.hold(crossed);
        self.evidence = row.failure.map(|failure| (0, failure));
        Ok(())
    }
}
