//! Observations: numbers that runs read.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::prune::{SLICE, more};
use crate::base::time::signed_millis;
use crate::history::{OBSERVATIONS, ObservationFilter, ObservationRow, ObservationView};

/// Writes an observation. The newest one of a series says how long its series is kept.
pub(super) fn write(transaction: &Transaction<'_>, canary: i64, row: &ObservationRow) -> rusqlite::Result<()> {
    let subject = row.subject.as_deref().unwrap_or_default();
    let series: i64 = transaction
        .prepare_cached(
            "INSERT INTO observation_series (canary, name, subject, keep_ms) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET keep_ms = excluded.keep_ms RETURNING id",
        )?
        .query_row(params![canary, row.name, subject, signed_millis(row.retention)], |row| row.get(0))?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO observations (series, at_ms, value, weight) VALUES (?, ?, ?, ?)")?
        .execute(params![series, row.at_ms, row.value, row.weight])?;
    Ok(())
}

/// Removes old observations of the series after this one. Returns the series to go on after.
pub(super) fn prune(transaction: &Transaction<'_>, now_ms: i64, after: i64) -> rusqlite::Result<Option<i64>> {
    let next: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT id, keep_ms FROM observation_series WHERE id > ? ORDER BY id LIMIT 1")?
        .query_row([after], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((series, keep_ms)) = next else { return Ok(None) };
    let removed = transaction
        .prepare_cached(
            "DELETE FROM observations WHERE series = ?1 AND at_ms IN
                (SELECT at_ms FROM observations WHERE series = ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT ?3)",
        )?
        .execute(params![series, now_ms.saturating_sub(keep_ms), SLICE])?;
    if more(removed) {
        return Ok(Some(after));
    }
    transaction
        .prepare_cached(
            "DELETE FROM observation_series WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM observations WHERE series = ?1)",
        )?
        .execute([series])?;
    Ok(Some(series))
}

pub(super) fn list(connection: &Connection, filter: &ObservationFilter) -> rusqlite::Result<Vec<ObservationView>> {
    let ObservationFilter { canary, name, subject, since_ms, until_ms } = filter;
    let mut found: Vec<ObservationView> = connection
        .prepare_cached(
            "SELECT at_ms, value, weight FROM observations WHERE series = (SELECT id FROM observation_series
                WHERE canary = (SELECT id FROM canaries WHERE name = ?) AND name = ? AND subject = ?)
             AND at_ms >= ? AND at_ms < ? ORDER BY at_ms DESC LIMIT ?",
        )?
        .query_map(params![canary, name, subject.as_deref().unwrap_or_default(), since_ms, until_ms, OBSERVATIONS], |row| {
            Ok(ObservationView { at_ms: row.get(0)?, value: row.get(1)?, weight: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    found.reverse();
    Ok(found)
}
