//! The latest runs of a probe as the store keeps them: how many they are, and the failed ones.

use serde::{Deserialize, Serialize};

use super::{Across, AcrossRule, Ran};
use crate::alert::Moment;
use crate::plan::CanaryId;

/// Times are milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    runs: usize,
    /// When the newest of them started.
    last: i64,
    /// How many runs before the newest, when it started, and whose it was.
    failed: Vec<(usize, i64, String)>,
    crossed: bool,
}

impl Across {
    /// The state for the store.
    pub fn to_json(&self, rule: &AcrossRule, now: Moment) -> String {
        let runs = &self.runs[self.runs.len().saturating_sub(rule.of)..];
        let failed = |(ago, run): (usize, &Ran)| Some((ago, now.wall_ms_of(run.at), run.failed.as_ref()?.to_string()));
        let row = Row {
            runs: runs.len(),
            last: runs.last().map_or(0, |run| now.wall_ms_of(run.at)),
            failed: runs.iter().rev().enumerate().filter_map(failed).collect(),
            crossed: self.crossed,
        };
        serde_json::to_string(&row).expect("it has no keys that are not strings")
    }

    /// The state that [`to_json`](Self::to_json) wrote, perhaps in an earlier process: whatever it has seen is older than any
    /// run to come.
    ///
    /// # Errors
    /// If it is no such state.
    pub fn from_json(json: &str, rule: &AcrossRule, now: Moment) -> Result<Self, serde_json::Error> {
        let row: Row = serde_json::from_str(json)?;
        let last = now.steady_of(row.last);
        let mut runs = vec![Ran { order: 0, at: last, failed: None }; row.runs.min(rule.of)];
        for (ago, at, id) in row.failed {
            if let Some(run) = runs.len().checked_sub(ago + 1).and_then(|place| runs.get_mut(place)) {
                *run = Ran { order: 0, at: now.steady_of(at), failed: Some(CanaryId::read_back(&id)) };
            }
        }
        Ok(Self { runs, after: 0, crossed: row.crossed, unwritten: 0 })
    }
}
