//! The tables, as migrations: one text each, never changed after its release.
//!
//! Several processes of several versions use one store, so a migration goes by the rule "add, fill, switch, drop one version later": what
//! the version before reads and writes stays as it is. `least_reader` in the table `migrations` says which version of the schema a
//! program must know at least; one that knows only earlier ones refuses to start. All migrations that are missing are made in one
//! transaction under a lock of the transaction, so that instances that start at once make each once.
//!
//! One more migration is a file here and its line in [`MIGRATIONS`].

use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// A migration: its text, and the least version that a program must know once it is made.
struct Migration {
    sql: &'static str,
    least_reader: i32,
}

/// In the order of their numbers, from 1.
const MIGRATIONS: [Migration; KNOWN as usize] = [Migration { sql: include_str!("1.sql"), least_reader: 1 }];

/// The version that this program knows.
const KNOWN: u16 = 1;

/// The lock under which migrations are made: "Serinus" as a number, in the database's own space of advisory locks.
const LOCK: i64 = 0x53_65_72_69_6e_75_73;

/// Why the tables are not as this program needs them.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database did not do what it was asked.
    #[error("the tables could not be looked at or made")]
    Database(#[from] tokio_postgres::Error),
    /// A later version wrote it.
    #[error(
        "the store has version {found} of the tables, which programs that know version {least} or later can use, and this one knows \
         {KNOWN}: run the newer version, or restore a copy from before"
    )]
    Newer {
        /// The version of the tables.
        found: i32,
        /// The least version that must be known.
        least: i32,
    },
}

/// Makes what is missing.
///
/// # Errors
/// See [`MigrationError`]. Nothing has been changed then.
pub(super) async fn migrate(client: &mut Client) -> Result<(), MigrationError> {
    if is_known(client).await? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS migrations (
                number integer PRIMARY KEY,
                least_reader integer NOT NULL,
                made_at timestamptz NOT NULL DEFAULT now()
            )",
        )
        .await?;
    let (found, least) = version(&transaction.query_typed(VERSION, &[]).await?);
    if least > i32::from(KNOWN) {
        return Err(MigrationError::Newer { found, least });
    }
    for (number, migration) in (1..).zip(&MIGRATIONS).filter(|(number, _)| *number > found) {
        transaction.batch_execute(migration.sql).await?;
        let row = "INSERT INTO migrations (number, least_reader) VALUES ($1, $2)";
        transaction.execute_typed(row, &[(&number, Type::INT4), (&migration.least_reader, Type::INT4)]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

const VERSION: &str = "SELECT coalesce(max(number), 0), coalesce(max(least_reader), 0) FROM migrations";

/// Whether the tables are there and as this program, or a later one that it gets on with, made them.
async fn is_known(client: &Client) -> Result<bool, MigrationError> {
    let table = client.query_typed("SELECT to_regclass('migrations') IS NOT NULL", &[]).await?;
    if !table.first().is_some_and(|row| row.get(0)) {
        return Ok(false);
    }
    let (found, least) = version(&client.query_typed(VERSION, &[]).await?);
    if least > i32::from(KNOWN) {
        return Err(MigrationError::Newer { found, least });
    }
    Ok(found >= i32::from(KNOWN))
}

fn version(rows: &[tokio_postgres::Row]) -> (i32, i32) {
    rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)))
}
