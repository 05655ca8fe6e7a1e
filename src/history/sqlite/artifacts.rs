//! Artifacts: files that runs hand in beside their reports.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::history::{Artifact, ArtifactRow, ArtifactView};

/// Artifacts that a slice of housekeeping removes; each may be large.
const SLICE_OF_ARTIFACTS: usize = 50;

/// Writes artifacts as far as a run may have any.
pub(super) fn write(transaction: &Transaction<'_>, rows: &[ArtifactRow]) -> rusqlite::Result<()> {
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

/// Removes a run's artifacts.
pub(super) fn prune(transaction: &Transaction<'_>, run: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM artifacts WHERE run = (SELECT run_id FROM runs WHERE id = ?)")?.execute([run])?;
    Ok(())
}

/// Removes artifacts from before this time whose runs never came, or are gone. Returns whether there may be more.
pub(super) fn prune_strays(transaction: &Transaction<'_>, before_ms: i64) -> rusqlite::Result<bool> {
    // An id begins with the time of its run, as 48 bits.
    let time = u128::from(u64::try_from(before_ms).unwrap_or(0)) << 80;
    let removed = transaction
        .prepare_cached(
            "DELETE FROM artifacts WHERE rowid IN (SELECT rowid FROM artifacts WHERE run < ?1
             AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = artifacts.run) LIMIT ?2)",
        )?
        .execute(params![time.to_be_bytes(), SLICE_OF_ARTIFACTS])?;
    Ok(removed == SLICE_OF_ARTIFACTS)
}

pub(super) fn list(connection: &Connection, run_id: &str) -> rusqlite::Result<Vec<ArtifactView>> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(Vec::new()) };
    connection
        .prepare_cached("SELECT name, media_type, size, bytes IS NOT NULL FROM artifacts WHERE run = ? ORDER BY name")?
        .query_map([run.0.to_be_bytes()], |row| {
            Ok(ArtifactView { name: row.get(0)?, media_type: row.get(1)?, size: row.get(2)?, is_kept: row.get(3)? })
        })?
        .collect()
}

pub(super) fn one(connection: &Connection, run_id: &str, name: &str) -> rusqlite::Result<Option<Artifact>> {
    let Ok(run) = ulid::Ulid::from_string(run_id) else { return Ok(None) };
    connection
        .prepare_cached("SELECT media_type, bytes FROM artifacts WHERE run = ? AND name = ? AND bytes IS NOT NULL")?
        .query_row(params![run.0.to_be_bytes(), name], |row| Ok(Artifact { media_type: row.get(0)?, bytes: row.get(1)? }))
        .optional()
}
