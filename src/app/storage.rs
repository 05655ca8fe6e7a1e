//! The store in the life of the process: its housekeeping and its end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use tokio::task::spawn_blocking;

use crate::history::Store;
use crate::schedule::Job;

/// The job of rolling up and removing what is older than it is kept.
pub(super) fn housekeeping(store: &Store) -> Job {
    let store = store.clone();
    // It is told when it was done only so that the next one does not begin before.
    let run = move || store.housekeep(SystemTime::now()).map(drop).boxed();
    Job { name: "retention", cron: "40 * * * * *", run: Arc::new(run) }
}

/// Writes what waits and ends the writer. Returns whether everything was written.
pub(super) async fn close(store: Store, within: Duration) -> bool {
    // A panic has been printed.
    let written = spawn_blocking(move || store.close(within)).await.unwrap_or(false);
    if !written {
        tracing::error!(
            "the store could not write everything before the end; the last runs, and what was told of them, are not in it"
        );
    }
    written
}
