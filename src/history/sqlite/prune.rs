//! The end of incidents, and of what belongs to them, in slices.
//!
//! What a restart needs stays: open incidents, and those that ended a short time ago and of which something is still owed. An
//! incident's covers and members are removed as soon as nothing can be owed any more, long before the incident and its timeline.

use rusqlite::{OptionalExtension, Transaction, params};

use super::restore::IS_OWED;
use crate::history::OF_INCIDENTS;

/// Incidents that a slice looks at.
const INCIDENTS: usize = 100;

/// Rows that a slice looks at or removes.
pub(super) const SLICE: usize = 1_000;

/// Whether there may be more to remove than a slice did.
pub(super) fn more(removed: usize) -> bool {
    removed == SLICE
}

/// What is to be forgotten, milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct IncidentPrune {
    /// What happened before is removed.
    pub(super) old: i64,
    /// Nothing is owed any more of incidents that ended before.
    pub(super) owed: i64,
}

impl IncidentPrune {
    /// Removes incidents that ended with all that belongs to them, unless something is still owed.
    pub(super) fn incidents(self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let ids: Vec<String> = transaction
            .prepare_cached(&format!(
                "SELECT id FROM incidents WHERE resolved_ms < ?1 AND NOT (resolved_ms >= ?3 AND {IS_OWED}) LIMIT ?2"
            ))?
            .query_map(params![self.old, INCIDENTS, self.owed], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &ids {
            transaction.prepare_cached("DELETE FROM timeline WHERE incident = ?")?.execute([id])?;
            of_tries(transaction, id)?;
            of_states(transaction, id)?;
            transaction.prepare_cached("DELETE FROM incidents WHERE id = ?")?.execute([id])?;
        }
        Ok(ids.len() == INCIDENTS)
    }

    /// Removes states of incidents that are gone or of which nothing is owed any more. Returns where to go on.
    pub(super) fn states(
        self,
        transaction: &Transaction<'_>,
        kind: usize,
        mut after: String,
    ) -> rusqlite::Result<Option<(usize, String)>> {
        let Some(word) = OF_INCIDENTS.get(kind) else { return Ok(None) };
        for _ in 0..INCIDENTS {
            let key: Option<String> = transaction
                .prepare_cached("SELECT key FROM states WHERE kind = ?1 AND key >= ?2 ORDER BY key LIMIT 1")?
                .query_row([*word, &after], |row| row.get(0))
                .optional()?;
            let Some(key) = key else { return Ok(Some((kind + 1, String::new()))) };
            let id = key.split('/').next().unwrap_or_default();
            let is_kept: bool = transaction
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM incidents WHERE id = ?1 AND (resolved_ms IS NULL OR resolved_ms >= ?2))",
                )?
                .query_row(params![id, self.owed], |row| row.get(0))?;
            if !is_kept {
                of_states(transaction, id)?;
            }
            after = format!("{id}0");
        }
        Ok(Some((kind, after)))
    }

    /// Removes tries that ended, of incidents that are still open or of none, and waiting tries that are too old. Returns whether
    /// there may be more.
    pub(super) fn tries(self, transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
        let ids: Vec<String> = transaction
            .prepare_cached(
                "SELECT id FROM tries WHERE made_ms < ?1 AND state IN ('taken', 'refused', 'dropped') AND NOT EXISTS
                    (SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident
                     WHERE try = tries.id AND resolved_ms IS NOT NULL)
                 UNION ALL
                 SELECT id FROM tries WHERE made_ms < ?2 AND state = 'waiting' AND NOT EXISTS
                    (SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id)
                 LIMIT ?3",
            )?
            .query_map(params![self.old, self.old.min(self.owed), SLICE], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        ids.iter().try_for_each(|id| attempt(transaction, id))?;
        Ok(ids.len() == SLICE)
    }
}

/// Removes an incident's covers and members.
fn of_states(transaction: &Transaction<'_>, incident: &str) -> rusqlite::Result<()> {
    for kind in OF_INCIDENTS {
        transaction
            .prepare_cached("DELETE FROM states WHERE kind = ?1 AND key >= ?2 || '/' AND key < ?2 || '0'")?
            .execute([kind, incident])?;
    }
    Ok(())
}

/// Removes the tries that tell of this incident and of no other one that is still stored.
fn of_tries(transaction: &Transaction<'_>, incident: &str) -> rusqlite::Result<()> {
    let ids: Vec<String> = transaction
        .prepare_cached(
            "SELECT try FROM try_incidents AS own WHERE incident = ?1 AND NOT EXISTS
                (SELECT 1 FROM try_incidents AS other JOIN incidents ON incidents.id = other.incident
                 WHERE other.try = own.try AND other.incident <> ?1)",
        )?
        .query_map([incident], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| attempt(transaction, id))?;
    transaction.prepare_cached("DELETE FROM try_incidents WHERE incident = ?")?.execute([incident])?;
    Ok(())
}

/// Removes a try.
fn attempt(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM try_incidents WHERE try = ?")?.execute([id])?;
    transaction.prepare_cached("DELETE FROM tries WHERE id = ?")?.execute([id])?;
    Ok(())
}
