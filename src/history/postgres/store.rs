//! The store: opening it, and the handle that the ports are answered by.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::asker::Asker;
use super::connection::{Connector, ConnectorError, QueryError};
use super::fleet::{self, Fence};
use super::partitions;
use super::reader::Readers;
use super::schema::{self, MigrationError};
use super::write::RowWriter;
use super::writer::{Health, Writer};
use crate::base::time::epoch_ms;
use crate::history::backlog::{self, Queue};
use crate::history::newest_passes::SharedPasses;
use crate::plan::{DatabaseUrl, Retention};

/// Questions that go on at once.
const AT_ONCE: usize = 4;

/// How long the writer has to end when the last handle is dropped without a close.
const LEFT: Duration = Duration::from_secs(5);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Connections cannot be made at all.
    #[error("connections to {store} cannot be prepared")]
    Prepare {
        /// Which store.
        store: String,
        /// Why.
        source: ConnectorError,
    },
    /// The server cannot be reached, or refused.
    #[error("the store {store} cannot be opened; is the server there, and may this user come in?")]
    Connect {
        /// Which store.
        store: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its tables are not as they must be.
    #[error("the store {store} cannot be used")]
    Migrate {
        /// Which store.
        store: String,
        /// Why.
        source: MigrationError,
    },
    /// The process cannot have one more thread.
    #[error("the store's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The store. Clones share it; with the last one the writer ends, but only [`PostgresStore::close`] waits for that.
#[derive(Debug, Clone)]
pub struct PostgresStore(Arc<StoreHandles>);

#[derive(Debug)]
struct StoreHandles {
    queue: Arc<Queue>,
    health: Arc<Health>,
    readers: Arc<Readers>,
    /// Asks what the processes of a fleet ask.
    fleet: Arc<Asker>,
    fence: Arc<Fence>,
}

impl Drop for StoreHandles {
    fn drop(&mut self) {
        self.queue.close(Instant::now() + LEFT);
    }
}

impl PostgresStore {
    /// Connects, makes the tables and partitions that are missing, and starts the writer. Where the store is, `url` says. In a fleet,
    /// `region` is the one that this process probes from: it has states, ticks and a cleanup ledger of its own.
    ///
    /// # Errors
    /// Where the server cannot be reached or refuses, or a newer version wrote the tables.
    pub async fn open(
        url: &DatabaseUrl,
        retention: Retention,
        region: Option<Arc<str>>,
        now: SystemTime,
    ) -> Result<Self, OpenError> {
        backlog::register();
        let store = url.label();
        let unprepared = |source| OpenError::Prepare { store: store.clone(), source };
        let connector = Connector::new(url).map_err(unprepared)?;
        let pool = |connections| connector.pool(connections).map_err(unprepared);
        let (asking, writing, leasing) = (pool(AT_ONCE)?, pool(1)?, pool(fleet::AT_ONCE)?);
        let failed = |source: QueryError| OpenError::Connect { store: store.clone(), source: source.into() };
        let mut connection = asking.get().await.map_err(|error| failed(error.into()))?;
        let migrated = schema::migrate(&mut connection).await;
        migrated.map_err(|source| OpenError::Migrate { store: store.clone(), source })?;
        if let Err(error) = prepare(&mut connection, now, retention).await {
            // Runs for which there is no partition have a place meanwhile, and housekeeping tries again every minute.
            tracing::warn!(store, %error, "the store's partitions could not be made yet");
        }
        drop(connection);

        let passes = SharedPasses::default();
        let (fleet, fence) = (Asker::new(leasing, store.clone(), fleet::WITHIN), Arc::new(Fence::new(region)));
        let readers = Arc::new(Readers::new(asking, store.clone(), passes.clone(), retention.bodies, Arc::clone(fence.region())));
        let (queue, health) = (Arc::<Queue>::default(), Arc::<Health>::default());
        // One more thread hears what the server says while nothing is written, such as that it ends.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store-connection")
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let rows = RowWriter::new(retention.bodies, passes, Arc::clone(&fence));
        let writer = Writer::new(store, retention, runtime, writing, Arc::clone(&queue), Arc::clone(&health), rows);
        std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(StoreHandles { queue, health, readers, fleet: Arc::new(fleet), fence })))
    }

    /// Whether the last try to write succeeded; if not, what waits is kept and tried again.
    pub fn is_writable(&self) -> bool {
        self.0.health.is_writable.load(Ordering::Acquire)
    }

    /// What waits to be written.
    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.0.queue
    }

    /// Connections to ask on.
    pub(super) fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.0.readers)
    }

    /// Connections for what a fleet asks.
    pub(super) fn fleet(&self) -> Arc<Asker> {
        Arc::clone(&self.0.fleet)
    }

    /// What this process writes under.
    pub(super) fn fence(&self) -> &Fence {
        &self.0.fence
    }

    /// A number that changes whenever this process has written something.
    pub(super) fn writes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.health.written.subscribe()
    }

    /// Writes what waits and ends the writer. Blocks for at most `deadline`; false if something could not be written by then.
    pub fn close(&self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        self.0.queue.close(until);
        self.0.queue.wait(until + Duration::from_millis(100))
    }
}

/// Makes the partitions that the next runs need.
async fn prepare(
    client: &mut tokio_postgres::Client,
    now: SystemTime,
    retention: Retention,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let keep_others = retention.others.max(retention.passed);
    partitions::prepare(&transaction, epoch_ms(now), retention.passed, keep_others).await?;
    transaction.commit().await
}
