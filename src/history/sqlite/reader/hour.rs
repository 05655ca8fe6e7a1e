//! The hours of canaries.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::super::rollup::reasons;
use crate::history::encoding::hour::{steps_from_bytes, ticks_from_bytes};
use crate::history::retention_clock::HOUR_MS;
use crate::history::rollup_parts::hours;
use crate::history::{HOURS_OF_ALL, HourCounts, RollupView, RunCounts, Sketch, TICKS, TickView};

/// Hours of a canary that something may lie in.
const OF_CANARY: &str =
    "FROM rollups WHERE canary = (SELECT id FROM canaries WHERE name = ?) AND hour >= ? AND hour * 3600000 < ? ORDER BY hour";

/// The counts of the hours of all canaries, from the index alone.
const COUNTS: &str = "SELECT hour, passed, failed, errored, missed, blocked, skipped, degraded, canaries.id, name
    FROM rollups CROSS JOIN canaries ON canaries.id = rollups.canary WHERE hour >= ? AND hour < ?
    ORDER BY hour DESC, name DESC LIMIT ?";

/// What a rollup is read from, after its hour.
pub(super) const ROLLUP: &str = "passed, failed, errored, missed, blocked, skipped, degraded, durations, reasons, steps";

pub(super) fn rollups(connection: &Connection, canary: &str, since_ms: i64, until_ms: i64) -> rusqlite::Result<Vec<RollupView>> {
    connection
        .prepare_cached(&format!("SELECT hour, {ROLLUP} {OF_CANARY}"))?
        .query_map(params![canary, since_ms.div_euclid(HOUR_MS), until_ms], |row| rollup(row, HOUR_MS))?
        .collect()
}

/// The counts of the hours of all canaries, by hour and then by canary; the newest ones if they are too many.
pub(super) fn rollups_of_all(connection: &Connection, since_ms: i64, until_ms: i64) -> rusqlite::Result<Vec<HourCounts>> {
    let hours = hours(since_ms, until_ms);
    let mut names: HashMap<i64, Arc<str>> = HashMap::new();
    let mut found: Vec<HourCounts> = connection
        .prepare_cached(COUNTS)?
        .query_map(params![hours.start, hours.end, HOURS_OF_ALL], |row| {
            let name = row.get_ref(9)?.as_str()?;
            Ok(HourCounts {
                canary: Arc::clone(names.entry(row.get(8)?).or_insert_with(|| name.into())),
                hour_ms: row.get::<_, i64>(0)? * HOUR_MS,
                counts: counts(row)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    found.reverse();
    Ok(found)
}

/// From the columns after the first: passed, failed, errored, missed, blocked, skipped, degraded.
pub(super) fn counts(row: &Row<'_>) -> rusqlite::Result<RunCounts> {
    Ok(RunCounts {
        passed: row.get(1)?,
        failed: row.get(2)?,
        errored: row.get(3)?,
        missed: row.get(4)?,
        blocked: row.get(5)?,
        skipped: row.get(6)?,
        degraded: row.get(7)?,
    })
}

/// From the number of an hour, or of what is as long as this, and the columns of [`ROLLUP`].
pub(super) fn rollup(row: &Row<'_>, unit_ms: i64) -> rusqlite::Result<RollupView> {
    let durations = Sketch::from_bytes(row.get_ref(8)?.as_blob()?);
    Ok(RollupView {
        start_ms: row.get::<_, i64>(0)? * unit_ms,
        counts: counts(row)?,
        durations,
        reasons: reasons(row.get(9)?),
        steps: steps_from_bytes(row.get_ref(10)?.as_blob_or_null()?.unwrap_or_default()),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// However much else is kept of an hour.
    #[test]
    fn the_counts_of_all_canaries_are_read_from_the_index_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::super::schema::migrate(&mut connection).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {COUNTS}")).unwrap();
        let steps: Vec<String> = plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        assert_eq!(steps[0], "SEARCH rollups USING COVERING INDEX rollups_by_hour (hour>? AND hour<?)");
    }
}
