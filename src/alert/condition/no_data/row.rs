//! The store's rows of *no data*. An earlier version stored the clock in the canary's row, and here only that a canary was
//! without data.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::{NoData, RegionCanaries, Restored};
use crate::alert::Moment;
use crate::alert::condition::{RowKind, is_default, row, to_json};
use crate::base::time::millis;
use crate::history::{RestoredState, StateRow};
use crate::outcome;
use crate::plan::CanaryId;

/// A canary's clock. Times are milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct ClockRow {
    /// Milliseconds that it showed when it was started.
    #[serde(skip_serializing_if = "is_default")]
    ran: u64,
    #[serde(skip_serializing_if = "is_default")]
    clock: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    waiting: Option<i64>,
    /// Ticks without data, those that wait for a run, and why.
    #[serde(skip_serializing_if = "is_default")]
    ticks: u64,
    #[serde(skip_serializing_if = "is_default")]
    waits: u64,
    #[serde(skip_serializing_if = "is_default")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    failing: bool,
}

impl ClockRow {
    fn clock(self, now: Moment) -> Clock {
        let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
        let reason = self.reason.and_then(|word| word.parse().ok());
        let no_data = outcome::NoData { ticks: self.ticks, waiting: self.waits, reason };
        Clock { ran: Duration::from_millis(self.ran), since: steady(self.clock), waiting: steady(self.waiting), no_data }
    }
}

impl NoData {
    /// Takes back a row. Those of canaries are used when the canaries are watched.
    pub(super) fn read(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        let id = CanaryId::read_back(&row.key);
        match (row.kind.parse(), row.key.contains('/')) {
            // Only the clock is of this condition.
            (Ok(RowKind::Canary), _) => {
                let clock = serde_json::from_str::<ClockRow>(&row.json)?.clock(now);
                if !clock.has_data() {
                    self.restored.entry(id).or_default().clock = clock;
                }
                Ok(false)
            }
            (Ok(RowKind::Blind), true) if row.json == "true" => {
                self.restored.entry(id).or_default().failing = true;
                Ok(true)
            }
            (Ok(RowKind::Blind), true) => {
                let kept: ClockRow = serde_json::from_str(&row.json)?;
                self.restored.insert(id, Restored { failing: kept.failing, clock: kept.clock(now) });
                Ok(true)
            }
            (Ok(RowKind::Blind), false) => {
                self.regions.entry(row.key.as_str().into()).or_default().restore_blind();
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The row of a canary; none while it has data.
    pub(super) fn canary_row(&self, id: &CanaryId, now: Moment) -> StateRow {
        let watch = self.watched.get(id).filter(|watch| !watch.clock.has_data() || watch.failing.is_some());
        let json = watch.map(|watch| {
            let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
            let no_data = watch.clock.no_data();
            to_json(&ClockRow {
                ran: millis(watch.clock.ran),
                clock: wall(watch.clock.since),
                waiting: wall(watch.clock.waiting),
                ticks: no_data.ticks,
                waits: no_data.waiting,
                reason: no_data.reason.map(|reason| reason.as_str().to_owned()),
                failing: watch.failing.is_some(),
            })
        });
        row(RowKind::Blind, id.as_str(), json)
    }

    /// The row of a region; none unless it is without data as a whole.
    pub(super) fn region_row(&self, region: &Arc<str>) -> StateRow {
        let blind = self.regions.get(region).is_some_and(RegionCanaries::is_blind);
        row(RowKind::Blind, &**region, blind.then(|| "true".to_owned()))
    }
}
