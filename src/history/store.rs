//! The handle everyone has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::backlog::{self, LedgerChange, millis};
use super::file::{self, Place};
use super::housekeep::Keep;
use super::queue::Queue;
use super::writer::{self, Writer};
use super::{Commit, OpenError, Reader, Remembered, UnreadableEntry, remember};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};
use crate::plan::StoreSettings;

/// How long the start waits for a lock that another program holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the start waits for a process that is ending.
const HANDOVER: Duration = Duration::from_secs(3);

/// How long a store is waited for that nobody closed.
const LEFT: Duration = Duration::from_secs(5);

/// The store. Clones share it; with the last one the writer ends, but only [`Store::close`] waits for that.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    queue: Arc<Queue>,
    standing: Arc<Standing>,
}

/// What the writer tells everyone else.
#[derive(Debug)]
pub(super) struct Standing {
    /// Ascends whenever readers must connect anew.
    pub(super) epoch: AtomicU64,
    /// Whether the last try to write succeeded.
    pub(super) writable: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close(Instant::now() + LEFT);
    }
}

impl Store {
    /// Opens or begins the file and starts its writer. Blocks while it reads; a large file is checked whole. Where the disk is full
    /// it is only read, and written as soon as there is room.
    ///
    /// # Errors
    /// Where the file cannot be used, another process has it, or a newer version wrote it. A damaged file is no error.
    pub fn open(settings: &StoreSettings, now: SystemTime) -> Result<(Self, Remembered), OpenError> {
        let lock = file::lock(&settings.path, HANDOVER)?;
        let place = Place::File(settings.path.clone());
        let failed = |source| OpenError::Sqlite { path: settings.path.clone(), source };
        let (connection, remembered) = match file::open(&place, PATIENCE, now) {
            Ok((connection, damaged)) => {
                let remembered = remember::read(&connection, millis(now), damaged).map_err(failed)?;
                tell_unreadable(settings, &remembered);
                (Some(connection), remembered)
            }
            Err(error) if file::is_for_want_of_room(&settings.path, &error) => {
                let read = file::only_read(&settings.path).and_then(|file| remember::read(&file, millis(now), None));
                tracing::error!(
                    store = %settings.path.display(),
                    known = read.is_ok(),
                    "the disk is full: probing and paging go on from memory, and everything is written once there is room"
                );
                (None, read.unwrap_or_default())
            }
            Err(error) => return Err(error),
        };
        let store = Self::start(place, Keep::of(settings), connection, Some(lock))?;
        Ok((store, remembered))
    }

    /// A store that is gone with its last handle. Nothing in it is too old.
    pub fn in_memory() -> Self {
        let place = Place::Memory(format!("file:/serinus-{}?vfs=memdb", ulid::Ulid::generate()));
        file::open(&place, PATIENCE, SystemTime::now())
            .and_then(|(connection, _)| Self::start(place, Keep::everything(), Some(connection), None))
            .expect("memory takes a few pages, and the process one more thread")
    }

    pub(super) fn start(
        place: Place,
        keep: Keep,
        connection: Option<rusqlite::Connection>,
        lock: Option<std::fs::File>,
    ) -> Result<Self, OpenError> {
        backlog::register();
        metrics::counter!(file::DAMAGED).increment(0);
        if let Some(connection) = &connection {
            let failed = |source| OpenError::Sqlite { path: place.path().to_owned(), source };
            connection.busy_timeout(writer::PATIENCE).map_err(failed)?;
        }
        let queue = Arc::<Queue>::default();
        let standing = Arc::new(Standing { epoch: AtomicU64::new(0), writable: AtomicBool::new(true) });
        let writer = Writer::new(place.clone(), keep, Arc::clone(&queue), Arc::clone(&standing), connection, lock);
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Inner { place, queue, standing })))
    }

    /// Writes this soon, together with others. Never blocks.
    pub fn offer(&self, commit: Commit) {
        self.0.queue.put(|backlog| backlog.push(commit));
    }

    /// Writes this now; resolves when it is durable, and everything handed in before it too. An error means that the store was closed
    /// before. Never blocks. The receiver may be dropped.
    pub fn commit(&self, commit: Commit) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        self.0.queue.put(|backlog| {
            backlog.push(commit);
            backlog.wait(done);
        });
        receiver
    }

    /// Whether the last try to write succeeded; if not, what waits is kept and tried again.
    pub fn is_writable(&self) -> bool {
        self.0.standing.writable.load(Ordering::Acquire)
    }

    /// Questions, on a connection of their own.
    pub fn reader(&self) -> Reader {
        Reader::new(self.0.place.clone(), Arc::clone(&self.0.standing))
    }

    /// Makes rollups and removes what is older than it is kept, in slices between writes; resolves when done, with an error where
    /// the store could not be written.
    pub fn housekeep(&self, now: SystemTime) -> oneshot::Receiver<()> {
        self.0.queue.housekeep(now)
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

impl Ledger for Store {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        let (done, receiver) = oneshot::channel();
        self.0.queue.put(|backlog| {
            let id = entry.id.clone();
            backlog.ledger(&id, LedgerChange { entry: Some(entry), ..LedgerChange::default() });
            backlog.wait(done);
        });
        Box::pin(async { receiver.await.map_err(|_| LedgerUnavailable) })
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        self.0.queue.put(|backlog| backlog.ledger(id, LedgerChange { names: Some(names), ..LedgerChange::default() }));
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        self.0.queue.put(|backlog| backlog.ledger(id, LedgerChange::ended(end)));
    }
}
