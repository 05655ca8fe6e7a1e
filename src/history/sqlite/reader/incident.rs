//! Incidents and their tries.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::history::cursor::page;
use crate::history::view::{json, try_message};
use crate::history::{IncidentDetail, IncidentFilter, IncidentView, Page, TimelineView, TryCounts, TryState, TryView};

/// Entries of a timeline and tries that are shown of one incident.
const SHOWN: usize = 1_000;

const INCIDENT: &str = "id, scope, probe, severity, opened_ms, resolved_ms, json";
const TRY: &str = "id, channel, what, key, made_ms, state, attempts, tried_ms, ended_ms, error, json";

pub(super) fn list(
    connection: &Connection,
    filter: &IncidentFilter,
    limit: usize,
    after: Option<&str>,
) -> rusqlite::Result<Page<IncidentView>> {
    let open = if filter.open { " AND resolved_ms IS NULL" } else { "" };
    let probe = if filter.probe.is_some() { " AND probe = ?2" } else { "" };
    let sql = format!(
        "SELECT {INCIDENT} FROM incidents WHERE (?1 IS NULL OR id < ?1){open}{probe} AND ?2 IS ?2 ORDER BY id DESC LIMIT ?3"
    );
    let rows = connection
        .prepare_cached(&sql)?
        .query_map(params![after, filter.probe, limit + 1], incident)?
        .collect::<Result<_, _>>()?;
    Ok(page(rows, limit, |row: &IncidentView| row.id.clone()))
}

pub(super) fn one(connection: &Connection, id: &str) -> rusqlite::Result<Option<IncidentDetail>> {
    let sql = format!("SELECT {INCIDENT} FROM incidents WHERE id = ?");
    let Some(incident) = connection.prepare_cached(&sql)?.query_row([id], incident).optional()? else { return Ok(None) };
    let mut timeline: Vec<TimelineView> = connection
        .prepare_cached("SELECT at_ms, what, text FROM timeline WHERE incident = ? ORDER BY id DESC LIMIT ?")?
        .query_map(params![id, SHOWN], |row| Ok(TimelineView { at_ms: row.get(0)?, what: row.get(1)?, text: row.get(2)? }))?
        .collect::<Result<_, _>>()?;
    timeline.reverse();
    let sql = format!(
        "SELECT {TRY} FROM tries WHERE id IN (SELECT try FROM try_incidents WHERE incident = ?)
         ORDER BY made_ms DESC, id DESC LIMIT ?"
    );
    let mut tries: Vec<TryView> =
        connection.prepare_cached(&sql)?.query_map(params![id, SHOWN], attempt)?.collect::<Result<_, _>>()?;
    tries.reverse();
    Ok(Some(IncidentDetail { incident, timeline, tries }))
}

pub(super) fn tries(connection: &Connection) -> rusqlite::Result<TryCounts> {
    let mut counts = TryCounts::default();
    let mut rows = connection.prepare_cached("SELECT state, count(*) FROM tries GROUP BY state")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (word, count): (String, u64) = (row.get(0)?, row.get(1)?);
        match TryState::of(&word) {
            TryState::Waiting => counts.waiting += count,
            TryState::Taken => counts.taken += count,
            TryState::Refused => counts.refused += count,
            TryState::Dropped => counts.dropped += count,
        }
    }
    Ok(counts)
}

fn incident(row: &Row<'_>) -> rusqlite::Result<IncidentView> {
    Ok(IncidentView {
        id: row.get(0)?,
        scope: row.get(1)?,
        probe: row.get(2)?,
        severity: row.get(3)?,
        opened_ms: row.get(4)?,
        resolved_ms: row.get(5)?,
        details: json(&row.get::<_, String>(6)?),
    })
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<TryView> {
    Ok(TryView {
        id: row.get(0)?,
        channel: row.get(1)?,
        what: row.get(2)?,
        key: row.get(3)?,
        made_ms: row.get(4)?,
        state: TryState::of(&row.get::<_, String>(5)?).as_str(),
        attempts: row.get(6)?,
        tried_ms: row.get(7)?,
        ended_ms: row.get(8)?,
        error: row.get(9)?,
        message: try_message(&row.get::<_, String>(10)?),
    })
}
