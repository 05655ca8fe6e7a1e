//! The handle everyone has.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Commit, IncidentRow, MessageRow, OpenError, Reader};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};
use crate::plan::StoreSettings;

/// What an earlier process left.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// States.
    pub states: Vec<KeptState>,
    /// Open incidents, and those resolved in the last 24 hours.
    pub incidents: Vec<IncidentRow>,
    /// Messages that must still leave, in the order of their ids.
    pub messages: Vec<MessageRow>,
    /// The last finished tick of each canary: its id, and when it was due, milliseconds since the epoch.
    pub last_ticks: Vec<(String, i64)>,
    /// Cleanups that did not finish and were not given up on.
    pub ledger: Vec<LedgerEntry>,
    /// Where a damaged file was put; what could be read of it is in the other fields.
    pub damaged: Option<PathBuf>,
}

/// A [`StateRow`](super::StateRow) that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// What kind.
    pub kind: String,
    /// Whose.
    pub key: String,
    /// The state.
    pub json: String,
}

/// The store.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Opens or begins the file and starts its writer. Blocks while it reads.
    pub fn open(_settings: &StoreSettings, _now: SystemTime) -> Result<(Self, Remembered), OpenError> {
        unimplemented!()
    }

    /// A store that is gone with the process.
    pub fn in_memory() -> Self {
        unimplemented!()
    }

    /// Writes this soon, together with others. Never blocks.
    pub fn offer(&self, _commit: Commit) {
        unimplemented!()
    }

    /// Writes this now; resolves when it is durable, and everything handed in before it too. Never blocks. The receiver may be dropped.
    pub fn commit(&self, _commit: Commit) -> oneshot::Receiver<()> {
        unimplemented!()
    }

    /// Questions, on a connection of their own.
    pub fn reader(&self) -> Reader {
        unimplemented!()
    }

    /// Makes rollups and removes what is older than it is kept, in slices between writes; resolves when done.
    pub fn housekeep(&self, _now: SystemTime) -> oneshot::Receiver<()> {
        unimplemented!()
    }

    /// Writes what waits and ends the writer. Blocks for at most `deadline`; false if something could not be written by then.
    pub fn close(&self, _deadline: Duration) -> bool {
        unimplemented!()
    }
}

impl Ledger for Store {
    fn intend(&self, _entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        unimplemented!()
    }

    fn created(&self, _id: &str, _names: serde_json::Value) {
        unimplemented!()
    }

    fn ended(&self, _id: &str, _end: LedgerEnd) {
        unimplemented!()
    }
}
