//! Looking through a whole file for damage, which takes as long as reading it does: on a thread of its own, beside everything else.
//!
//! It decides nothing: what it finds makes the writer look for itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle};
use tracing::{info, warn};

use super::file::{self, StoreLocation};
use super::health::Health;

/// How long it waits for a lock of another program.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two interruptions: the first may come just before the statement begins.
const AGAIN: Duration = Duration::from_millis(1);

/// A check of the whole file; `None` if it could not begin.
pub(super) struct Inspection(Option<RunningInspection>);

struct RunningInspection {
    thread: JoinHandle<bool>,
    /// Set before it is interrupted: only a statement that runs can be.
    stop: Arc<AtomicBool>,
    interrupt: InterruptHandle,
}

impl Inspection {
    /// Begins the check. If it cannot begin, that is logged, and the file counts as not checked.
    pub(super) fn start(place: &StoreLocation, health: Arc<Health>) -> Self {
        let begun = RunningInspection::start(place, health).inspect_err(|error| {
            let store = place.path().display();
            warn!(%store, %error, "looking through the store's file for damage could not begin; the next start does it");
        });
        Self(begun.ok())
    }

    /// Ends the check. Returns whether it was complete and found no damage.
    pub(super) fn end(self) -> bool {
        self.0.is_some_and(RunningInspection::end)
    }
}

impl RunningInspection {
    fn start(place: &StoreLocation, health: Arc<Health>) -> io::Result<Self> {
        let connect = || -> rusqlite::Result<Connection> {
            let connection = place.connect(false, PATIENCE)?;
            // The writer alone tidies up; closing must remove nothing.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        let connection = connect().map_err(io::Error::other)?;
        let interrupt = connection.get_interrupt_handle();
        let store = place.path().display().to_string();
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let look = move || look(&connection, &stopped, &health, &store);
        let thread = thread::Builder::new().name("store check".to_owned()).spawn(look)?;
        Ok(Self { thread, stop, interrupt })
    }

    fn end(self) -> bool {
        self.stop.store(true, Ordering::Release);
        while !self.thread.is_finished() {
            self.interrupt.interrupt();
            thread::sleep(AGAIN);
        }
        // A panic has been printed, and says nothing of the file.
        self.thread.join().unwrap_or(false)
    }
}

/// Whether a file was looked through and is whole.
fn look(connection: &Connection, stop: &AtomicBool, health: &Health, store: &str) -> bool {
    if stop.load(Ordering::Acquire) {
        return false;
    }
    match file::look_through(connection) {
        Ok(()) => {
            info!(store, "nobody had closed the store's file; it was looked through and is whole");
            true
        }
        Err(error) if file::is_damage(&error) => {
            health.suspect.store(true, Ordering::Release);
            false
        }
        // Cut short at the end of the process, or not readable now: the next start looks again.
        Err(error) => {
            warn!(store, %error, "the store's file could not be looked through for damage; the next start does");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_is_stopped_before_it_begins_does_not_begin() {
        let looked = |stop| {
            let connection = Connection::open_in_memory().unwrap();
            look(&connection, &AtomicBool::new(stop), &Health::default(), "store")
        };
        assert!(looked(false));
        assert!(!looked(true), "it would be whole");
    }

    #[test]
    fn a_look_that_cannot_begin_is_no_error_and_does_not_call_the_file_whole() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = StoreLocation::File(directory.path().join("none"));
        assert!(!Inspection::start(&nowhere, Arc::default()).end());
    }
}
