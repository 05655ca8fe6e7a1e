//! The hours of a probe's canaries, and their days where whole days may come as one.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::super::days::summed;
use super::hour::{self, ROLLUP, rollup};
use crate::history::retention_clock::HOUR_MS;
use crate::history::rollup_parts::{hours, newest, parts};
use crate::history::{HOURS_OF_PROBE, ProbeCounts, ProbeRollups, ProbeTotal, RollupFilter, RunCounts};

/// The canaries that are asked for.
const OF_PROBE: &str = "canaries.probe = (SELECT id FROM probes WHERE name = ?1) AND (?2 IS NULL OR canaries.name = ?2)";

/// The rollups of a probe's canaries.
pub(super) fn rollups(connection: &Connection, filter: &RollupFilter) -> rusqlite::Result<ProbeRollups> {
    let newest_hour: Option<i64> = connection.prepare_cached("SELECT max(hour) FROM rollups")?.query_row([], |row| row.get(0))?;
    let Some(newest_hour) = newest_hour else { return Ok(ProbeRollups::default()) };
    let asked = hours(filter.since_ms, filter.until_ms);
    let hours = asked.start..asked.end.min(newest_hour + 1);
    let canaries: usize = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM canaries WHERE {OF_PROBE}
             AND EXISTS (SELECT 1 FROM rollups WHERE canary = canaries.id AND hour >= ?3 AND hour < ?4)"
        ))?
        .query_row(params![filter.probe, filter.canary, hours.start, hours.end], |row| row.get(0))?;
    let each = i64::try_from(HOURS_OF_PROBE / canaries.max(1)).unwrap_or(i64::MAX).max(1);
    let (parts, cut_ms) = newest(parts(filter.by_day, hours, summed(connection)?), each);
    let mut rollups = Vec::new();
    for (unit, numbers) in parts {
        let (column, table, unit_ms) = unit.place();
        let mut rows = connection.prepare_cached(&format!(
            "SELECT {column}, {ROLLUP}, name FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= ?3 AND {column} < ?4"
        ))?;
        let rows = rows.query_map(params![filter.probe, filter.canary, numbers.start, numbers.end], |row| {
            Ok((row.get(11)?, rollup(row, unit_ms)?))
        })?;
        for row in rows {
            rollups.push(row?);
        }
    }
    // Not in SQL, which would carry the sketches through its sorter.
    rollups.sort_by(|(one, of_one), (other, of_other)| (of_one.start_ms, one).cmp(&(of_other.start_ms, other)));
    Ok(ProbeRollups { rollups, cut_ms })
}

/// The counts of all of a probe's canaries together.
pub(super) fn counts(connection: &Connection, filter: &RollupFilter) -> rusqlite::Result<Vec<ProbeCounts>> {
    let hours = hours(filter.since_ms, filter.until_ms);
    let mut counts = Vec::new();
    for (unit, numbers) in parts(filter.by_day, hours, summed(connection)?) {
        let (column, table, unit_ms) = unit.place();
        let mut rows = connection.prepare_cached(&format!(
            "SELECT {column}, sum(passed), sum(failed), sum(errored), sum(missed), sum(blocked), sum(skipped), sum(degraded)
             FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE {OF_PROBE} AND {column} >= ?3 AND {column} < ?4 GROUP BY {column} ORDER BY {column}"
        ))?;
        let rows = rows.query_map(params![filter.probe, filter.canary, numbers.start, numbers.end], |row| {
            Ok(ProbeCounts { start_ms: row.get::<_, i64>(0)? * unit_ms, counts: hour::counts(row)? })
        })?;
        for row in rows {
            counts.push(row?);
        }
    }
    Ok(counts)
}

/// The first hour that is kept of each probe: of each canary one look into its rollups.
const KEPT: &str = "SELECT probes.id, probes.name, min((SELECT min(hour) FROM rollups WHERE canary = canaries.id)) AS first
    FROM probes CROSS JOIN canaries ON canaries.probe = probes.id WHERE ?1 IS NULL OR probes.name = ?1
    GROUP BY probes.id HAVING first IS NOT NULL ORDER BY probes.name";

/// What each probe's hours come to, or those of one.
pub(super) fn totals(
    connection: &Connection,
    probe: Option<&str>,
    since_ms: i64,
    until_ms: i64,
) -> rusqlite::Result<Vec<ProbeTotal>> {
    // One transaction, so that all queries see the same state.
    let picture = connection.unchecked_transaction()?;
    let mut counts: HashMap<i64, RunCounts> = HashMap::new();
    for (unit, numbers) in parts(true, hours(since_ms, until_ms), summed(&picture)?) {
        let (column, table, _) = unit.place();
        let mut rows = picture.prepare_cached(&format!(
            "SELECT canaries.probe, sum(passed), sum(failed), sum(errored), sum(missed), sum(blocked), sum(skipped), sum(degraded)
             FROM canaries CROSS JOIN {table} ON {table}.canary = canaries.id
             WHERE (?1 IS NULL OR canaries.probe = (SELECT id FROM probes WHERE name = ?1)) AND {column} >= ?2 AND {column} < ?3
             GROUP BY canaries.probe"
        ))?;
        let rows =
            rows.query_map(params![probe, numbers.start, numbers.end], |row| Ok((row.get::<_, i64>(0)?, hour::counts(row)?)))?;
        for row in rows {
            let (of, more) = row?;
            counts.entry(of).or_default().add(more);
        }
    }
    let mut rows = picture.prepare_cached(KEPT)?;
    let rows = rows.query_map([probe], |row| {
        let counts = counts.get(&row.get(0)?).copied().unwrap_or_default();
        Ok(ProbeTotal { probe: row.get(1)?, kept_since_ms: row.get::<_, i64>(2)?.saturating_mul(HOUR_MS), counts })
    })?;
    rows.collect()
}
