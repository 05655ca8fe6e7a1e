//! What an earlier process left, read at the start.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{ledger, tries};
use crate::base::time::signed_millis;
use crate::history::start_state::{ENDED, OWED};
use crate::history::{IncidentRow, LedgerRows, OF_INCIDENTS, RestoredState, RestoredTick, RestoredTry, StartState};
use crate::plan::Severity;

/// Whether something is still owed of an incident: the condition on a row of `incidents`.
pub(in crate::history) const IS_OWED: &str = "(EXISTS (SELECT 1 FROM states WHERE kind IN ('cover', 'member')
      AND key >= incidents.id || '/' AND key < incidents.id || '0')
    OR EXISTS (SELECT 1 FROM try_incidents JOIN tries ON tries.id = try
      WHERE incident = incidents.id AND state = 'waiting'))";

/// The notice of a row that format 2 wrote.
const NOTICE: &str = "CASE WHEN json_valid(json) THEN json_extract(json, '$.notice') END";

/// Reads everything.
pub(super) fn read(connection: &Connection, now_ms: i64, damaged: Option<PathBuf>) -> rusqlite::Result<StartState> {
    let before = |age: Duration| now_ms - signed_millis(age);
    let (ended, owed) = (before(ENDED), before(OWED));
    let restored = format!("(resolved_ms IS NULL OR resolved_ms >= {ended} OR (resolved_ms >= {owed} AND {IS_OWED}))");
    let sql =
        format!("SELECT id, scope, probe, severity, opened_ms, resolved_ms, json FROM incidents WHERE {restored} ORDER BY id");
    let incidents = all(connection, &sql, incident)?;
    let states = states(connection, &incidents)?;
    let (tries, former) = (waiting(connection, &restored, owed)?, former(connection, &incidents)?);
    let last_ticks = all(
        connection,
        "SELECT name, slot, due_ms FROM last_ticks JOIN canaries ON canaries.id = last_ticks.canary ORDER BY name, slot",
        |row| Ok(RestoredTick { canary: row.get(0)?, slot: row.get(1)?, due_ms: row.get(2)? }),
    )?;
    let LedgerRows { entries, unreadable } = ledger::read(connection)?;
    let ledger = entries.into_iter().filter(|view| !view.given_up).map(|view| view.entry).collect();
    Ok(StartState { states, incidents, tries, former, last_ticks, ledger, unreadable, damaged })
}

/// States of their own, and those of these incidents.
fn states(connection: &Connection, incidents: &[IncidentRow]) -> rusqlite::Result<Vec<RestoredState>> {
    let state = |row: &Row<'_>| Ok(RestoredState { kind: row.get(0)?, key: row.get(1)?, json: row.get(2)? });
    let own = "SELECT kind, key, json FROM states WHERE kind NOT IN ('cover', 'member')";
    let mut states = all(connection, own, state)?;
    let mut of_incident =
        connection.prepare("SELECT kind, key, json FROM states WHERE kind = ?1 AND key >= ?2 || '/' AND key < ?2 || '0'")?;
    for incident in incidents {
        for kind in OF_INCIDENTS {
            for row in of_incident.query_map([kind, &incident.id], state)? {
                states.push(row?);
            }
        }
    }
    Ok(states)
}

/// Tries that wait and tell of a restored incident; or of none, as tests do, and were made a short time ago.
fn waiting(connection: &Connection, restored: &str, since: i64) -> rusqlite::Result<Vec<RestoredTry>> {
    let about = "SELECT 1 FROM try_incidents JOIN incidents ON incidents.id = incident WHERE try = tries.id";
    let sql = format!(
        "SELECT {} FROM tries WHERE state = 'waiting' AND {NOTICE} IS NULL
         AND (EXISTS ({about} AND {restored}) OR (made_ms >= {since} AND NOT EXISTS ({about}))) ORDER BY made_ms, id",
        tries::COLUMNS
    );
    all(connection, &sql, tries::read)
}

/// What format 2 wrote of these incidents.
fn former(connection: &Connection, incidents: &[IncidentRow]) -> rusqlite::Result<Vec<RestoredTry>> {
    let sql = format!(
        "SELECT {}, {NOTICE} FROM tries WHERE id IN (SELECT try FROM try_incidents WHERE incident = ?1)
         AND {NOTICE} IS NOT NULL ORDER BY made_ms, id",
        tries::COLUMNS
    );
    let mut of_incident = connection.prepare(&sql)?;
    let mut former = Vec::new();
    for incident in incidents {
        for row in of_incident.query_map([&incident.id], |row| Ok(RestoredTry { json: row.get(10)?, ..tries::read(row)? }))? {
            former.push(row?);
        }
    }
    Ok(former)
}

fn all<T>(connection: &Connection, sql: &str, each: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], each)?.collect()
}

fn incident(row: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    let severity: String = row.get(3)?;
    Ok(IncidentRow {
        id: row.get(0)?,
        scope: row.get(1)?,
        probe: row.get(2)?,
        // A word that is not known would be a later version's; its open incident is not lost for it.
        severity: Severity::of(&severity).unwrap_or(Severity::Page).as_str(),
        opened_ms: row.get(4)?,
        resolved_ms: row.get(5)?,
        json: row.get(6)?,
    })
}
