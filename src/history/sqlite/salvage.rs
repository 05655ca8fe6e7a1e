//! Copies what can still be read of a damaged file into the new one. The history of runs is left behind; what pages depend on is
//! copied.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::schema;

/// Tables and what they are ordered by.
const TABLES: [(&str, &str); 9] = [
    ("probes", "id"),
    ("canaries", "id"),
    ("last_ticks", "canary, slot"),
    ("states", "kind, key"),
    ("incidents", "id"),
    ("timeline", "id"),
    ("tries", "id"),
    ("try_incidents", "incident, try"),
    ("ledger", "id"),
];

/// Those that came with format 4, and the one that came with format 6.
const LATER: [(&str, &str); 3] = [("observation_series", "id"), ("observations", "series, at_ms"), ("events", "id")];

/// Copies what can be read and says how much that was. It cannot fail: it then copies less.
pub(super) fn take_over(damaged: &Path, into: &mut Connection) -> String {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = match Connection::open_with_flags(damaged, flags) {
        Ok(from) => from,
        Err(error) => return format!("nothing ({error})"),
    };
    let later: &[_] = match as_newest(&from) {
        Ok(version) if version >= schema::WITH_EVENTS => &LATER,
        Ok(version) if version >= schema::WITH_OBSERVATIONS => &LATER[..2],
        Ok(_) => &[],
        Err(error) => return format!("nothing ({error})"),
    };
    let saved: Vec<String> = TABLES
        .iter()
        .chain(later)
        .map(|&(table, key)| {
            let mut count = 0;
            // From both ends, as reading stops at the first page that is damaged.
            let errors: Vec<String> = [key.to_owned(), key.replace(',', " DESC,") + " DESC"]
                .into_iter()
                .filter_map(|order| copy(&from, into, table, &order, &mut count).err())
                .map(|error| error.to_string())
                .collect();
            let whole = if errors.is_empty() { "" } else { ", not whole" };
            format!("{table}: {count} rows{whole}")
        })
        .collect();
    saved.join("; ")
}

/// Has tables that are called and laid out otherwise in an earlier format look as in the newest one. Returns its format.
fn as_newest(from: &Connection) -> rusqlite::Result<u32> {
    let version = schema::version(from)?;
    if version < schema::WITH_TRIES {
        from.execute_batch(schema::MESSAGES_AS_TRIES)?;
        from.execute_batch(
            "CREATE TEMP VIEW tries AS SELECT * FROM former_tries;
             CREATE TEMP VIEW try_incidents AS SELECT * FROM former_try_incidents;",
        )?;
    }
    Ok(version)
}

fn copy(from: &Connection, into: &mut Connection, table: &str, order: &str, count: &mut usize) -> rusqlite::Result<()> {
    let mut rows = from.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
    let columns: Vec<String> = rows.column_names().into_iter().map(str::to_owned).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({marks})", columns.join(", "));
    let transaction = into.transaction()?;
    let mut read = || -> rusqlite::Result<()> {
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> = (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            // A row that does not fit is damaged too.
            *count += transaction.prepare_cached(&insert)?.execute(params_from_iter(values)).unwrap_or(0);
        }
        Ok(())
    };
    let ended = read();
    transaction.commit()?;
    ended
}
