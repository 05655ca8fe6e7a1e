//! The ports on PostgreSQL: writes go to the queue of the one writer, reads to connections of their own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::PostgresStore;
use crate::history::backlog::LedgerChange;
use crate::history::{
    Artifact, ArtifactView, Changes, CleanupLedger, Commit, Comparison, Durable, EventFilter, EventView, Follower, HourCounts,
    Housekeeper, IncidentDetail, IncidentFilter, IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page,
    PassView, ProbeCounts, ProbeRollups, ProbeTotal, ReadFuture, Reader, Recorder, Recovery, RollupFilter, RollupView, RunDetail,
    RunFilter, RunView, StartState, StoreStatus, TickView, TryCounts, WrittenPage,
};
use crate::outcome::{CleanupReport, Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable, OutcomeSink, RunReport};

impl Recorder for PostgresStore {
    fn record(&self, commit: Commit) {
        self.queue().record(commit);
    }

    fn commit(&self, commit: Commit) -> Durable {
        self.queue().commit(commit)
    }
}

impl Recovery for PostgresStore {
    fn start_state(&self, now: SystemTime) -> ReadFuture<StartState> {
        Box::pin(self.readers().start_state(now))
    }
}

impl Reader for PostgresStore {
    fn runs(&self, filter: RunFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<RunView>> {
        Box::pin(self.readers().runs(filter, limit, after))
    }

    fn written_runs(&self, filter: RunFilter, after: Option<String>, limit: usize) -> ReadFuture<WrittenPage> {
        Box::pin(self.readers().written_runs(filter, after, limit))
    }

    fn run(&self, run_id: String) -> ReadFuture<Option<RunDetail>> {
        Box::pin(self.readers().run(run_id))
    }

    fn newest_pass(&self, canary: String) -> ReadFuture<Option<PassView>> {
        Box::pin(self.readers().newest_pass(canary))
    }

    fn comparison(&self, run_id: String) -> ReadFuture<Comparison> {
        Box::pin(self.readers().comparison(run_id))
    }

    fn incidents(&self, filter: IncidentFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<IncidentView>> {
        Box::pin(self.readers().incidents(filter, limit, after))
    }

    fn incident(&self, id: String) -> ReadFuture<Option<IncidentDetail>> {
        Box::pin(self.readers().incident(id))
    }

    fn tries(&self) -> ReadFuture<TryCounts> {
        Box::pin(self.readers().tries())
    }

    fn rollups(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<RollupView>> {
        Box::pin(self.readers().rollups(canary, since_ms, until_ms))
    }

    fn rollups_of_probe(&self, filter: RollupFilter) -> ReadFuture<ProbeRollups> {
        Box::pin(self.readers().rollups_of_probe(filter))
    }

    fn counts_of_probe(&self, filter: RollupFilter) -> ReadFuture<Vec<ProbeCounts>> {
        Box::pin(self.readers().counts_of_probe(filter))
    }

    fn totals_of_probes(&self, probe: Option<String>, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<ProbeTotal>> {
        Box::pin(self.readers().totals_of_probes(probe, since_ms, until_ms))
    }

    fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<HourCounts>> {
        Box::pin(self.readers().rollups_of_all(since_ms, until_ms))
    }

    fn marks(&self, since_ms: i64, after: Option<String>, limit: usize) -> ReadFuture<MarksPage> {
        Box::pin(self.readers().marks(since_ms, after, limit))
    }

    fn events(&self, filter: EventFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<EventView>> {
        Box::pin(self.readers().events(filter, limit, after))
    }

    fn ticks(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<TickView>> {
        Box::pin(self.readers().ticks(canary, since_ms, until_ms))
    }

    fn artifacts(&self, run_id: String) -> ReadFuture<Vec<ArtifactView>> {
        Box::pin(self.readers().artifacts(run_id))
    }

    fn artifact(&self, run_id: String, name: String) -> ReadFuture<Option<Artifact>> {
        Box::pin(self.readers().artifact(run_id, name))
    }

    fn observations(&self, filter: ObservationFilter) -> ReadFuture<Vec<ObservationView>> {
        Box::pin(self.readers().observations(filter))
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { writable: self.is_writable(), damaged: None }
    }
}

impl Follower for PostgresStore {
    fn changes_since(&self, cursor: Option<String>) -> ReadFuture<Changes> {
        Box::pin(self.readers().changes_since(cursor))
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.writes()
    }
}

impl CleanupLedger for PostgresStore {
    fn ledger(&self) -> ReadFuture<LedgerRows> {
        Box::pin(self.readers().ledger())
    }
}

impl Housekeeper for PostgresStore {
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
impl OutcomeSink for PostgresStore {
    fn run_finished(&self, _report: &Arc<RunReport>) {}

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.queue().cleanup(report);
    }
}

impl Ledger for PostgresStore {
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
