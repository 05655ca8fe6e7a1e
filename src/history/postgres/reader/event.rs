//! Events: what people and programs did, and what changed.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, Values, all_of, count, number, text};
use crate::history::cursor::page;
use crate::history::{EventFilter, EventKind, EventView, Page};

const COLUMNS: &str = "id, at_ms, kind, probe, incident, author, what, text";

const NEWEST_FIRST: &str = "ORDER BY at_ms DESC, id DESC LIMIT";

/// The question for a page, with its values. `after` is when an event happened, and its id.
fn question(filter: &EventFilter, limit: usize, after: Option<(i64, &str)>) -> (String, Values) {
    let mut values = Values::default();
    let mut wanted = Vec::new();
    if let Some(incident) = &filter.incident {
        wanted.push(format!("incident = {}", values.bind(text(incident))));
    }
    if let Some(since) = filter.since_ms {
        wanted.push(format!("at_ms >= {}", values.bind(number(since))));
    }
    if let Some(until) = filter.until_ms {
        wanted.push(format!("at_ms < {}", values.bind(number(until))));
    }
    if let Some((at_ms, id)) = after {
        wanted.push(format!("(at_ms, id) < ({}, {})", values.bind(number(at_ms)), values.bind(text(id))));
    }
    if !filter.kinds.is_empty() {
        let kinds: Vec<String> = filter.kinds.iter().map(|kind| values.bind(text(kind.as_str()))).collect();
        wanted.push(format!("kind IN ({})", kinds.join(", ")));
    }
    let limit = values.bind(count(limit + 1));
    let mut sql = format!("SELECT {COLUMNS} FROM events WHERE {}", all_of(&wanted));
    if let Some(probe) = &filter.probe {
        // Two ways, each of which is in order and ends soon, instead of one with an "or", which is neither.
        let probe = values.bind(text(probe));
        let part = |which: &str| format!("({sql} AND probe {which} {NEWEST_FIRST} {limit})");
        sql = format!("{} UNION ALL {}", part(&format!("= {probe}")), part("IS NULL"));
    }
    (format!("{sql} {NEWEST_FIRST} {limit}"), values)
}

pub(super) async fn list(
    client: &Client,
    filter: &EventFilter,
    limit: usize,
    after: Option<(i64, &str)>,
) -> Result<Page<EventView>, Error> {
    let (sql, Values(values)) = question(filter, limit, after);
    let rows = question::all(client, &sql, values, view).await?;
    Ok(page(rows, limit, |event| format!("{}.{}", event.at_ms, event.id)))
}

fn view(row: &Row) -> Result<EventView, Error> {
    Ok(EventView {
        id: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        kind: row.try_get::<_, &str>(2)?.parse().unwrap_or(EventKind::Note).as_str(),
        probe: row.try_get(3)?,
        incident: row.try_get(4)?,
        by: row.try_get(5)?,
        what: row.try_get(6)?,
        text: row.try_get(7)?,
    })
}
