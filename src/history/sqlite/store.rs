//! The store: opening it, and the handle that the ports are answered by.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::file::{self, CheckDepth, FileOrigin, Identity, StoreLocation};
use super::health::Health;
use super::inspect::Inspection;
use super::lock::{FileMark, Lock};
use super::reader::Readers;
use super::writer::{self, Writer};
use super::{OpenError, restore};
use crate::base::time::epoch_ms;
use crate::history::backlog::{self, Queue};
use crate::history::{StartState, UnreadableEntry};
use crate::plan::Retention;

/// How long the start waits for a lock that another program holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the start waits for a process that is ending.
const HANDOVER: Duration = Duration::from_secs(3);

/// How long the writer has to end when the last handle is dropped without a close.
const LEFT: Duration = Duration::from_secs(5);

/// The store. Clones share it; with the last one the writer ends, but only [`SqliteStore::close`] waits for that.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<StoreHandles>);

#[derive(Debug)]
struct StoreHandles {
    queue: Arc<Queue>,
    health: Arc<Health>,
    readers: Arc<Readers>,
    /// What opening it read, until somebody asks.
    found: Mutex<Option<StartState>>,
}

impl Drop for StoreHandles {
    fn drop(&mut self) {
        self.queue.close(Instant::now() + LEFT);
    }
}

impl SqliteStore {
    /// Opens or creates the file and starts its writer. Blocks while it reads the start state, which takes no longer for a large
    /// file: the check for damage follows in the background, and only if the last process did not close the file. If the disk is
    /// full, the file is only read, and written as soon as there is room.
    ///
    /// # Errors
    /// Where the file cannot be used or is no store, another process has it, or a newer version wrote it. A damaged file is no error.
    pub fn open(path: &Path, retention: Retention, now: SystemTime) -> Result<Self, OpenError> {
        let lock = Lock::take(path, HANDOVER)?;
        let mark = Identity::of(path).map_or(FileMark::Unknown, |file| lock.mark(file));
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let place = StoreLocation::File(path.to_owned());
        let (connection, restored) = match open(&place, mark, now) {
            Ok((connection, restored)) => {
                log_unreadable(path, &restored);
                let marked = Identity::of(path).and_then(|file| lock.set(FileMark::Open, file));
                marked.map_err(|source| OpenError::File { path: path.to_owned(), source })?;
                (Some(connection), restored)
            }
            Err(error) if file::is_for_want_of_room(path, &error) => {
                let read = file::only_read(path).and_then(|file| restore::read(&file, epoch_ms(now), None));
                tracing::error!(
                    store = %path.display(),
                    known = read.is_ok(),
                    "the disk is full: probing and paging go on from memory, and everything is written once there is room"
                );
                (None, read.unwrap_or_default())
            }
            Err(error) => return Err(error),
        };
        let health = Arc::<Health>::default();
        health.set_aside(restored.damaged.clone());
        let unchecked = connection.is_some() && !is_new && mark != FileMark::Closed && restored.damaged.is_none();
        let inspection = unchecked.then(|| Inspection::start(&place, Arc::clone(&health)));
        let store = Self::start(place, health, retention, connection, Some(lock), inspection)?;
        *store.0.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(restored);
        Ok(store)
    }

    /// A store in memory that is gone with its last handle. It keeps everything.
    pub fn in_memory() -> Self {
        let place = StoreLocation::Memory(format!("file:/serinus-{}?vfs=memdb", ulid::Ulid::generate()));
        file::open(&place, FileOrigin::Ours, CheckDepth::Head, PATIENCE, SystemTime::now())
            .and_then(|(connection, _)| Self::start(place, Arc::default(), Retention::EVERYTHING, Some(connection), None, None))
            .expect("memory takes a few pages, and the process one more thread")
    }

    pub(super) fn start(
        place: StoreLocation,
        health: Arc<Health>,
        retention: Retention,
        connection: Option<rusqlite::Connection>,
        lock: Option<Lock>,
        inspection: Option<Inspection>,
    ) -> Result<Self, OpenError> {
        backlog::register();
        metrics::counter!(file::DAMAGED).increment(0);
        if let Some(connection) = &connection {
            let failed = |source| OpenError::Sqlite { path: place.path().to_owned(), source };
            connection.busy_timeout(writer::PATIENCE).map_err(failed)?;
        }
        let queue = Arc::<Queue>::default();
        let readers = Arc::new(Readers::new(place.clone(), Arc::clone(&health), retention.bodies));
        let writer = Writer::new(place, retention, Arc::clone(&queue), Arc::clone(&readers), connection, lock, inspection);
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(StoreHandles { queue, health, readers, found: Mutex::default() })))
    }

    /// Whether the last try to write succeeded; if not, what waits is kept and tried again.
    pub fn is_writable(&self) -> bool {
        !self.0.health.stuck.load(Ordering::Acquire)
    }

    /// What a damaged file was renamed to, at the start or since.
    pub fn damaged(&self) -> Option<PathBuf> {
        self.0.health.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What waits to be written.
    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.0.queue
    }

    /// Connections to ask on.
    pub(super) fn readers(&self) -> &Arc<Readers> {
        &self.0.readers
    }

    /// What opening it read, once.
    pub(super) fn found(&self) -> Option<StartState> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes what waits and ends the writer. Blocks for at most `deadline`; false if something could not be written by then.
    pub fn close(&self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        self.0.queue.close(until);
        self.0.queue.wait(until + Duration::from_millis(100))
    }
}

/// Logs the entries of the cleanup ledger that cannot be read; they stay where they are.
fn log_unreadable(path: &Path, restored: &StartState) {
    for UnreadableEntry { id, why } in &restored.unreadable {
        tracing::error!(
            store = %path.display(),
            entry = %id,
            error = %why,
            "an entry of the cleanup ledger cannot be read and is set aside: what it stands for is not deleted; look for it at the \
             target, and remove the entry with `serinus sweep --forget ID`"
        );
    }
}

/// Opens the file as far as probing needs it, and reads what is restored.
fn open(place: &StoreLocation, mark: FileMark, now: SystemTime) -> Result<(rusqlite::Connection, StartState), OpenError> {
    let failed = |source| OpenError::Sqlite { path: place.path().to_owned(), source };
    let owner = if mark == FileMark::Unknown { FileOrigin::Unknown } else { FileOrigin::Ours };
    let (connection, damaged) = file::open(place, owner, CheckDepth::Head, PATIENCE, now)?;
    match restore::read(&connection, epoch_ms(now), damaged) {
        Ok(restored) => Ok((connection, restored)),
        Err(damage) if file::is_damage(&damage) => {
            drop(connection);
            let (connection, aside) = file::begin_anew(place, PATIENCE, now, &damage)?;
            let restored = restore::read(&connection, epoch_ms(now), Some(aside)).map_err(failed)?;
            Ok((connection, restored))
        }
        Err(error) => Err(failed(error)),
    }
}
