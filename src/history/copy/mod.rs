//! A store in a file is copied to a database, once and whole: what a person does who moves from one process to a fleet.
//!
//! The file is locked meanwhile and not changed. The database takes all of it in one transaction: nothing of a copy that broke off is
//! there, and a store that has history already is refused. Rows are read on a thread and written as they come, so that the memory
//! that is needed does not grow with the file. In the end the rows of both are counted, and only a copy that is whole is committed.
//!
//! Which tables there are, [`tables`] says; reading is `sqlite::source`, writing `postgres::copy`.

mod column;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::SystemTime;

use tokio::sync::mpsc;

use super::postgres::{CopyTarget, CopyTransaction, TargetError};
use super::sqlite::{CopySource, OpenError, SourceError};
use crate::base::time::epoch_ms;
use crate::plan::{DatabaseUrl, Retention};

pub(super) use column::{ColumnType, ColumnValues, CopyBatch};
pub(super) use tables::{CopiedTable, POSITIONS, TABLES};

/// Batches that wait to be written, at most.
const AHEAD: usize = 2;

/// Why a store was not copied. Nothing of it is in the database then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Of the file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Of the database.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The database has other rows than the file.
    #[error("the database does not have as many rows as the file, so nothing was copied, which is a defect")]
    Different(Vec<TableCount>),
    /// A defect.
    #[error("reading the file panicked, which is a defect")]
    Defect(#[from] tokio::task::JoinError),
}

impl CopyError {
    /// The file that another process has.
    pub fn in_use(&self) -> Option<&Path> {
        match self {
            Self::Source(SourceError::Open(OpenError::InUse { path })) => Some(path),
            Self::Source(_) | Self::Target(_) | Self::Different(_) | Self::Defect(_) => None,
        }
    }

    /// Whether what was asked for cannot be, and no other try helps.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Source(SourceError::Missing { .. } | SourceError::Old { .. }) | Self::Target(TargetError::NotEmpty { .. }) => {
                true
            }
            Self::Source(SourceError::Open(error)) => error.is_misnamed(),
            Self::Source(SourceError::Aside { .. } | SourceError::Read { .. })
            | Self::Target(TargetError::Open(_) | TargetError::InUse { .. } | TargetError::Write { .. })
            | Self::Different(_)
            | Self::Defect(_) => false,
        }
    }
}

/// How many rows of a table there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableCount {
    /// Its name.
    pub table: &'static str,
    /// Rows in the file.
    pub found: u64,
    /// Rows in the database.
    pub copied: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress {
    /// The table that is being copied.
    pub table: &'static str,
    /// Rows of all tables that are copied.
    pub rows: u64,
    /// Rows of all tables in the file.
    pub of: u64,
}

/// Copies a file to a database that has no history, and tells how far it is. `retention` says how long the partitions are that the
/// runs come to, and `region` what the process is called that goes on with it: its own states and the test data it left are then its.
///
/// # Errors
/// See [`CopyError`].
pub async fn copy(
    from: &Path,
    to: &DatabaseUrl,
    region: &str,
    retention: Retention,
    now: SystemTime,
    tell: impl Fn(CopyProgress),
) -> Result<Vec<TableCount>, CopyError> {
    let path = from.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let source = CopySource::open(&path)?;
        let found = TABLES.iter().map(|table| source.count(table)).collect::<Result<Vec<_>, _>>()?;
        let first_due = source.first_due()?;
        Ok::<_, SourceError>((source, found, first_due))
    });
    let (source, found, first_due) = opened.await??;
    let mut target = CopyTarget::open(to).await?;
    let target = target.begin().await?;
    let filled = async {
        target.prepare(first_due, epoch_ms(now), retention).await?;
        let source = write_all(source, &target, found.iter().sum(), tell).await?;
        target.belongs_to(region).await?;
        Ok::<_, CopyError>((source, compared(&found, &target.count().await?)?))
    };
    match filled.await {
        // The file is locked until the copy is committed.
        Ok((_source, counts)) => {
            target.commit().await?;
            Ok(counts)
        }
        Err(error) => {
            target.roll_back().await;
            Err(error)
        }
    }
}

/// The rows of each table in both; they must be as many.
fn compared(found: &[u64], copied: &[u64]) -> Result<Vec<TableCount>, CopyError> {
    let counts = TABLES.iter().zip(found.iter().zip(copied));
    let counts: Vec<TableCount> =
        counts.map(|(table, (found, copied))| TableCount { table: table.name, found: *found, copied: *copied }).collect();
    if counts.iter().any(|count| count.found != count.copied) {
        return Err(CopyError::Different(counts));
    }
    Ok(counts)
}

/// Writes what is read, and gives the file back.
async fn write_all(
    source: CopySource,
    target: &CopyTransaction<'_>,
    of: u64,
    tell: impl Fn(CopyProgress),
) -> Result<CopySource, CopyError> {
    let (hand_on, mut batches) = mpsc::channel::<(&CopiedTable, CopyBatch)>(AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        for table in TABLES.iter().chain(&POSITIONS) {
            source.read(table, |batch| hand_on.blocking_send((table, batch)).is_ok())?;
        }
        Ok::<_, SourceError>(source)
    });
    let written = async {
        let mut rows = 0;
        while let Some((table, batch)) = batches.recv().await {
            tell(CopyProgress { table: table.name, rows, of });
            rows += u64::try_from(batch.rows).unwrap_or(u64::MAX);
            target.write(table, batch).await?;
        }
        Ok::<_, CopyError>(())
    };
    let written = written.await;
    // Whoever reads ends when nobody takes what is read.
    drop(batches);
    let source = reading.await?;
    written?;
    Ok(source?)
}
