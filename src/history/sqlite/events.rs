//! Events: what people and programs did, and what changed.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};

use super::prune::{SLICE, more};
use crate::history::cursor::moment_and_id;
use crate::history::{EventFilter, EventKind, EventRow, EventView, ReadError};

const COLUMNS: &str = "id, at_ms, kind, probe, incident, author, what, text";

/// Where a page begins: after the event of then that has this id.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventCursor<'a> {
    at_ms: i64,
    id: &'a str,
}

impl<'a> EventCursor<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, ReadError> {
        let (at_ms, id) = moment_and_id(text)?;
        Ok(Self { at_ms, id })
    }
}

/// Writes events that are not in the file yet, and that they were.
pub(super) fn write(transaction: &Transaction<'_>, events: &[EventRow]) -> rusqlite::Result<()> {
    for EventRow { id, at_ms, kind, probe, incident, by, what, text } in events {
        let inserted = transaction
            .prepare_cached(&format!("INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"))?
            .execute(params![id, at_ms, kind.as_str(), probe, incident, by, what, text])?;
        if inserted == 1 {
            transaction.prepare_cached("INSERT INTO changes (kind, key) VALUES ('event', ?)")?.execute([id])?;
        }
    }
    Ok(())
}

/// Removes events that happened before. Returns whether there may be more.
pub(super) fn prune(transaction: &Transaction<'_>, old: i64) -> rusqlite::Result<bool> {
    let removed = transaction
        .prepare_cached("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ? ORDER BY at_ms LIMIT ?)")?
        .execute(params![old, SLICE])?;
    Ok(more(removed))
}

/// The question for a page, with its values.
fn question(filter: &EventFilter, limit: usize, after: Option<EventCursor<'_>>) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut bound = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let mut wanted = vec!["true".to_owned()];
    if let Some(incident) = &filter.incident {
        wanted.push(format!("incident = {}", bound(incident.clone().into())));
    }
    if let Some(since) = filter.since_ms {
        wanted.push(format!("at_ms >= {}", bound(since.into())));
    }
    if let Some(until) = filter.until_ms {
        wanted.push(format!("at_ms < {}", bound(until.into())));
    }
    if let Some(EventCursor { at_ms, id }) = after {
        wanted.push(format!("(at_ms, id) < ({}, {})", bound(at_ms.into()), bound(id.to_owned().into())));
    }
    if !filter.kinds.is_empty() {
        let kinds: Vec<String> = filter.kinds.iter().map(|kind| bound(kind.as_str().to_owned().into())).collect();
        wanted.push(format!("kind IN ({})", kinds.join(", ")));
    }
    let mut select = format!("SELECT {COLUMNS} FROM events WHERE {}", wanted.join(" AND "));
    if let Some(probe) = &filter.probe {
        // Two ways through one index, which are merged in its order.
        select = format!("{select} AND probe = {} UNION ALL {select} AND probe IS NULL", bound(probe.clone().into()));
    }
    let limit = bound(i64::try_from(limit + 1).unwrap_or(i64::MAX).into());
    (format!("{select} ORDER BY at_ms DESC, id DESC LIMIT {limit}"), values)
}

pub(super) fn list(
    connection: &Connection,
    filter: &EventFilter,
    limit: usize,
    after: Option<EventCursor<'_>>,
) -> rusqlite::Result<Vec<EventView>> {
    let (sql, values) = question(filter, limit, after);
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), view)?.collect()
}

/// The cursor of a page that ends with this event.
pub(super) fn cursor(event: &EventView) -> String {
    format!("{}.{}", event.at_ms, event.id)
}

fn view(row: &Row<'_>) -> rusqlite::Result<EventView> {
    Ok(EventView {
        id: row.get(0)?,
        at_ms: row.get(1)?,
        kind: row.get_ref(2)?.as_str()?.parse().unwrap_or(EventKind::Note).as_str(),
        probe: row.get(3)?,
        incident: row.get(4)?,
        by: row.get(5)?,
        what: row.get(6)?,
        text: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many events there are, a page of all, of a probe or of an incident takes only as long as the page is.
    #[test]
    fn lists_are_read_from_an_index_in_their_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        let probe = EventFilter { probe: Some("p".to_owned()), ..EventFilter::default() };
        let incident = EventFilter { incident: Some("I1".to_owned()), ..EventFilter::default() };
        for (filter, index) in [
            (EventFilter::default(), "events_by_time"),
            (EventFilter { kinds: vec![EventKind::Note], since_ms: Some(5), ..EventFilter::default() }, "events_by_time"),
            (probe.clone(), "events_by_probe"),
            (EventFilter { since_ms: Some(5), until_ms: Some(9), ..probe }, "events_by_probe"),
            (incident, "events_by_incident"),
        ] {
            for after in [None, Some(EventCursor { at_ms: 7, id: "E1" })] {
                let (sql, values) = question(&filter, 50, after);
                let plan: Vec<String> = connection
                    .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                    .unwrap()
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap();
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}: {plan:#?}");
                let read: Vec<&String> = plan.iter().filter(|step| step.contains("events")).collect();
                assert!(read.iter().all(|step| step.contains(&format!("INDEX {index}"))), "{filter:?}: {plan:#?}");
            }
        }
    }
}
