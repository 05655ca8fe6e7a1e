//! A store in memory, for tests: it has no file, no thread and nothing to wait for, and answers every port as `sqlite` does.
//!
//! Tests need no file with it, and it proves that the ports ask for nothing that only `SQLite` has. What was written can be read
//! at once. [`MemoryStore::reopened`] gives the store as the next process finds it.

mod compact;
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
    Artifact, ArtifactView, Changes, CleanupLedger, Commit, Comparison, Durable, EventFilter, EventView, Follower, HourCounts,
    Housekeeper, IncidentDetail, IncidentFilter, IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page,
    PassView, ProbeCounts, ProbeRollups, ProbeTotal, ReadError, ReadFuture, Reader, Recorder, Recovery, RollupFilter, RollupView,
    RunDetail, RunFilter, RunView, StartState, StoreStatus, TickView, TryCounts, WrittenPage,
};
use crate::base::time::epoch_ms;
use crate::outcome::{CleanupReport, Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable, OutcomeSink, RunReport};
use crate::plan::Retention;
use tables::Tables;

/// The store. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStore(Arc<SharedTables>);

#[derive(Debug, Default)]
struct SharedTables {
    tables: Mutex<Tables>,
    written: watch::Sender<u64>,
}

impl MemoryStore {
    /// Closes this store and returns it as the next process opens it, with the retention of these settings. Without settings
    /// everything is kept.
    pub(crate) fn reopened(&self, retention: Retention) -> Self {
        let mut tables = self.lock();
        tables.ended = true;
        let next = Tables { ended: false, retention: Some(retention), ..tables.clone() };
        Self(Arc::new(SharedTables { tables: Mutex::new(next), ..SharedTables::default() }))
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

    fn answer<T: Send + 'static>(&self, question: impl FnOnce(&Tables) -> Result<T, ReadError>) -> ReadFuture<T> {
        std::future::ready(question(&self.lock())).boxed()
    }
}

impl Recorder for MemoryStore {
    fn record(&self, commit: Commit) {
        drop(self.commit(commit));
    }

    fn commit(&self, commit: Commit) -> Durable {
        self.write(|backlog| {
            backlog.push(commit);
        })
    }
}

impl Recovery for MemoryStore {
    fn start_state(&self, now: SystemTime) -> ReadFuture<StartState> {
        self.answer(|tables| Ok(tables.start_state(epoch_ms(now))))
    }
}

impl Reader for MemoryStore {
    fn runs(&self, filter: RunFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<RunView>> {
        self.answer(|tables| tables.runs(&filter, limit, after))
    }

    fn written_runs(&self, filter: RunFilter, after: Option<String>, limit: usize) -> ReadFuture<WrittenPage> {
        self.answer(|tables| tables.written_runs(&filter, after, limit))
    }

    fn run(&self, run_id: String) -> ReadFuture<Option<RunDetail>> {
        self.answer(|tables| Ok(tables.run(&run_id)))
    }

    fn newest_pass(&self, canary: String) -> ReadFuture<Option<PassView>> {
        self.answer(|tables| Ok(tables.newest_pass(&canary)))
    }

    fn comparison(&self, run_id: String) -> ReadFuture<Comparison> {
        self.answer(|tables| Ok(tables.comparison(&run_id)))
    }

    fn incidents(&self, filter: IncidentFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<IncidentView>> {
        self.answer(|tables| Ok(tables.incidents(&filter, limit, after.as_deref())))
    }

    fn incident(&self, id: String) -> ReadFuture<Option<IncidentDetail>> {
        self.answer(|tables| Ok(tables.incident(&id)))
    }

    fn tries(&self) -> ReadFuture<TryCounts> {
        self.answer(|tables| Ok(tables.try_counts()))
    }

    fn rollups(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<RollupView>> {
        self.answer(|tables| Ok(tables.rollups(&canary, since_ms, until_ms)))
    }

    fn rollups_of_probe(&self, filter: RollupFilter) -> ReadFuture<ProbeRollups> {
        self.answer(|tables| Ok(tables.rollups_of_probe(&filter)))
    }

    fn counts_of_probe(&self, filter: RollupFilter) -> ReadFuture<Vec<ProbeCounts>> {
        self.answer(|tables| Ok(tables.counts_of_probe(&filter)))
    }

    fn totals_of_probes(&self, probe: Option<String>, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<ProbeTotal>> {
        self.answer(|tables| Ok(tables.totals_of_probes(probe.as_deref(), since_ms, until_ms)))
    }

    fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<HourCounts>> {
        self.answer(|tables| Ok(tables.rollups_of_all(since_ms, until_ms)))
    }

    fn marks(&self, since_ms: i64, after: Option<String>, limit: usize) -> ReadFuture<MarksPage> {
        self.answer(|tables| tables.marks(since_ms, after, limit))
    }

    fn events(&self, filter: EventFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<EventView>> {
        self.answer(|tables| tables.events(&filter, limit, after))
    }

    fn ticks(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<TickView>> {
        self.answer(|tables| Ok(tables.ticks(&canary, since_ms, until_ms)))
    }

    fn artifacts(&self, run_id: String) -> ReadFuture<Vec<ArtifactView>> {
        self.answer(|tables| Ok(tables.artifacts(&run_id)))
    }

    fn artifact(&self, run_id: String, name: String) -> ReadFuture<Option<Artifact>> {
        self.answer(|tables| Ok(tables.artifact(&run_id, &name)))
    }

    fn observations(&self, filter: ObservationFilter) -> ReadFuture<Vec<ObservationView>> {
        self.answer(|tables| Ok(tables.observations(&filter)))
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { writable: true, damaged: None }
    }
}

impl Follower for MemoryStore {
    fn changes_since(&self, cursor: Option<String>) -> ReadFuture<Changes> {
        self.answer(|tables| tables.changes_since(cursor))
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.0.written.subscribe()
    }
}

impl CleanupLedger for MemoryStore {
    fn ledger(&self) -> ReadFuture<LedgerRows> {
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
