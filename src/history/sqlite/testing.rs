//! A store in a directory of its own, asked by a thread that may block.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::reader::Queries;
use super::{OpenError, SqliteStore};
pub(super) use crate::history::testing::*;
use crate::history::{Commit, Recorder as _, StartState};
use crate::plan::Retention;

impl SqliteStore {
    /// Queries that block.
    pub(super) fn questions(&self) -> Queries {
        Queries::new(Arc::clone(self.readers()))
    }
}

/// Opens it at this time; with what opening it read.
pub(super) fn open_at(path: &Path, kept: Retention, now: SystemTime) -> Result<(SqliteStore, StartState), OpenError> {
    SqliteStore::open(path, kept, now).map(|store| {
        let found = store.found().expect("it was opened just now");
        (store, found)
    })
}

pub(super) fn open(directory: &Path) -> (SqliteStore, StartState) {
    open_at(&store_file(directory), KEPT, at(0)).unwrap()
}

/// Waits until everything handed in so far is durable.
pub(super) fn settle(store: &SqliteStore) {
    store.commit(Commit::default()).blocking_recv().unwrap();
}

/// Closes, and opens again.
pub(super) fn reopen(store: &SqliteStore, directory: &Path) -> (SqliteStore, StartState) {
    assert!(store.close(LONG));
    open(directory)
}
