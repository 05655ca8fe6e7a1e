//! The tables, as migrations: one text each, never changed after its release.
//!
//! Several processes of several versions use one store, so a migration goes by the rule "add, fill, switch, drop one version later": what
//! the version before reads and writes stays as it is. `least_reader` in the table `migrations` says which version of the schema a
//! program must know at least; one that knows only earlier ones refuses to start, and one that runs already goes on until it is started
//! again. All migrations that are missing are made in one transaction under a lock of the transaction, so that instances that start at
//! once make each once.
//!
//! They are made as the owner of the tables, if whoever makes them may be it. A service that may not finds the tables made, or ends with
//! an error that says who makes them. Which roles there are is said by [`roles`], and what each may do by the function `apply_roles` of the
//! schema: a migration that adds a table replaces it.
//!
//! One more migration is a file here and its line in [`MIGRATIONS`].

mod roles;
#[cfg(test)]
mod tests;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

pub use roles::{StoreRoles, StoreRolesError};

/// A migration: its text, and the least version that a program must know once it is made.
#[derive(Clone, Copy)]
struct Migration {
    sql: &'static str,
    least_reader: i32,
}

/// In the order of their numbers, from 1.
const MIGRATIONS: [Migration; 1] =
    [Migration { sql: concat!(include_str!("roles_table.sql"), include_str!("1.sql")), least_reader: 1 }];

/// The table of the roles. An administrator may make it before there is any other.
const ROLES_TABLE: &str = include_str!("roles_table.sql");

/// The lock under which migrations are made: "Serinus" as a number, in the database's own space of advisory locks.
const LOCK: i64 = 0x53_65_72_69_6e_75_73;

/// What migrations are made as: the owner of what there is, so that no other member of its role becomes the owner of a part.
const AS_OWNER: &str = "SELECT set_config('role', pg_get_userbyid(relowner)::text, true) FROM pg_class
    WHERE oid = coalesce(to_regclass('migrations'), to_regclass('roles'))
        AND pg_get_userbyid(relowner) <> current_user AND pg_has_role(relowner, 'MEMBER')";

const VERSION: &str = "SELECT coalesce(max(number), 0), coalesce(max(least_reader), 0) FROM migrations";

/// Why the tables are not as this program needs them.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database did not do what it was asked.
    #[error("the tables could not be looked at or made")]
    Database(#[from] Error),
    /// This user may not make what is missing.
    #[error(
        "{}, this program needs version {known}, and this user may not make it: run this program's `serinus store migrate` with the URL \
         of a user who may, and start this one again", of_version(*.found)
    )]
    NotAllowed {
        /// The version of the tables; none where there are none that this user may see.
        found: i32,
        /// The version that this program knows.
        known: i32,
        /// What the database said.
        source: Error,
    },
    /// They are there, and this user may not read them.
    #[error(
        "this user may not read the tables that are there: make it a member of the role that runs services (`serinus store roles`)"
    )]
    NoRole(#[source] Error),
    /// A later version wrote it.
    #[error(
        "the store has version {found} of the tables, which programs that know version {least} or later can use, and this one knows \
         {known}: run the newer version, or restore a copy from before"
    )]
    Newer {
        /// The version of the tables.
        found: i32,
        /// The least version that must be known.
        least: i32,
        /// The version that this program knows.
        known: i32,
    },
}

fn of_version(found: i32) -> String {
    if found == 0 {
        "the store has no tables that this user may use".to_owned()
    } else {
        format!("the store has version {found} of the tables")
    }
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version of the tables before; zero where there were none.
    pub before: i32,
    /// Their version now. It is a later one than this program's where a later one has made tables that this one gets on with.
    pub now: i32,
}

/// Makes what is missing.
///
/// # Errors
/// See [`MigrationError`]. Nothing has been changed then.
pub(super) async fn migrate(client: &mut Client) -> Result<Migrated, MigrationError> {
    migrate_to(client, &MIGRATIONS).await
}

/// The same as a program that knows these.
async fn migrate_to(client: &mut Client, migrations: &[Migration]) -> Result<Migrated, MigrationError> {
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    let table = client.query_typed("SELECT to_regclass('migrations') IS NOT NULL", &[]).await?;
    let mut found = 0;
    if table.first().is_some_and(|row| row.get(0)) {
        let read = client.query_typed(VERSION, &[]).await;
        found = version(&read.map_err(|source| refused(source, MigrationError::NoRole))?, known)?;
        if found >= known {
            return Ok(Migrated { before: found, now: found });
        }
    }
    make(client, migrations, known).await.map_err(|error| match error {
        MigrationError::Database(source) => refused(source, |source| MigrationError::NotAllowed { found, known, source }),
        error => error,
    })
}

/// What it means where the database says that this user may not.
fn refused(source: Error, may_not: impl FnOnce(Error) -> MigrationError) -> MigrationError {
    // Neither the tables' rights nor a schema to make them in.
    match source.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE | &SqlState::INVALID_SCHEMA_NAME) => may_not(source),
        _ => source.into(),
    }
}

/// Makes what is missing by now, in one transaction.
async fn make(client: &mut Client, migrations: &[Migration], known: i32) -> Result<Migrated, MigrationError> {
    let transaction = client.transaction().await?;
    transaction.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
    transaction.query_typed(AS_OWNER, &[]).await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS migrations (
                number integer PRIMARY KEY,
                least_reader integer NOT NULL,
                made_at timestamptz NOT NULL DEFAULT now()
            )",
        )
        .await?;
    let before = version(&transaction.query_typed(VERSION, &[]).await?, known)?;
    for (number, migration) in (1..).zip(migrations).filter(|(number, _)| *number > before) {
        transaction.batch_execute(migration.sql).await?;
        let row = "INSERT INTO migrations (number, least_reader) VALUES ($1, $2)";
        transaction.execute_typed(row, &[(&number, Type::INT4), (&migration.least_reader, Type::INT4)]).await?;
    }
    transaction.query_typed("SELECT apply_roles()", &[]).await?;
    transaction.commit().await?;
    Ok(Migrated { before, now: before.max(known) })
}

/// The version of the tables, if this program, which knows that one, can use them.
fn version(rows: &[Row], known: i32) -> Result<i32, MigrationError> {
    let (found, least) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
    if least > known {
        return Err(MigrationError::Newer { found, least, known });
    }
    Ok(found)
}
