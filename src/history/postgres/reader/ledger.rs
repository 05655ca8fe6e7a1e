//! The rows of the cleanup ledger, read one by one, so that a row that cannot be read does not hide the others.
//!
//! Owns what counts as unreadable: an entry that is no valid JSON of an entry. Such a row stays in the store, because what it stands for
//! may still exist at a target. A person who has looked there removes it with `serinus sweep --forget ID`.

use tokio_postgres::{Client, Error, Row};

use super::question::{self, small, text};
use crate::history::{LedgerRows, LedgerView, UnreadableEntry};
use crate::outcome::LedgerEntry;

const ROWS: &str = "SELECT entry, names, attempts, passes, given_up, message, id FROM ledger WHERE region = $1 ORDER BY id";

/// Reads the ledger of a region.
pub(in super::super) async fn read(client: &Client, region: &str) -> Result<LedgerRows, Error> {
    let mut rows = LedgerRows::default();
    for read in question::all(client, ROWS, vec![text(region)], view).await? {
        match read {
            Ok(view) => rows.entries.push(view),
            Err(unreadable) => rows.unreadable.push(unreadable),
        }
    }
    Ok(rows)
}

/// An entry with what became of it, from the columns of [`ROWS`].
fn view(row: &Row) -> Result<Result<LedgerView, UnreadableEntry>, Error> {
    let (intended, names): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
    let mut entry = match entry(intended, names) {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(UnreadableEntry { id: row.try_get(6)?, why: error.to_string() })),
    };
    entry.attempts = small(row, 2)?;
    entry.passed = entry.passed.saturating_add(small(row, 3)?);
    Ok(Ok(LedgerView { entry, given_up: row.try_get(4)?, message: row.try_get(5)? }))
}

/// An entry as it was intended, with the names that are known once the creation is known to have happened.
fn entry(text: &str, names: Option<&str>) -> Result<LedgerEntry, serde_json::Error> {
    let mut entry: LedgerEntry = serde_json::from_str(text)?;
    if let Some(names) = names {
        entry.names = serde_json::from_str(names)?;
        entry.created = true;
    }
    Ok(entry)
}
