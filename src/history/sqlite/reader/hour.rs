//! The hours of a canary.

use rusqlite::{Connection, params};

use super::super::rollup::reasons;
use crate::history::encoding::hour::{steps_from_bytes, ticks_from_bytes};
use crate::history::retention_clock::HOUR_MS;
use crate::history::{RollupView, Sketch, TICKS, TickView};

/// Hours of a canary that something may lie in.
const OF_CANARY: &str =
    "FROM rollups WHERE canary = (SELECT id FROM canaries WHERE name = ?) AND hour >= ? AND hour * 3600000 < ? ORDER BY hour";

pub(super) fn rollups(connection: &Connection, canary: &str, since_ms: i64, until_ms: i64) -> rusqlite::Result<Vec<RollupView>> {
    connection
        .prepare_cached(&format!(
            "SELECT hour, passed, failed, errored, missed, blocked, skipped, durations, reasons, steps, degraded {OF_CANARY}"
        ))?
        .query_map(params![canary, since_ms.div_euclid(HOUR_MS), until_ms], |row| {
            let durations = Sketch::from_bytes(row.get_ref(7)?.as_blob()?);
            Ok(RollupView {
                hour_ms: row.get::<_, i64>(0)? * HOUR_MS,
                passed: row.get(1)?,
                failed: row.get(2)?,
                errored: row.get(3)?,
                missed: row.get(4)?,
                blocked: row.get(5)?,
                skipped: row.get(6)?,
                degraded: row.get(10)?,
                p50_us: durations.percentile(50),
                p95_us: durations.percentile(95),
                p99_us: durations.percentile(99),
                durations,
                reasons: reasons(row.get(8)?),
                steps: steps_from_bytes(row.get_ref(9)?.as_blob_or_null()?.unwrap_or_default()),
            })
        })?
        .collect()
}

pub(super) fn ticks(connection: &Connection, canary: &str, since_ms: i64, until_ms: i64) -> rusqlite::Result<Vec<TickView>> {
    let mut ticks = Vec::new();
    let mut rows = connection.prepare_cached(&format!("SELECT hour, ticks {OF_CANARY}"))?;
    let mut rows = rows.query(params![canary, since_ms.div_euclid(HOUR_MS), until_ms])?;
    while let Some(row) = rows.next()?
        && ticks.len() < TICKS
    {
        let (hour, bytes) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_blob_or_null()?.unwrap_or_default());
        let mut of_hour = ticks_from_bytes(bytes, hour.saturating_mul(HOUR_MS), TICKS);
        of_hour.retain(|tick| tick.due_ms >= since_ms && tick.due_ms < until_ms);
        // They are in the order of writing; a slow run ends after a later one.
        of_hour.sort_by_key(|tick| tick.due_ms);
        ticks.extend(of_hour);
    }
    ticks.truncate(TICKS);
    Ok(ticks)
}
