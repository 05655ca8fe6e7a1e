//! The ports on `SQLite`: writes go to the queue of the one writer, reads to a thread that may block.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::reader::{Queries, ask};
use super::{SqliteStore, restore};
use crate::base::time::epoch_ms;
use crate::history::backlog::LedgerChange;
use crate::history::{
    Artifact, ArtifactView, Changes, CleanupLedger, Commit, Comparison, Durable, EventFilter, EventView, Follower, HourCounts,
    Housekeeper, IncidentDetail, IncidentFilter, IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page,
    PassView, ProbeCounts, ProbeRollups, ProbeTotal, ReadFuture, Reader, Recorder, Recovery, RollupFilter, RollupView, RunDetail,
    RunFilter, RunView, StartState, StoreStatus, TickView, TryCounts, WrittenPage,
};
use crate::outcome::{CleanupReport, Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable, OutcomeSink, RunReport};

impl Recorder for SqliteStore {
    fn record(&self, commit: Commit) {
        self.queue().record(commit);
    }

    fn commit(&self, commit: Commit) -> Durable {
        self.queue().commit(commit)
    }
}

impl Recovery for SqliteStore {
    fn start_state(&self, now: SystemTime) -> ReadFuture<StartState> {
        if let Some(found) = self.found() {
            return std::future::ready(Ok(found)).boxed();
        }
        let damaged = self.damaged();
        ask(self.readers(), move |queries| queries.ask(|file| restore::read(file, epoch_ms(now), damaged)))
    }
}

impl Reader for SqliteStore {
    fn runs(&self, filter: RunFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<RunView>> {
        ask(self.readers(), move |queries| queries.runs(&filter, limit, after.as_deref()))
    }

    fn written_runs(&self, filter: RunFilter, after: Option<String>, limit: usize) -> ReadFuture<WrittenPage> {
        ask(self.readers(), move |queries| queries.written_runs(&filter, after.as_deref(), limit))
    }

    fn run(&self, run_id: String) -> ReadFuture<Option<RunDetail>> {
        ask(self.readers(), move |queries| queries.run(&run_id))
    }

    fn newest_pass(&self, canary: String) -> ReadFuture<Option<PassView>> {
        ask(self.readers(), move |queries| queries.newest_pass(&canary))
    }

    fn comparison(&self, run_id: String) -> ReadFuture<Comparison> {
        ask(self.readers(), move |queries| queries.comparison(&run_id))
    }

    fn incidents(&self, filter: IncidentFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<IncidentView>> {
        ask(self.readers(), move |queries| queries.incidents(&filter, limit, after.as_deref()))
    }

    fn incident(&self, id: String) -> ReadFuture<Option<IncidentDetail>> {
        ask(self.readers(), move |queries| queries.incident(&id))
    }

    fn tries(&self) -> ReadFuture<TryCounts> {
        ask(self.readers(), Queries::tries)
    }

    fn rollups(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<RollupView>> {
        ask(self.readers(), move |queries| queries.rollups(&canary, since_ms, until_ms))
    }

    fn rollups_of_probe(&self, filter: RollupFilter) -> ReadFuture<ProbeRollups> {
        ask(self.readers(), move |queries| queries.rollups_of_probe(&filter))
    }

    fn counts_of_probe(&self, filter: RollupFilter) -> ReadFuture<Vec<ProbeCounts>> {
        ask(self.readers(), move |queries| queries.counts_of_probe(&filter))
    }

    fn totals_of_probes(&self, probe: Option<String>, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<ProbeTotal>> {
        ask(self.readers(), move |queries| queries.totals_of_probes(probe.as_deref(), since_ms, until_ms))
    }

    fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<HourCounts>> {
        ask(self.readers(), move |queries| queries.rollups_of_all(since_ms, until_ms))
    }

    fn marks(&self, since_ms: i64, after: Option<String>, limit: usize) -> ReadFuture<MarksPage> {
        ask(self.readers(), move |queries| queries.marks(since_ms, after.as_deref(), limit))
    }

    fn events(&self, filter: EventFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<EventView>> {
        ask(self.readers(), move |queries| queries.events(&filter, limit, after.as_deref()))
    }

    fn ticks(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<TickView>> {
        ask(self.readers(), move |queries| queries.ticks(&canary, since_ms, until_ms))
    }

    fn artifacts(&self, run_id: String) -> ReadFuture<Vec<ArtifactView>> {
        ask(self.readers(), move |queries| queries.artifacts(&run_id))
    }

    fn artifact(&self, run_id: String, name: String) -> ReadFuture<Option<Artifact>> {
        ask(self.readers(), move |queries| queries.artifact(&run_id, &name))
    }

    fn observations(&self, filter: ObservationFilter) -> ReadFuture<Vec<ObservationView>> {
        ask(self.readers(), move |queries| queries.observations(&filter))
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { writable: self.is_writable(), damaged: self.damaged() }
    }
}

impl Follower for SqliteStore {
    fn changes_since(&self, cursor: Option<String>) -> ReadFuture<Changes> {
        ask(self.readers(), move |queries| queries.changes_since(cursor.as_deref()))
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.readers().health.written.subscribe()
    }
}

impl CleanupLedger for SqliteStore {
    fn ledger(&self) -> ReadFuture<LedgerRows> {
        ask(self.readers(), Queries::ledger)
    }
}

impl Housekeeper for SqliteStore {
    fn housekeep(&self, now: SystemTime) -> Durable {
        self.queue().housekeep(now)
    }

    fn shut_down(&self, within: Duration) -> BoxFuture<'static, bool> {
        let store = self.clone();
        // A panic has been printed.
        spawn_blocking(move || store.close(within)).map(|closed| closed.unwrap_or(false)).boxed()
    }
}

/// Keeps cleanups. Runs are handed in by whoever knows what they mean.
impl OutcomeSink for SqliteStore {
    fn run_finished(&self, _report: &Arc<RunReport>) {}

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.queue().cleanup(report);
    }
}

impl Ledger for SqliteStore {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        self.queue().intend(entry)
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        self.queue().ledger(id, LedgerChange { names: Some(names), ..LedgerChange::default() });
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        self.queue().ledger(id, LedgerChange::ended(end));
    }
}
