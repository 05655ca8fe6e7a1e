//! The tables, as migrations: one text a format, each applied in one transaction and never changed after its release.
//!
//! One more format is a file here and its line in [`MIGRATIONS`].

use rusqlite::{Connection, TransactionBehavior};

/// Texts that lead from one format to the next; the first one leads to format 1.
const MIGRATIONS: [&str; KNOWN as usize] = [
    include_str!("1.sql"),
    include_str!("2.sql"),
    concat!(include_str!("messages_as_tries.sql"), include_str!("3.sql")),
    include_str!("4.sql"),
    include_str!("5.sql"),
    include_str!("6.sql"),
    include_str!("7.sql"),
];

/// Shows the messages of a file of format 2 or 1 as `temp.former_tries` and `temp.former_try_incidents`.
pub(super) const MESSAGES_AS_TRIES: &str = include_str!("messages_as_tries.sql");

/// The first format that has tries.
pub(super) const WITH_TRIES: u32 = 3;

/// The first format that has observations.
pub(super) const WITH_OBSERVATIONS: u32 = 4;

/// The first format that has events.
pub(super) const WITH_EVENTS: u32 = 6;

/// The newest format.
pub(super) const KNOWN: u32 = 7;

/// Marks a file as a store of this program ("Serinus" in `SQLite`'s header has room for four letters).
pub(super) const APPLICATION: i64 = 0x5365_726e;

/// The format of a file; 0 is an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether tables are in the file that this program did not make.
pub(super) fn is_foreign(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let things: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(application != APPLICATION && things > 0)
}

/// Brings a file of an earlier format, or an empty one, to the newest.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let from = version(connection)?;
    for (format, text) in (1..).zip(MIGRATIONS).filter(|(format, _)| *format > from) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(text)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", format)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    /// What makes a file of format 6 of one of format 7.
    pub(in super::super) const UNDO_7: &str = "DROP TABLE days; DELETE FROM marks WHERE name IN ('days', 'days_canary');";

    /// What makes a file of format 5 of one of format 6.
    pub(in super::super) const UNDO_6: &str = "DROP TABLE events;
         DROP INDEX rollups_by_hour; CREATE INDEX rollups_by_hour ON rollups (hour);";

    /// What makes a file of format 4 of one of format 5.
    pub(in super::super) const UNDO_5: &str = "DROP INDEX runs_degraded; DROP INDEX runs_degraded_by_probe;
         ALTER TABLE runs DROP COLUMN degraded; ALTER TABLE rollups DROP COLUMN degraded;";

    /// What makes a file of format 3 of one of format 4.
    pub(in super::super) const UNDO_4: [&str; 2] = [
        "ALTER TABLE rollups DROP COLUMN steps; ALTER TABLE rollups DROP COLUMN reasons; ALTER TABLE rollups DROP COLUMN ticks;",
        "DROP TABLE artifacts; DROP TABLE observations; DROP TABLE observation_series; DROP TABLE changes;
         DROP TABLE comparisons; DROP TABLE passes;
         DELETE FROM marks WHERE name = 'file';",
    ];
}
