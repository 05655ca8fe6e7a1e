//! A file that is copied from: it is locked meanwhile and never changed.
//!
//! A file of the newest format is read where it is. One of an earlier format is copied beside itself first, and the copy is migrated,
//! which needs as much room on the disk once more; the copy is gone with its reader.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Row};

use super::file::{self, StoreLocation};
use super::lock::Lock;
use super::{OpenError, schema};
use crate::history::copy::{ColumnValues, CopiedTable, CopyBatch};

/// How long a process that is ending may still have the file.
const HANDOVER: Duration = Duration::from_secs(3);

/// How long it waits for a lock that another program holds on the file itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rows and bytes that are read before they are handed on.
const BATCH: (usize, usize) = (4_000, 4 << 20);

/// Why a file cannot be copied from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no file, or an empty one.
    #[error("there is no store at {}, or nothing in it", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// What it has must be understood by a service first.
    #[error(
        "the store {} has format {found}, whose messages only a service can take over: run this version with it once, stop it, and copy \
         then",
        path.display()
    )]
    Old {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It is no store, a later version's, or another process has it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file of an earlier format cannot be copied beside itself.
    #[error("the store {} is of an earlier format and cannot be copied beside itself to be brought to the newest", path.display())]
    Aside {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read to its end.
    #[error("the store {} cannot be read; if it is damaged, a service that starts with it saves what can be", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// A copy of a file beside it, which is removed with this.
#[derive(Debug)]
struct CopyAside(PathBuf);

impl CopyAside {
    /// Copies the file with its log.
    fn make(path: &Path) -> io::Result<Self> {
        let copy = Self(file::beside(path, ".copying"));
        copy.remove();
        fs::copy(path, &copy.0)?;
        match fs::copy(file::beside(path, "-wal"), file::beside(&copy.0, "-wal")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(copy),
        }
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            // Most of them are not there.
            let _ = fs::remove_file(file::beside(&self.0, suffix));
        }
    }
}

impl Drop for CopyAside {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A file that is copied from.
#[derive(Debug)]
pub(in crate::history) struct CopySource {
    path: PathBuf,
    // Closed before the copy is removed, which comes before the lock ends.
    connection: Connection,
    _aside: Option<CopyAside>,
    _lock: Lock,
}

impl CopySource {
    /// Locks the file and opens it. Blocks, for long where a large file is of an earlier format.
    pub(in crate::history) fn open(path: &Path) -> Result<Self, SourceError> {
        if fs::metadata(path).map_or(true, |file| file.len() == 0) {
            return Err(SourceError::Missing { path: path.to_owned() });
        }
        let lock = Lock::take(path, HANDOVER)?;
        let failed = |source: rusqlite::Error| {
            let path = path.to_owned();
            match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => SourceError::Open(OpenError::NoDatabase { path }),
                _ => SourceError::Read { path, source },
            }
        };
        let has_log = fs::metadata(file::beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        let opened = || {
            let connection = file::only_read(path)?;
            // A log that was not there is removed in the end, and one that was stays as it is.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
            let found = (schema::version(&connection)?, schema::is_foreign(&connection)?);
            Ok((connection, found))
        };
        let (connection, (found, is_foreign)) = opened().map_err(failed)?;
        match found {
            _ if is_foreign => return Err(OpenError::Foreign { path: path.to_owned() }.into()),
            0 => return Err(SourceError::Missing { path: path.to_owned() }),
            found if found > schema::KNOWN => {
                return Err(OpenError::Newer { path: path.to_owned(), found, known: schema::KNOWN }.into());
            }
            found if found < schema::WITH_TRIES => return Err(SourceError::Old { path: path.to_owned(), found }),
            _ => {}
        }
        let (connection, aside) = if found == schema::KNOWN {
            (connection, None)
        } else {
            drop(connection);
            let aside = CopyAside::make(path).map_err(|source| SourceError::Aside { path: path.to_owned(), source })?;
            (newest(&aside.0).map_err(failed)?, Some(aside))
        };
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        Ok(Self { path: path.to_owned(), connection, _aside: aside, _lock: lock })
    }

    /// How many rows a table has. Blocks.
    pub(in crate::history) fn count(&self, table: &CopiedTable) -> Result<u64, SourceError> {
        self.ask(&format!("SELECT count(*) FROM {}", table.from))
    }

    /// When the first run that passed was due, and the first of the others; milliseconds since the epoch. Blocks.
    pub(in crate::history) fn first_due(&self) -> Result<[Option<i64>; 2], SourceError> {
        let first = |which: &str| self.ask(&format!("SELECT (SELECT due_ms FROM runs WHERE {which} ORDER BY due_ms LIMIT 1)"));
        Ok([first("verdict = 0")?, first("verdict <> 0")?])
    }

    /// Reads a table, and hands its rows on in batches until one is not taken. Blocks.
    pub(in crate::history) fn read(
        &self,
        table: &CopiedTable,
        mut hand_on: impl FnMut(CopyBatch) -> bool,
    ) -> Result<(), SourceError> {
        let mut read = || -> rusqlite::Result<()> {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.read).collect();
            let sql = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.from, table.order);
            let mut rows = self.connection.prepare(&sql)?;
            let mut rows = rows.query([])?;
            let (mut batch, mut bytes) = (empty(table), 0);
            while let Some(row) = rows.next()? {
                bytes += add(&mut batch, row)?;
                if (batch.rows >= BATCH.0 || bytes >= BATCH.1) && !hand_on(std::mem::replace(&mut batch, empty(table))) {
                    return Ok(());
                }
                if batch.rows == 0 {
                    bytes = 0;
                }
            }
            if batch.rows > 0 {
                hand_on(batch);
            }
            Ok(())
        };
        read().map_err(|source| SourceError::Read { path: self.path.clone(), source })
    }

    fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, SourceError> {
        let answer = self.connection.query_row(sql, [], |row| row.get(0));
        answer.map_err(|source| SourceError::Read { path: self.path.clone(), source })
    }
}

/// Brings a copy to the newest format.
fn newest(copy: &Path) -> rusqlite::Result<Connection> {
    let mut connection = StoreLocation::File(copy.to_owned()).connect(true, PATIENCE)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

fn empty(table: &CopiedTable) -> CopyBatch {
    CopyBatch { columns: table.columns.iter().map(|column| ColumnValues::none(column.of)).collect(), rows: 0 }
}

/// Adds a row; returns about how many bytes it takes.
fn add(batch: &mut CopyBatch, row: &Row<'_>) -> rusqlite::Result<usize> {
    let mut bytes = 0;
    for (at, column) in batch.columns.iter_mut().enumerate() {
        let value = row.get_ref(at)?;
        bytes += 8 + value.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
        match column {
            ColumnValues::Number(values) => values.push(value.as_i64_or_null()?),
            ColumnValues::Flag(values) => values.push(value.as_i64_or_null()?.map(|number| number != 0)),
            ColumnValues::Real(values) => values.push(value.as_f64_or_null()?),
            // What is damaged in a text is shown as far as it can be.
            ColumnValues::Text(values) => values.push(match value {
                ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                other => other.as_str_or_null()?.map(str::to_owned),
            }),
            ColumnValues::Bytes(values) => values.push(value.as_blob_or_null()?.map(<[u8]>::to_vec)),
        }
    }
    batch.rows += 1;
    Ok(bytes)
}
