//! The store: opening it, and the handle that the ports are answered by.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::file::{self, Identity, Look, Owner, Place};
use super::housekeep::Retention;
use super::inspect::Inspection;
use super::lock::{Lock, Mark};
use super::reader::Readers;
use super::writer::{self, Writer};
use super::{OpenError, remember};
use crate::base::time::epoch_ms;
use crate::history::backlog::{self, Queue};
use crate::history::{Remembered, UnreadableEntry};
use crate::plan::StoreSettings;

/// How long the start waits for a lock that another program holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the start waits for a process that is ending.
const HANDOVER: Duration = Duration::from_secs(3);

/// How long a store is waited for that nobody closed.
const LEFT: Duration = Duration::from_secs(5);

/// The store. Clones share it; with the last one the writer ends, but only [`SqliteStore::close`] waits for that.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    health: Arc<Health>,
    readers: Arc<Readers>,
    /// What opening it read, until somebody asks.
    found: Mutex<Option<Remembered>>,
}

/// What the writer tells everyone else.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Ascends whenever readers must connect anew.
    pub(super) epoch: AtomicU64,
    /// Changes with each transaction.
    pub(super) written: watch::Sender<u64>,
    /// Whether writing fails since the last try.
    pub(super) stuck: AtomicBool,
    /// Whether somebody has met damage that the writer has not looked at yet.
    pub(super) suspect: AtomicBool,
    /// What a damaged file was renamed to, the last one if there were several.
    pub(super) damaged: Mutex<Option<PathBuf>>,
}

impl Health {
    /// Notes that a damaged file was set aside, if one was.
    pub(super) fn set_aside(&self, damaged: Option<PathBuf>) {
        if damaged.is_some() {
            *self.damaged.lock().unwrap_or_else(PoisonError::into_inner) = damaged;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close(Instant::now() + LEFT);
    }
}

impl SqliteStore {
    /// Opens or begins the file and starts its writer. Blocks while it reads what is remembered, which is no more for a large file:
    /// whether all of it is whole is looked at afterwards, and only where the last process did not close it. Where the disk is full
    /// it is only read, and written as soon as there is room.
    ///
    /// # Errors
    /// Where the file cannot be used or is no store, another process has it, or a newer version wrote it. A damaged file is no error.
    pub fn open(settings: &StoreSettings, now: SystemTime) -> Result<Self, OpenError> {
        let path = &settings.path;
        let lock = Lock::take(path, HANDOVER)?;
        let mark = Identity::of(path).map_or(Mark::None, |file| lock.mark(file));
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let place = Place::File(path.clone());
        let (connection, remembered) = match open(&place, mark, now) {
            Ok((connection, remembered)) => {
                tell_unreadable(settings, &remembered);
                let marked = Identity::of(path).and_then(|file| lock.set(Mark::Open, file));
                marked.map_err(|source| OpenError::File { path: path.clone(), source })?;
                (Some(connection), remembered)
            }
            Err(error) if file::is_for_want_of_room(path, &error) => {
                let read = file::only_read(path).and_then(|file| remember::read(&file, epoch_ms(now), None));
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
        health.set_aside(remembered.damaged.clone());
        let unchecked = connection.is_some() && !is_new && mark != Mark::Closed && remembered.damaged.is_none();
        let inspection = unchecked.then(|| Inspection::start(&place, Arc::clone(&health)));
        let store = Self::start(place, health, Retention::of(settings), connection, Some(lock), inspection)?;
        *store.0.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(remembered);
        Ok(store)
    }

    /// A store that is gone with its last handle. Nothing in it is too old.
    pub fn in_memory() -> Self {
        let place = Place::Memory(format!("file:/serinus-{}?vfs=memdb", ulid::Ulid::generate()));
        file::open(&place, Owner::Us, Look::Head, PATIENCE, SystemTime::now())
            .and_then(|(connection, _)| Self::start(place, Arc::default(), Retention::everything(), Some(connection), None, None))
            .expect("memory takes a few pages, and the process one more thread")
    }

    pub(super) fn start(
        place: Place,
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
        Ok(Self(Arc::new(Inner { queue, health, readers, found: Mutex::default() })))
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
    pub(super) fn found(&self) -> Option<Remembered> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes what waits and ends the writer. Blocks for at most `deadline`; false if something could not be written by then.
    pub fn close(&self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        self.0.queue.close(until);
        self.0.queue.wait(until + Duration::from_millis(100))
    }
}

/// What cannot be read of the cleanup ledger stays where it is, and keeps nobody from anything else.
fn tell_unreadable(settings: &StoreSettings, remembered: &Remembered) {
    for UnreadableEntry { id, why } in &remembered.unreadable {
        tracing::error!(
            store = %settings.path.display(),
            entry = %id,
            error = %why,
            "an entry of the cleanup ledger cannot be read and is set aside: what it stands for is not deleted; look for it at the \
             target, and remove the entry with `serinus sweep --forget ID`"
        );
    }
}

/// Opens the file as far as probing needs it, and reads what is remembered.
fn open(place: &Place, mark: Mark, now: SystemTime) -> Result<(rusqlite::Connection, Remembered), OpenError> {
    let failed = |source| OpenError::Sqlite { path: place.path().to_owned(), source };
    let owner = if mark == Mark::None { Owner::Unknown } else { Owner::Us };
    let (connection, damaged) = file::open(place, owner, Look::Head, PATIENCE, now)?;
    match remember::read(&connection, epoch_ms(now), damaged) {
        Ok(remembered) => Ok((connection, remembered)),
        Err(damage) if file::is_damage(&damage) => {
            drop(connection);
            let (connection, aside) = file::begin_anew(place, PATIENCE, now, &damage)?;
            let remembered = remember::read(&connection, epoch_ms(now), Some(aside)).map_err(failed)?;
            Ok((connection, remembered))
        }
        Err(error) => Err(failed(error)),
    }
}
