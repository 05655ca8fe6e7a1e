//! A database that a file is copied to: all in one transaction, which nobody else comes between.
//!
//! Nothing of a copy that broke off is there, and it can be begun again. Whoever opens the store meanwhile waits, or gives up.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};

use super::connection::Connection;
use super::partitions::{self, Class};
use super::setup;
use super::store::OpenError;
use super::text::plain;
use crate::history::OF_REGION;
use crate::history::copy::{ColumnType, ColumnValues, CopiedTable, CopyBatch, POSITIONS, TABLES};
use crate::plan::{DatabaseUrl, Retention};

/// Bounds of the transaction: others are waited for shortly, one that goes silent is cut off, and large tables take their time, also
/// where the server has other bounds for everybody.
const BOUNDS: &str = "SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '5s'
        WHEN 'idle_in_transaction_session_timeout' THEN '5min' ELSE '0' END, true)
    FROM pg_settings
    WHERE name IN ('lock_timeout', 'idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout')";

/// Tables whose numbers the database gives.
const NUMBERED: [&str; 5] = ["probes", "canaries", "shapes", "timeline", "observation_series"];

/// Why a database cannot be copied to.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot be opened as a store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has history.
    #[error("the store {store} is not empty: it has rows in {tables}; a file is copied to a database that has no history yet")]
    NotEmpty {
        /// Which store.
        store: String,
        /// Names of its tables.
        tables: String,
    },
    /// Somebody works on it.
    #[error("the store {store} is in use, by a service or by another copy; stop it, and copy then")]
    InUse {
        /// Which store.
        store: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// It did not take something.
    #[error("the store {store} could not be written; nothing was copied, and it can be tried again")]
    Write {
        /// Which store.
        store: String,
        /// Why.
        source: tokio_postgres::Error,
    },
}

/// A database that a file is copied to.
pub(in crate::history) struct CopyTarget {
    store: String,
    connection: Connection,
}

impl CopyTarget {
    /// Connects, and makes the tables that are missing.
    pub(in crate::history) async fn open(url: &DatabaseUrl) -> Result<Self, TargetError> {
        let (connection, _) = setup::connect(url).await?;
        Ok(Self { store: url.label(), connection })
    }

    /// Takes the whole store for this copy. One that is not empty is refused.
    pub(in crate::history) async fn begin(&mut self) -> Result<CopyTransaction<'_>, TargetError> {
        let store = self.store.clone();
        let failed = |source| TargetError::Write { store: store.clone(), source };
        let client: &mut Client = &mut self.connection;
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.query_typed(BOUNDS, &[]).await.map_err(failed)?;
        let names: Vec<&str> = TABLES.iter().chain(&POSITIONS).map(|table| table.name).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
        transaction.batch_execute(&lock).await.map_err(|source| match source.code() {
            Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => TargetError::InUse { store: store.clone(), source },
            _ => failed(source),
        })?;
        let filled: Vec<String> = TABLES
            .iter()
            .map(|CopiedTable { name, .. }| format!("SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})"))
            .collect();
        let filled = transaction.query_typed(&filled.join(" UNION ALL "), &[]).await.map_err(failed)?;
        if !filled.is_empty() {
            transaction.rollback().await.map_err(failed)?;
            let tables = filled.iter().map(|row| format!("`{}`", row.get::<_, &str>(0))).collect::<Vec<_>>().join(", ");
            return Err(TargetError::NotEmpty { store, tables });
        }
        Ok(CopyTransaction { store, transaction })
    }
}

/// A copy that is under way. Nothing of it is there until it is committed.
pub(in crate::history) struct CopyTransaction<'c> {
    store: String,
    transaction: Transaction<'c>,
}

impl CopyTransaction<'_> {
    /// Makes the partitions for runs of which the first that passed and the first of the others were due at these times.
    pub(in crate::history) async fn prepare(
        &self,
        [passed, others]: [Option<i64>; 2],
        now_ms: i64,
        retention: Retention,
    ) -> Result<(), TargetError> {
        let keep = [retention.passed, retention.others.max(retention.passed)];
        for (class, first, keep) in [(Class::Passed, passed, keep[0]), (Class::Others, others, keep[1])] {
            if let Some(first) = first {
                let made = partitions::extend_from(&self.transaction, class, first, now_ms, keep).await;
                made.map_err(|source| self.failed(source))?;
            }
        }
        Ok(())
    }

    /// Writes some rows of a table.
    pub(in crate::history) async fn write(&self, table: &CopiedTable, batch: CopyBatch) -> Result<(), TargetError> {
        let values: Vec<(Box<dyn ToSql + Sync + Send>, Type)> = batch.columns.into_iter().map(value).collect();
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect();
        let written = self.transaction.execute_typed(&insert(table), &values).await;
        written.map(drop).map_err(|source| self.failed(source))
    }

    /// Has numbers go on after those that were copied, and counts the rows of each table, in the order of [`TABLES`].
    pub(in crate::history) async fn count(&self) -> Result<Vec<u64>, TargetError> {
        let failed = |source| self.failed(source);
        for table in NUMBERED {
            let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table} HAVING max(id) > 0");
            self.transaction.query_typed(&sql, &[]).await.map_err(failed)?;
        }
        let counts: Vec<String> =
            (0..).zip(&TABLES).map(|(at, CopiedTable { name, .. })| format!("SELECT {at} AS at, count(*) FROM {name}")).collect();
        let sql = format!("{} ORDER BY at", counts.join(" UNION ALL "));
        let rows = self.transaction.query_typed(&sql, &[]).await.map_err(failed)?;
        Ok(rows.iter().map(|row| u64::try_from(row.get::<_, i64>(1)).unwrap_or(0)).collect())
    }

    /// What a process keeps of itself, and the test data that it left, belong to the one that is called this.
    pub(in crate::history) async fn belongs_to(&self, region: &str) -> Result<(), TargetError> {
        let kinds = OF_REGION.to_vec();
        let states = "UPDATE states SET region = $1 WHERE kind = ANY ($2)";
        let written = self.transaction.execute_typed(states, &[(&region, Type::TEXT), (&kinds, Type::TEXT_ARRAY)]).await;
        written.map_err(|source| self.failed(source))?;
        let written = self.transaction.execute_typed("UPDATE ledger SET region = $1", &[(&region, Type::TEXT)]).await;
        written.map(drop).map_err(|source| self.failed(source))
    }

    /// Ends the copy: all of it is there now. The planner knows of the rows at once.
    pub(in crate::history) async fn commit(self) -> Result<(), TargetError> {
        let Self { store, transaction } = self;
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        let end = async {
            transaction.batch_execute(&format!("ANALYZE {}", names.join(", "))).await?;
            transaction.commit().await
        };
        end.await.map_err(|source| TargetError::Write { store, source })
    }

    /// Gives the store back as it was.
    pub(in crate::history) async fn roll_back(self) {
        // Where the connection is gone, so is the transaction.
        let _ = self.transaction.rollback().await;
    }

    fn failed(&self, source: tokio_postgres::Error) -> TargetError {
        TargetError::Write { store: self.store.clone(), source }
    }
}

/// The statement that writes rows of a table, given as an array for each column. Where the database has rows already, those that
/// come replace them.
fn insert(table: &CopiedTable) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let arrays: Vec<String> =
        (1..).zip(table.columns).map(|(at, column): (usize, _)| format!("${at}::{}[]", sql_type(column.of))).collect();
    let name = table.name;
    // Where followers and rollups are, the database says from the beginning, in tables of a name and a number.
    let replace = match (POSITIONS.iter().any(|position| position.name == name), &columns[..]) {
        (true, [key, value]) => format!(" ON CONFLICT ({key}) DO UPDATE SET {value} = excluded.{value}"),
        _ => String::new(),
    };
    let (columns, arrays) = (columns.join(", "), arrays.join(", "));
    format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({arrays}){replace}")
}

fn sql_type(of: ColumnType) -> &'static str {
    match of {
        ColumnType::Number => "bigint",
        ColumnType::Flag => "boolean",
        ColumnType::Real => "double precision",
        ColumnType::Text => "text",
        ColumnType::Bytes => "bytea",
    }
}

/// A column as an array.
fn value(values: ColumnValues) -> (Box<dyn ToSql + Sync + Send>, Type) {
    match values {
        ColumnValues::Number(values) => (Box::new(values), Type::INT8_ARRAY),
        ColumnValues::Flag(values) => (Box::new(values), Type::BOOL_ARRAY),
        ColumnValues::Real(values) => (Box::new(values), Type::FLOAT8_ARRAY),
        ColumnValues::Text(mut values) => {
            for text in values.iter_mut().flatten().filter(|text| text.contains('\0')) {
                *text = plain(text).into_owned();
            }
            (Box::new(values), Type::TEXT_ARRAY)
        }
        ColumnValues::Bytes(values) => (Box::new(values), Type::BYTEA_ARRAY),
    }
}
