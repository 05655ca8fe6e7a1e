//! Artifacts and observations: what runs hand in beside their reports, and when it goes.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::housekeep::{SLICE, more};
use crate::base::time::signed_millis;
use crate::history::{Artifact, ArtifactRow, ArtifactView, OBSERVATIONS, ObservationFilter, ObservationRow, ObservationView};

/// Artifacts that a slice of housekeeping removes; each may be large.
const ARTIFACTS: usize = 50;

/// Writes artifacts as far as a run may have any.
pub(super) fn artifacts(transaction: &Transaction<'_>, rows: &[ArtifactRow]) -> rusqlite::Result<()> {
    for ArtifactRow { run_id, name, media_type, bytes } in rows {
        let run = run_id.0.0.to_be_bytes();
        let (count, kept): (usize, usize) = transaction
            .prepare_cached("SELECT count(*), coalesce(sum(length(bytes)), 0) FROM artifacts WHERE run = ?")?
            .query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count >= ArtifactRow::OF_RUN {
            continue;
        }
        let fits = bytes.len() <= ArtifactRow::BYTES && kept + bytes.len() <= ArtifactRow::BYTES_OF_RUN;
        transaction
            .prepare_cached("INSERT OR IGNORE INTO artifacts (run, name, media_type, size, bytes) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![run, name, media_type, bytes.len(), fits.then_some(&**bytes)])?;
    }
    Ok(())
}

/// Writes an observation; the newest one says how long those of its series are looked back on.
pub(super) fn observation(transaction: &Transaction<'_>, canary: i64, row: &ObservationRow) -> rusqlite::Result<()> {
    let subject = row.subject.as_deref().unwrap_or_default();
    let series: i64 = transaction
        .prepare_cached(
            "INSERT INTO observation_series (canary, name, subject, keep_ms) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET keep_ms = excluded.keep_ms RETURNING id",
        )?
        .query_row(params![canary, row.name, subject, signed_millis(row.keep)], |row| row.get(0))?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO observations (series, at_ms, value, weight) VALUES (?, ?, ?, ?)")?
        .execute(params![series, row.at_ms, row.value, row.weight])?;
    Ok(())
}

/// Removes a run's artifacts.
pub(super) fn forget_artifacts(transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM artifacts WHERE run = (SELECT run_id FROM runs WHERE id = ?)")?.execute([run])?;
    Ok(())
}

/// Removes artifacts from before this time whose runs never came, or are gone; whether there may be more.
pub(super) fn forget_strays(transaction: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<bool> {
    // An id begins with the time of its run, as 48 bits.
    let time = u128::from(u64::try_from(before_ms).unwrap_or(0)) << 80;
    let removed = transaction
        .prepare_cached(
            "DELETE FROM artifacts WHERE rowid IN (SELECT rowid FROM artifacts WHERE run < ?1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = artifacts.run) LIMIT ?2)",
        )?
        .execute(params![time.to_be_bytes(), ARTIFACTS])?;
    Ok(removed == ARTIFACTS)
}

/// Removes what no window reaches back to any more, of the series after this one; which one it came to.
pub(super) fn forget_observations(transaction: &Transaction<'_>, now_ms: i64, after: i64) -> rusqlite::Result<Option<i64>> {
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

pub(super) fn list_artifacts(connection: &Connection, run_id: &str) -> rusqlite::Result<Vec<ArtifactView>> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(Vec::new()) };
    connection
        .prepare_cached("SELECT name, media_type, size, bytes IS NOT NULL FROM artifacts WHERE run = ? ORDER BY name")?
        .query_map([run.0.to_be_bytes()], |row| {
            Ok(ArtifactView { name: row.get(0)?, media_type: row.get(1)?, size: row.get(2)?, is_kept: row.get(3)? })
        })?
        .collect()
}

pub(super) fn artifact(connection: &Connection, run_id: &str, name: &str) -> rusqlite::Result<Option<Artifact>> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(None) };
    connection
        .prepare_cached("SELECT media_type, bytes FROM artifacts WHERE run = ? AND name = ? AND bytes IS NOT NULL")?
        .query_row(params![run.0.to_be_bytes(), name], |row| Ok(Artifact { media_type: row.get(0)?, bytes: row.get(1)? }))
        .optional()
}

pub(super) fn observations(connection: &Connection, filter: &ObservationFilter) -> rusqlite::Result<Vec<ObservationView>> {
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
