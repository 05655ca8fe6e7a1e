//! Incidents and their tries.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, Values, all_of, count, picture, small, text, unsigned};
use crate::history::cursor::page;
use crate::history::view::{json, try_message};
use crate::history::{IncidentDetail, IncidentFilter, IncidentView, Page, TimelineView, TryCounts, TryState, TryView};

/// Entries of a timeline and tries that are shown of one incident.
const SHOWN: usize = 1_000;

const INCIDENT: &str = "SELECT id, scope, probe, severity, opened_ms, resolved_ms, json FROM incidents";

const TIMELINE: &str = "SELECT at_ms, what, text FROM timeline WHERE incident = $1 ORDER BY id DESC LIMIT $2";

const TRIES: &str = "SELECT id, channel, what, key, made_ms, state, attempts, tried_ms, ended_ms, error, json FROM tries
    WHERE id IN (SELECT try FROM try_incidents WHERE incident = $1) ORDER BY made_ms DESC, id DESC LIMIT $2";

pub(super) async fn list(
    client: &Client,
    filter: &IncidentFilter,
    limit: usize,
    after: Option<&str>,
) -> Result<Page<IncidentView>, Error> {
    let mut values = Values::default();
    let mut wanted = Vec::new();
    if filter.open {
        wanted.push("resolved_ms IS NULL".to_owned());
    }
    if let Some(probe) = &filter.probe {
        wanted.push(format!("probe = {}", values.bind(text(probe))));
    }
    if let Some(after) = after {
        wanted.push(format!("id < {}", values.bind(text(after))));
    }
    let (wanted, most) = (all_of(&wanted), values.bind(count(limit + 1)));
    let sql = format!("{INCIDENT} WHERE {wanted} ORDER BY id DESC LIMIT {most}");
    let rows = question::all(client, &sql, values.0, incident).await?;
    Ok(page(rows, limit, |row: &IncidentView| row.id.clone()))
}

pub(super) async fn one(client: &mut Client, id: &str) -> Result<Option<IncidentDetail>, Error> {
    let picture = picture(client).await?;
    let client = picture.client();
    let values = || vec![text(id), count(SHOWN)];
    let sql = format!("{INCIDENT} WHERE id = $1");
    // They leave together.
    let (incident, mut timeline, mut tries) = futures::try_join!(
        question::first(client, &sql, vec![text(id)], incident),
        question::all(client, TIMELINE, values(), |row| {
            Ok(TimelineView { at_ms: row.try_get(0)?, what: row.try_get(1)?, text: row.try_get(2)? })
        }),
        question::all(client, TRIES, values(), attempt),
    )?;
    timeline.reverse();
    tries.reverse();
    Ok(incident.map(|incident| IncidentDetail { incident, timeline, tries }))
}

pub(super) async fn tries(client: &Client) -> Result<TryCounts, Error> {
    let sql = "SELECT state, count(*) FROM tries GROUP BY state";
    let states = question::all(client, sql, Vec::new(), |row| Ok((TryState::of(row.try_get(0)?), unsigned(row, 1)?))).await?;
    let mut counts = TryCounts::default();
    for (state, count) in states {
        match state {
            TryState::Waiting => counts.waiting += count,
            TryState::Taken => counts.taken += count,
            TryState::Refused => counts.refused += count,
            TryState::Dropped => counts.dropped += count,
        }
    }
    Ok(counts)
}

fn incident(row: &Row) -> Result<IncidentView, Error> {
    Ok(IncidentView {
        id: row.try_get(0)?,
        scope: row.try_get(1)?,
        probe: row.try_get(2)?,
        severity: row.try_get(3)?,
        opened_ms: row.try_get(4)?,
        resolved_ms: row.try_get(5)?,
        details: json(row.try_get(6)?),
    })
}

fn attempt(row: &Row) -> Result<TryView, Error> {
    Ok(TryView {
        id: row.try_get(0)?,
        channel: row.try_get(1)?,
        what: row.try_get(2)?,
        key: row.try_get(3)?,
        made_ms: row.try_get(4)?,
        state: TryState::of(row.try_get(5)?).as_str(),
        attempts: small(row, 6)?,
        tried_ms: row.try_get(7)?,
        ended_ms: row.try_get(8)?,
        error: row.try_get(9)?,
        message: try_message(row.try_get(10)?),
    })
}
