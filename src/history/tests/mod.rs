//! What every store does, asked by its ports of each kind of store there is.

mod artifacts;
mod behaviour;
mod changes;
mod events;
mod hours;
mod ledger;
mod marks;
mod passes;
mod retention;
mod tries;
mod written;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::memory::MemoryStore;
use super::postgres::PostgresStore;
use super::postgres::testing::Database;
use super::sqlite::SqliteStore;
use super::testing::{KEPT, LONG, at, store_file};
use super::{Commit, StartState, Store};
use crate::plan::DatabaseUrl;

/// Where a store of one kind is, over restarts.
pub(super) enum StoreUnderTest {
    /// In a file in this directory.
    Sqlite(tempfile::TempDir),
    /// In a database.
    Postgres(Database),
    /// In memory; the last process's.
    Memory(Mutex<MemoryStore>),
}

impl StoreUnderTest {
    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// Run as a role that makes no tables and is bound by row-level security, to what is of no region.
    fn postgres() -> Self {
        let database = Database::with_roles();
        database.ask("UPDATE roles SET region = '' WHERE name = 'serinus_run_eu'");
        Self::Postgres(database)
    }

    fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// Another one of the same kind.
    fn other(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres(_) => Self::postgres(),
            Self::Memory(_) => Self::memory(),
        }
    }

    /// A store at noon.
    async fn open(&self) -> (Arc<dyn Store>, StartState) {
        self.open_at(at(0)).await
    }

    /// A store at this time, with what it remembers.
    async fn open_at(&self, now: SystemTime) -> (Arc<dyn Store>, StartState) {
        let store: Arc<dyn Store> = match self {
            Self::Sqlite(directory) => Arc::new(SqliteStore::open(&store_file(directory.path()), KEPT, now).unwrap()),
            Self::Postgres(database) => {
                let url = DatabaseUrl::parse(&database.url_of("serinus_run_eu")).unwrap();
                Arc::new(PostgresStore::open(&url, KEPT, None, now).await.unwrap())
            }
            Self::Memory(last) => {
                let mut last = last.lock().unwrap();
                *last = last.reopened(KEPT);
                Arc::new(last.clone())
            }
        };
        let restored = store.start_state(now).await.unwrap();
        (store, restored)
    }

    /// Closes, and opens again.
    async fn reopen(&self, store: &Arc<dyn Store>) -> (Arc<dyn Store>, StartState) {
        assert!(store.shut_down(LONG).await);
        self.open().await
    }
}

/// Waits until everything handed in so far is durable.
async fn settle(store: &Arc<dyn Store>) {
    store.commit(Commit::default()).await.unwrap();
}

/// Runs each of these on every kind of store.
macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&crate::history::tests::StoreUnderTest::sqlite()).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&crate::history::tests::StoreUnderTest::postgres()).await;
                }
            )+
        }

        mod memory {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&crate::history::tests::StoreUnderTest::memory()).await;
                }
            )+
        }
    };
}
use on_every_store;
