//! Tries in their tables.

use rusqlite::{Row, Transaction, params};

use crate::history::backlog::Tries;
use crate::history::{OutcomeRow, RestoredTry, TryState};

/// What [`read`] needs, from `tries`.
pub(super) const COLUMNS: &str = "id, (SELECT min(incident) FROM try_incidents WHERE try = tries.id), channel, what, key, made_ms, state, attempts, tried_ms, json";

/// A try from [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<RestoredTry> {
    Ok(RestoredTry {
        id: row.get(0)?,
        incident: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        channel: row.get(2)?,
        what: row.get(3)?,
        key: row.get(4)?,
        made_ms: row.get(5)?,
        state: TryState::of(&row.get::<_, String>(6)?),
        attempts: row.get(7)?,
        tried_ms: row.get(8)?,
        json: row.get(9)?,
    })
}

/// Writes all of them.
pub(super) fn write(tries: &Tries, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for row in tries.made.values() {
        transaction
            .prepare_cached(
                "INSERT INTO tries (id, channel, what, key, made_ms, json, state, attempts)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7)
                     ON CONFLICT DO UPDATE SET channel = excluded.channel, what = excluded.what, key = excluded.key,
                     made_ms = excluded.made_ms, json = excluded.json, state = 'waiting', attempts = excluded.attempts,
                     ended_ms = NULL WHERE state = 'waiting' OR made_ms <> excluded.made_ms",
            )?
            .execute(params![row.id, row.channel, row.what, row.key, row.made_ms, row.json, row.attempts])?;
        for incident in &row.incidents {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO try_incidents (incident, try) VALUES (?, ?)")?
                .execute([incident, &row.id])?;
        }
    }
    for OutcomeRow { id, made_ms, state, attempts, at_ms, error } in tries.outcomes.values() {
        transaction
            .prepare_cached(
                "UPDATE tries SET state = ?3, attempts = ?4,
                     tried_ms = CASE ?3 WHEN 'dropped' THEN tried_ms ELSE ?5 END,
                     error = CASE ?3 WHEN 'dropped' THEN coalesce(?6, error) ELSE ?6 END,
                     ended_ms = CASE ?3 WHEN 'waiting' THEN NULL ELSE ?5 END
                     WHERE id = ?1 AND made_ms = ?2 AND (state = 'waiting' OR ?3 <> 'waiting')",
            )?
            .execute(params![id, made_ms, state.as_str(), attempts, at_ms, error])?;
    }
    Ok(())
}
