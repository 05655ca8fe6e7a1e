//! The store in the life of the process: which one it is, its housekeeping and its end.
//!
//! Nobody else knows what kind of store there is: others get the ports of `history`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;

use crate::history::postgres::{self, PostgresStore};
use crate::history::sqlite::{self, SqliteStore};
use crate::history::{Fleet, Store};
use crate::plan::{FleetSettings, StorePlace, StoreSettings};
use crate::schedule::Job;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// That of a file.
    #[error(transparent)]
    File(#[from] sqlite::OpenError),
    /// That of a database.
    #[error(transparent)]
    Database(#[from] postgres::OpenError),
}

impl OpenError {
    /// The file that another process has.
    pub fn in_use(&self) -> Option<&Path> {
        match self {
            Self::File(sqlite::OpenError::InUse { path }) => Some(path),
            Self::File(_) | Self::Database(_) => None,
        }
    }
}

/// A store, and what the processes that share it agree on through it.
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Absent where no other process uses it.
    pub fleet: Option<Arc<dyn Fleet>>,
}

/// Opens the store of a configuration, for a process that is called `member` in its fleet.
///
/// # Errors
/// Where it cannot be used; see [`OpenError`].
pub async fn open_store(settings: &StoreSettings, member: Option<&FleetSettings>) -> Result<OpenedStore, OpenError> {
    let now = SystemTime::now();
    Ok(match &settings.place {
        StorePlace::File(path) => OpenedStore { store: Arc::new(SqliteStore::open(path, settings.retention, now)?), fleet: None },
        StorePlace::Database(url) => {
            let region = member.map(|member| Arc::clone(&member.member));
            let store = Arc::new(PostgresStore::open(url, settings.retention, region, now).await?);
            OpenedStore { store: store.clone(), fleet: Some(store) }
        }
    })
}

/// A store that is gone with the process.
pub fn store_in_memory() -> Arc<dyn Store> {
    Arc::new(SqliteStore::in_memory())
}

/// The job of rolling up and removing what is older than it is kept.
pub(super) fn housekeeping(store: &Arc<dyn Store>) -> Job {
    let store = Arc::clone(store);
    // Its end is awaited only so that the next one does not begin before.
    let run = move || store.housekeep(SystemTime::now()).map(drop).boxed();
    Job { name: "retention", cron: "40 * * * * *", run: Arc::new(run) }
}

/// Writes what waits and ends the store. Returns whether everything was written.
pub(super) async fn close(store: Arc<dyn Store>, within: Duration) -> bool {
    let written = store.shut_down(within).await;
    if !written {
        tracing::error!(
            "the store could not write everything before the end; the last runs, and what was told of them, are not in it"
        );
    }
    written
}
