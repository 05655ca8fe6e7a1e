//! The rows of the cleanup ledger, read one by one, so that a row that cannot be read does not hide the others.
//!
//! Owns what counts as unreadable: an entry that is no valid JSON of an entry, or no text at all. Such a row stays in the file,
//! because what it stands for may still exist at a target. A person who has looked there removes it with `serinus sweep --forget
//! ID`.

use rusqlite::{Connection, Row};

use crate::history::{LedgerRows, LedgerView, UnreadableEntry};
use crate::outcome::LedgerEntry;

/// Reads the ledger.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<LedgerRows> {
    let mut statement =
        connection.prepare_cached("SELECT entry, names, attempts, given_up, message, id FROM ledger ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut read = LedgerRows::default();
    while let Some(row) = rows.next()? {
        match view(row) {
            Ok(view) => read.entries.push(view),
            Err(error) => read.unreadable.push(UnreadableEntry { id: id(row), why: error.to_string() }),
        }
    }
    Ok(read)
}

/// An entry from the columns of [`read`].
fn view(row: &Row<'_>) -> rusqlite::Result<LedgerView> {
    let json = |at: usize, error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    };
    let text: String = row.get(0)?;
    let mut entry: LedgerEntry = serde_json::from_str(&text).map_err(|error| json(0, error))?;
    if let Some(names) = row.get::<_, Option<String>>(1)? {
        entry.names = serde_json::from_str(&names).map_err(|error| json(1, error))?;
        entry.created = true;
    }
    entry.attempts = row.get(2)?;
    Ok(LedgerView { entry, given_up: row.get(3)?, message: row.get(4)? })
}

/// A damaged id is shown as far as it can be.
fn id(row: &Row<'_>) -> String {
    let bytes = row.get_ref(5).ok().and_then(|id| id.as_bytes().ok().map(<[u8]>::to_vec)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
