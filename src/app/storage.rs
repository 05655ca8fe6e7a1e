//! The store in the life of the process: which one it is, its housekeeping and its end.
//!
//! Nobody else knows what kind of store there is: others get the ports of `history`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;

use crate::fleet::{JournalledLedger, Spool};
use crate::history::postgres::{self, PostgresStore};
use crate::history::sqlite::{self, SqliteStore};
use crate::history::{Fleet, Store};
use crate::outcome::Ledger;
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

    /// Whether a database did not answer or did not let this process in, which may be otherwise later.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Database(postgres::OpenError::Connect { .. }))
    }
}

/// Who uses a store.
pub enum Sharing {
    /// This process alone.
    Own,
    /// The processes of a fleet.
    Fleet {
        /// What they agree on through it.
        fleet: Arc<dyn Fleet>,
        /// The journal of this one, where it has one.
        journal: Option<Arc<dyn Store>>,
        /// What this one ran before it reached the store.
        spool: Arc<Spool>,
    },
    /// It is the journal of a process of a fleet, which has not reached the store of the fleet yet, or first makes ready what an earlier
    /// process told alone.
    Journal {
        /// Whether the store of the fleet answers.
        is_reached: bool,
    },
}

impl Sharing {
    /// What the processes that share it agree on.
    pub(super) fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        match self {
            Self::Fleet { fleet, .. } => Some(Arc::clone(fleet)),
            Self::Own | Self::Journal { .. } => None,
        }
    }

    /// The journal beside the store.
    pub(super) fn journal(&self) -> Option<Arc<dyn Store>> {
        match self {
            Self::Fleet { journal, .. } => journal.clone(),
            Self::Own | Self::Journal { .. } => None,
        }
    }

    /// Where runs write down what they are about to create.
    pub fn ledger(&self, store: &Arc<dyn Store>) -> Arc<dyn Ledger> {
        match self.journal() {
            Some(journal) => Arc::new(JournalledLedger::new(store.clone(), journal)),
            None => store.clone(),
        }
    }
}

/// A store, and who uses it.
pub struct OpenedStore {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who uses it.
    pub sharing: Sharing,
}

impl OpenedStore {
    /// The store of a fleet, with the journal of this process and with what it ran before it reached the store.
    #[must_use]
    pub fn with_journal(self, journal: Option<Arc<dyn Store>>, spool: &Arc<Spool>) -> Self {
        let sharing = match self.sharing {
            Sharing::Fleet { fleet, .. } => Sharing::Fleet { fleet, journal, spool: Arc::clone(spool) },
            Sharing::Own => Sharing::Own,
            Sharing::Journal { is_reached } => Sharing::Journal { is_reached },
        };
        Self { sharing, ..self }
    }
}

/// Opens the journal of a process in a fleet.
///
/// # Errors
/// Where the file cannot be used, or another process has it.
pub fn open_journal(settings: &FleetSettings, store: &StoreSettings) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(SqliteStore::open(&settings.journal, store.retention, SystemTime::now())?))
}

/// Opens the store of a configuration, for a process that is called `member` in its fleet.
///
/// # Errors
/// Where it cannot be used; see [`OpenError`].
pub async fn open_store(settings: &StoreSettings, member: Option<&FleetSettings>) -> Result<OpenedStore, OpenError> {
    let now = SystemTime::now();
    Ok(match &settings.place {
        StorePlace::File(path) => {
            OpenedStore { store: Arc::new(SqliteStore::open(path, settings.retention, now)?), sharing: Sharing::Own }
        }
        StorePlace::Database(url) => {
            let region = member.map(|member| Arc::clone(&member.member));
            let store = Arc::new(PostgresStore::open(url, settings.retention, region, now).await?);
            let sharing = Sharing::Fleet { fleet: store.clone(), journal: None, spool: Arc::default() };
            OpenedStore { store, sharing }
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
