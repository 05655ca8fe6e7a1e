//! A store in memory, for tests: it has no file, no thread and nothing to wait for, and answers every port as `sqlite` does.
//!
//! It is there so that tests need no file, and to prove that the ports ask for nothing that only `SQLite` has. What was written is
//! there at once. [`MemoryStore::reopened`] is what a process finds that starts after this one.

mod read;
mod retain;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::backlog::{Backlog, LedgerChange};
use super::{
    Answer, Artifact, ArtifactView, Changes, CleanupLedger, Commit, Comparison, Durable, Follower, Housekeeper, IncidentFilter,
    IncidentStory, IncidentView, LedgerRows, ObservationFilter, ObservationView, Page, PassView, ReadError, Reader, Recorder,
    Recovery, Remembered, RollupView, RunDetail, RunFilter, RunView, StoreStatus, TickView, TryCounts,
};
use crate::base::time::epoch_ms;
use crate::outcome::{CleanupReport, Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable, OutcomeSink, RunReport};
use crate::plan::StoreSettings;
use tables::Tables;

/// The store. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStore(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tables: Mutex<Tables>,
    written: watch::Sender<u64>,
}

impl MemoryStore {
    /// Ends this one, and gives the next process what is in it, to be kept as these settings say. Without any, everything is kept.
    pub(crate) fn reopened(&self, settings: &StoreSettings) -> Self {
        let mut tables = self.lock();
        tables.ended = true;
        let next = Tables { ended: false, settings: Some(settings.clone()), ..tables.clone() };
        Self(Arc::new(Inner { tables: Mutex::new(next), ..Inner::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes at once; the receiver learns so, or that the store has ended.
    fn write(&self, fill: impl FnOnce(&mut Backlog)) -> Durable {
        let (done, durable) = oneshot::channel();
        let mut tables = self.lock();
        if !tables.ended {
            let mut backlog = Backlog::default();
            fill(&mut backlog);
            tables.write(&backlog);
            self.0.written.send_modify(|times| *times = times.wrapping_add(1));
            // Whoever does not want to know has dropped the receiver.
            let _ = done.send(());
        }
        durable
    }

    fn answer<T: Send + 'static>(&self, question: impl FnOnce(&Tables) -> Result<T, ReadError>) -> Answer<T> {
        std::future::ready(question(&self.lock())).boxed()
    }
}

impl Recorder for MemoryStore {
    fn record(&self, commit: Commit) {
        drop(self.write(|backlog| backlog.push(commit)));
    }

    fn commit(&self, commit: Commit) -> Durable {
        self.write(|backlog| backlog.push(commit))
    }
}

impl Recovery for MemoryStore {
    fn remembered(&self, now: SystemTime) -> Answer<Remembered> {
        self.answer(|tables| Ok(tables.remembered(epoch_ms(now))))
    }
}

impl Reader for MemoryStore {
    fn runs(&self, filter: RunFilter, limit: usize, after: Option<String>) -> Answer<Page<RunView>> {
        self.answer(|tables| tables.runs(&filter, limit, after))
    }

    fn run(&self, run_id: String) -> Answer<Option<RunDetail>> {
        self.answer(|tables| Ok(tables.run(&run_id)))
    }

    fn newest_pass(&self, canary: String) -> Answer<Option<PassView>> {
        self.answer(|tables| Ok(tables.newest_pass(&canary)))
    }

    fn comparison(&self, run_id: String) -> Answer<Comparison> {
        self.answer(|tables| Ok(tables.comparison(&run_id)))
    }

    fn incidents(&self, filter: IncidentFilter, limit: usize, after: Option<String>) -> Answer<Page<IncidentView>> {
        self.answer(|tables| Ok(tables.incidents(&filter, limit, after.as_deref())))
    }

    fn incident(&self, id: String) -> Answer<Option<IncidentStory>> {
        self.answer(|tables| Ok(tables.incident(&id)))
    }

    fn tries(&self) -> Answer<TryCounts> {
        self.answer(|tables| Ok(tables.try_counts()))
    }

    fn rollups(&self, canary: String, since_ms: i64, until_ms: i64) -> Answer<Vec<RollupView>> {
        self.answer(|tables| Ok(tables.rollups(&canary, since_ms, until_ms)))
    }

    fn ticks(&self, canary: String, since_ms: i64, until_ms: i64) -> Answer<Vec<TickView>> {
        self.answer(|tables| Ok(tables.ticks(&canary, since_ms, until_ms)))
    }

    fn artifacts(&self, run_id: String) -> Answer<Vec<ArtifactView>> {
        self.answer(|tables| Ok(tables.artifacts(&run_id)))
    }

    fn artifact(&self, run_id: String, name: String) -> Answer<Option<Artifact>> {
        self.answer(|tables| Ok(tables.artifact(&run_id, &name)))
    }

    fn observations(&self, filter: ObservationFilter) -> Answer<Vec<ObservationView>> {
        self.answer(|tables| Ok(tables.observations(&filter)))
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { writable: true, damaged: None }
    }
}

impl Follower for MemoryStore {
    fn changes_since(&self, cursor: Option<String>) -> Answer<Changes> {
        self.answer(|tables| tables.changes_since(cursor))
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.0.written.subscribe()
    }
}

impl CleanupLedger for MemoryStore {
    fn ledger(&self) -> Answer<LedgerRows> {
        self.answer(|tables| Ok(LedgerRows { entries: tables.ledger.values().cloned().collect(), unreadable: Vec::new() }))
    }
}

impl Housekeeper for MemoryStore {
    fn housekeep(&self, now: SystemTime) -> Durable {
        let (done, durable) = oneshot::channel();
        let mut tables = self.lock();
        if !tables.ended {
            tables.housekeep(epoch_ms(now));
            let _ = done.send(());
        }
        durable
    }

    fn shut_down(&self, _within: Duration) -> BoxFuture<'static, bool> {
        self.lock().ended = true;
        std::future::ready(true).boxed()
    }
}

impl OutcomeSink for MemoryStore {
    fn run_finished(&self, _report: &Arc<RunReport>) {}

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        drop(self.write(|backlog| backlog.cleanup(Arc::clone(report))));
    }
}

impl Ledger for MemoryStore {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        let id = entry.id.clone();
        let change = LedgerChange { entry: Some(entry), ..LedgerChange::default() };
        let durable = self.write(|backlog| backlog.ledger(&id, change));
        async { durable.await.map_err(|_| LedgerUnavailable) }.boxed()
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        drop(self.write(|backlog| backlog.ledger(id, LedgerChange { names: Some(names), ..LedgerChange::default() })));
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        drop(self.write(|backlog| backlog.ledger(id, LedgerChange::ended(end))));
    }
}
