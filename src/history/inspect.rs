//! Looking through a whole file for damage, which takes as long as reading it does: on a thread of its own, beside everything else.
//!
//! It decides nothing: what it finds makes the writer look for itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle};
use tracing::{info, warn};

use super::file::{self, Place};
use super::store::Standing;

/// How long it waits for a lock of another program.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look at a file, under way.
pub(super) struct Inspection {
    thread: JoinHandle<bool>,
    interrupt: InterruptHandle,
}

impl Inspection {
    /// Begins to look.
    pub(super) fn start(place: &Place, standing: Arc<Standing>) -> io::Result<Self> {
        let connect = || -> rusqlite::Result<Connection> {
            let connection = place.connect(false, PATIENCE)?;
            // The writer alone tidies up; closing must remove nothing.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        let connection = connect().map_err(io::Error::other)?;
        let interrupt = connection.get_interrupt_handle();
        let store = place.path().display().to_string();
        let look = move || match file::look_through(&connection) {
            Ok(()) => {
                info!(store, "the store's file was left by a process that did not end well; it was looked through and is whole");
                true
            }
            Err(error) if file::is_damage(&error) => {
                standing.suspect.store(true, Ordering::Release);
                false
            }
            // Cut short at the end of the process, or not readable now: the next start looks again.
            Err(error) => {
                warn!(store, %error, "the store's file could not be looked through for damage; the next start does");
                false
            }
        };
        let thread = std::thread::Builder::new().name("store check".to_owned()).spawn(look)?;
        Ok(Self { thread, interrupt })
    }

    /// Ends it. Returns whether it was through, and the file whole.
    pub(super) fn end(self) -> bool {
        self.interrupt.interrupt();
        // A panic has been printed, and says nothing of the file.
        self.thread.join().unwrap_or(false)
    }
}
