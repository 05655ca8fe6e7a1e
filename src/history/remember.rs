//! What an earlier process left, read at the start.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{DeliveryState, IncidentRow, LedgerRows, MessageRow, UnreadableEntry, ledger};
use crate::outcome::LedgerEntry;
use crate::plan::Severity;

/// What an earlier process left.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// States.
    pub states: Vec<KeptState>,
    /// Open incidents, and those resolved in the last 24 hours.
    pub incidents: Vec<IncidentRow>,
    /// Messages that must still leave, in the order of their ids.
    pub messages: Vec<MessageRow>,
    /// Messages that were delivered of incidents that are open or whose last messages are not delivered yet, in the order of their
    /// ids: what they opened is to be kept alive and closed.
    pub told: Vec<MessageRow>,
    /// The last finished tick of each canary's slots.
    pub last_ticks: Vec<KeptTick>,
    /// Cleanups that did not finish and were not given up on.
    pub ledger: Vec<LedgerEntry>,
    /// Rows of the cleanup ledger that cannot be read and are left where they are.
    pub unreadable: Vec<UnreadableEntry>,
    /// Where a damaged file was put; what could be read of it is in the other fields.
    pub damaged: Option<PathBuf>,
}

/// A [`StateRow`](super::StateRow) that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// What kind.
    pub kind: String,
    /// Whose.
    pub key: String,
    /// The state.
    pub json: String,
}

/// The last tick of a canary's slot that has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTick {
    /// The canary's id.
    pub canary: String,
    /// Its slot.
    pub slot: u32,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
}

/// How long after its resolution an incident is remembered.
const RESOLVED: Duration = Duration::from_hours(24);

/// Reads everything.
pub(super) fn read(connection: &Connection, now_ms: i64, damaged: Option<PathBuf>) -> rusqlite::Result<Remembered> {
    let since = now_ms - i64::try_from(RESOLVED.as_millis()).unwrap_or(i64::MAX);
    let states = all(connection, "SELECT kind, key, json FROM states", |row| {
        Ok(KeptState { kind: row.get(0)?, key: row.get(1)?, json: row.get(2)? })
    })?;
    let incidents = all(
        connection,
        &format!(
            "SELECT id, scope, probe, severity, opened_ms, resolved_ms, json FROM incidents
             WHERE resolved_ms IS NULL OR resolved_ms >= {since} ORDER BY id"
        ),
        incident,
    )?;
    let messages = all(
        connection,
        "SELECT id, incident, key, channel, created_ms, notice, attempts FROM messages WHERE state = 'pending' ORDER BY id",
        |row| message(row, DeliveryState::Pending),
    )?;
    let told = all(
        connection,
        "SELECT id, incident, key, channel, created_ms, notice, attempts FROM messages WHERE state = 'delivered'
         AND (incident IN (SELECT id FROM incidents WHERE resolved_ms IS NULL)
              OR incident IN (SELECT incident FROM messages WHERE state = 'pending')) ORDER BY id",
        |row| message(row, DeliveryState::Delivered),
    )?;
    let last_ticks = all(
        connection,
        "SELECT name, slot, due_ms FROM last_ticks JOIN canaries ON canaries.id = last_ticks.canary ORDER BY name, slot",
        |row| Ok(KeptTick { canary: row.get(0)?, slot: row.get(1)?, due_ms: row.get(2)? }),
    )?;
    let LedgerRows { entries, unreadable } = ledger::read(connection)?;
    let ledger = entries.into_iter().filter(|view| !view.given_up).map(|view| view.entry).collect();
    Ok(Remembered { states, incidents, messages, told, last_ticks, ledger, unreadable, damaged })
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

fn message(row: &Row<'_>, state: DeliveryState) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        id: row.get(0)?,
        incident: row.get(1)?,
        key: row.get(2)?,
        channel: row.get(3)?,
        created_ms: row.get(4)?,
        notice: row.get(5)?,
        attempts: row.get(6)?,
        state,
    })
}
