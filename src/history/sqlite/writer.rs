//! The one thread that writes. A write that fails is tried again; what waits stays in the queue, which is bounded.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use metrics::gauge;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rustix::fs::{Access, access};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::OpenError;
use super::file::{self, CheckDepth, FileOrigin, Identity, StoreLocation};
use super::housekeep::HousekeepRound;
use super::inspect::Inspection;
use super::lock::{FileMark, Lock};
use super::reader::Readers;
use super::write::RowWriter;
use crate::history::backlog::{Backlog, Queue, Waiter, Work};
use crate::plan::Retention;

/// Whether the last try to write succeeded.
pub(super) const WRITABLE: &str = "serinus_store_writable";

/// How long the writer waits for a lock that another program holds.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Pauses between tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Urgent commits between two checkpoints, where nothing else is written.
const CHECKPOINT: u32 = 200;

/// Passed runs that are written down at once with housekeeping.
const PASSES: usize = 200;

/// How long after a whole check without damage the file is not checked again.
const SOUND_FOR: Duration = Duration::from_hours(1);

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("another file has been put in the place of the store; restart this process to use that one")]
    Replaced,
    #[error("there is no connection to the file")]
    Disconnected,
}

impl WriteError {
    /// Whether the file itself is at fault.
    fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite(error) if file::is_damage(error))
    }
}

/// The writer.
pub(super) struct Writer {
    place: StoreLocation,
    retention: Retention,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    connection: Option<Connection>,
    identity: Option<Identity>,
    lock: Option<Lock>,
    /// The look at a file that was not closed by its last process.
    inspection: Option<Inspection>,
    /// How closely the file is checked when it is opened next, and when a whole check last found no damage.
    look: CheckDepth,
    sound: Option<Instant>,
    rows: RowWriter,
    /// How the connection is set: whether a commit waits for the disk.
    urgent: Option<bool>,
    unchecked: u32,
    failures: u32,
}

/// Says that the writer has ended, also where it panics.
struct EndGuard<'a> {
    queue: &'a Queue,
    clean: bool,
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the store's thread panicked; nothing is stored any more, this is a defect of Serinus");
            gauge!(WRITABLE).set(0.0);
        }
        self.queue.ended(self.clean);
    }
}

impl Writer {
    pub(super) fn new(
        place: StoreLocation,
        retention: Retention,
        queue: Arc<Queue>,
        readers: Arc<Readers>,
        connection: Option<Connection>,
        lock: Option<Lock>,
        inspection: Option<Inspection>,
    ) -> Self {
        gauge!(WRITABLE).set(1.0);
        Self {
            identity: identity(&place),
            place,
            retention,
            queue,
            rows: RowWriter::new(retention.bodies, readers.passes.clone()),
            readers,
            connection,
            lock,
            inspection,
            look: CheckDepth::Head,
            sound: None,
            urgent: None,
            unchecked: 0,
            failures: 0,
        }
    }

    /// Writes until the end.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut ending = EndGuard { queue: &queue, clean: false };
        let mut round: Option<(HousekeepRound, Vec<oneshot::Sender<()>>)> = None;
        loop {
            if self.readers.health.suspect.swap(false, Ordering::AcqRel) {
                round = None;
                self.look_at_damage();
            }
            if let Some((todo, _)) = &mut round
                && !queue.is_wanted()
            {
                match self.slice(todo) {
                    Ok(true) => {}
                    Ok(false) => {
                        let done = round.take().map(|(_, done)| done).unwrap_or_default();
                        done.into_iter().for_each(notify);
                    }
                    Err(error) => {
                        warn!(store = %self.place.path().display(), error = %chain(&error), "housekeeping of the store stopped; the next one goes on");
                        round = None;
                        if error.is_damage() {
                            self.readers.health.suspect.store(true, Ordering::Release);
                        }
                    }
                }
                continue;
            }
            match queue.next() {
                Work::Write(backlog) => {
                    if !self.write(*backlog) {
                        break;
                    }
                }
                Work::Housekeep(now, done) => {
                    self.write_passes(false);
                    round = Some((HousekeepRound::new(now, self.retention), done));
                }
                Work::End => {
                    ending.clean = true;
                    break;
                }
            }
        }
        // Closed before anyone is told: the file is whole then, and free.
        self.close(ending.clean);
    }

    /// Writes passed runs that are only held so far. If that fails, they stay held.
    fn write_passes(&mut self, all: bool) {
        let most = if all { usize::MAX } else { PASSES };
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = self.rows.write_passes(connection, all, most) {
            warn!(store = %self.place.path().display(), error = %chain(&error), "the newest passed runs could not be written down");
        }
    }

    /// Closes the file, and says so in the lock where all of it is known to be whole.
    fn close(&mut self, clean: bool) {
        if clean {
            self.write_passes(true);
        }
        let sound = self.inspection.take().is_none_or(Inspection::end);
        // The last connection to be closed puts the log into the file; that must be this one.
        self.readers.health.epoch.fetch_add(1, Ordering::Release);
        self.readers.close_idle();
        let closed = self.connection.take().is_some_and(|connection| connection.close().is_ok());
        let suspect = self.readers.health.suspect.load(Ordering::Acquire);
        if let (Some(lock), Some(identity)) = (self.lock.take(), self.identity)
            && clean
            && closed
            && sound
            && !suspect
            && let Err(error) = lock.set(FileMark::Closed, identity)
        {
            warn!(store = %self.place.path().display(), %error, "the end could not be noted; the next start looks through the store's file");
        }
    }

    /// Looks for the damage that somebody met, at most once an hour if there is none; a file that is damaged is set aside.
    fn look_at_damage(&mut self) {
        let lately = self.sound.is_some_and(|sound| sound.elapsed() < SOUND_FOR);
        if lately || matches!(self.place, StoreLocation::Memory(_)) {
            return;
        }
        self.disconnect();
        self.look = CheckDepth::Whole;
        if let Err(error) = self.connect() {
            warn!(store = %self.place.path().display(), error = %chain(&error), "the store's file cannot be looked at now; it is tried again with the next write");
        }
    }

    /// Writes, or gives back and waits. False if it is too late to try again.
    fn write(&mut self, mut backlog: Backlog) -> bool {
        match self.try_write(&backlog) {
            Ok(()) => {
                if self.failures > 0 {
                    info!(store = %self.place.path().display(), "the store can be written again; nothing that waited is lost");
                    self.set_writable(true);
                }
                self.failures = 0;
                std::mem::take(&mut backlog.waiters).into_iter().for_each(Waiter::notify);
                true
            }
            Err(error) => {
                if self.failures == 0 {
                    error!(
                        store = %self.place.path().display(),
                        error = %chain(&error),
                        "the store cannot be written; pages leave from memory, and it is tried again until it works"
                    );
                    self.set_writable(false);
                }
                let pause = PAUSES.0.saturating_mul(1 << self.failures.min(10)).min(PAUSES.1);
                self.failures = self.failures.saturating_add(1);
                self.recover(&error);
                self.queue.give_back(backlog, pause)
            }
        }
    }

    fn try_write(&mut self, backlog: &Backlog) -> Result<(), WriteError> {
        self.ensure_file()?;
        let urgent = !backlog.waiters.is_empty();
        self.set_durability(urgent)?;
        let connection = self.connection.as_mut().ok_or(WriteError::Disconnected)?;
        self.rows.write(connection, backlog)?;
        self.readers.health.written.send_modify(|times| *times = times.wrapping_add(1));
        self.unchecked = if urgent { self.unchecked + 1 } else { 0 };
        if self.unchecked >= CHECKPOINT && !self.queue.is_wanted() {
            self.unchecked = 0;
            // Best effort: what is committed is durable without it, and the next one is not far.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        Ok(())
    }

    /// An urgent commit waits for the disk, and leaves tidying up the log to others.
    fn set_durability(&mut self, urgent: bool) -> Result<(), WriteError> {
        if self.urgent != Some(urgent) {
            self.urgent = None;
            let connection = self.connection.as_ref().ok_or(WriteError::Disconnected)?;
            connection.pragma_update(None, "synchronous", if urgent { "FULL" } else { "NORMAL" })?;
            connection.pragma_update_and_check(None, "wal_autocheckpoint", if urgent { 0 } else { 1_000 }, |_| Ok(()))?;
            self.urgent = Some(urgent);
        }
        Ok(())
    }

    /// Makes sure that the open file is the one under the store's name: `SQLite` itself would go on writing to a deleted file.
    fn ensure_file(&mut self) -> Result<(), WriteError> {
        let StoreLocation::File(path) = self.place.clone() else { return Ok(()) };
        if self.connection.is_none() {
            return self.connect();
        }
        match Identity::of(&path) {
            Ok(found) if Some(found) == self.identity => Ok(()),
            Ok(_) => Err(WriteError::Replaced),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.rescue(&path),
            Err(error) => Err(error.into()),
        }
    }

    /// The file was deleted; the connection still has all of it, and writes it down again.
    fn rescue(&mut self, path: &Path) -> Result<(), WriteError> {
        // The lock may have gone with it, or still be there and ours.
        let gone = self.lock.as_ref().is_none_or(|lock| !lock.is_beside(path));
        let taken = gone.then(|| Lock::take(path, Duration::ZERO)).transpose()?;
        let copy = file::fresh(path)?;
        let connection = self.connection.as_ref().ok_or(WriteError::Disconnected)?;
        connection.execute("VACUUM INTO ?", [copy.to_string_lossy()])?;
        file::remove_log(path)?;
        fs::rename(&copy, path)?;
        self.lock = taken.or_else(|| self.lock.take());
        self.disconnect();
        self.connect()?;
        warn!(store = %path.display(), "the store's file was deleted while it was in use; it was written again from what was still open");
        Ok(())
    }

    /// What can be done about it beyond trying again.
    fn recover(&mut self, error: &WriteError) {
        let damaged = error.is_damage();
        // Reconnects after damage, and at every eighth failure in any case, as after an error of the disk. It does not disconnect
        // if the file cannot be opened again, because readers need the connection that is there.
        let StoreLocation::File(path) = &self.place else { return };
        let anew = damaged || self.failures.is_multiple_of(8);
        if anew && !matches!(error, WriteError::Replaced) && access(path, Access::WRITE_OK).is_ok() {
            if damaged {
                self.look = CheckDepth::Whole;
            }
            self.disconnect();
        }
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Closing would otherwise remove the log by its name, which may be another file's by now.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        self.urgent = None;
        self.rows = RowWriter::new(self.retention.bodies, self.readers.passes.clone());
    }

    fn connect(&mut self) -> Result<(), WriteError> {
        let (connection, damaged) = file::open(&self.place, FileOrigin::Ours, self.look, PATIENCE, SystemTime::now())?;
        self.identity = identity(&self.place);
        if let (Some(lock), Some(identity)) = (&self.lock, self.identity) {
            lock.set(FileMark::Open, identity)?;
        }
        self.connection = Some(connection);
        if std::mem::replace(&mut self.look, CheckDepth::Head) == CheckDepth::Whole || damaged.is_some() {
            self.sound = Some(Instant::now());
        }
        if damaged.is_some() {
            // What was looked at is not the file any more.
            self.inspection.take().map(Inspection::end);
        }
        self.readers.health.set_aside(damaged);
        self.readers.health.epoch.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn set_writable(&self, writable: bool) {
        self.readers.health.stuck.store(!writable, Ordering::Release);
        gauge!(WRITABLE).set(if writable { 1.0 } else { 0.0 });
    }

    fn slice(&mut self, round: &mut HousekeepRound) -> Result<bool, WriteError> {
        self.set_durability(false)?;
        let connection = self.connection.as_mut().ok_or(WriteError::Disconnected)?;
        Ok(round.slice(connection)?)
    }
}

fn identity(place: &StoreLocation) -> Option<Identity> {
    match place {
        StoreLocation::File(path) => Identity::of(path).ok(),
        StoreLocation::Memory(_) => None,
    }
}

/// Whoever no longer wants to know has dropped the receiver.
fn notify(waiter: oneshot::Sender<()>) {
    let _ = waiter.send(());
}

/// An error and what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
