//! A store that counts how often it is asked something, and is otherwise the one that it stands before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use serde_json::Value;
use serinus::history::{
    Artifact, ArtifactView, Changes, CleanupLedger, Commit, Comparison, Durable, EventFilter, EventView, Follower, HourCounts,
    Housekeeper, IncidentDetail, IncidentFilter, IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page,
    PassView, ProbeCounts, ProbeRollups, ProbeTotal, ReadError, ReadFuture, Reader, Recorder, Recovery, RollupFilter, RollupView,
    RunDetail, RunFilter, RunView, StartState, Store, StoreStatus, TickView, TryCounts, WrittenPage,
};
use serinus::outcome::{CleanupReport, Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable, MissedTicks, OutcomeSink, RunReport};
use tokio::sync::watch;

/// How often each question was asked.
pub(crate) type Questions = BTreeMap<&'static str, u64>;

/// Counts the questions of a [`Reader`].
pub(crate) struct CountingStore {
    store: Arc<dyn Store>,
    asked: Mutex<Questions>,
    /// Whether nothing is answered.
    pub(crate) is_away: AtomicBool,
}

impl CountingStore {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, asked: Mutex::default(), is_away: AtomicBool::new(false) })
    }

    /// How often each was asked so far.
    pub(crate) fn asked(&self) -> Questions {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    fn count(&self, question: &'static str) {
        *self.asked.lock().expect("nobody panics with it").entry(question).or_default() += 1;
    }
}

/// Questions that are counted and handed on.
macro_rules! counted {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Reader for CountingStore {
            $(fn $name(&self, $($argument: $kind),*) -> ReadFuture<$answer> {
                self.count(stringify!($name));
                if self.is_away.load(Ordering::Relaxed) {
                    let source = "nothing answers".into();
                    return Box::pin(async { Err(ReadError::Unreadable { store: "of this test".to_owned(), source }) });
                }
                self.store.$name($($argument),*)
            })*

            fn status(&self) -> StoreStatus {
                Reader::status(&*self.store)
            }
        }
    };
}

counted! {
    runs(filter: RunFilter, limit: usize, after: Option<String>) -> Page<RunView>;
    written_runs(filter: RunFilter, after: Option<String>, limit: usize) -> WrittenPage;
    run(run_id: String) -> Option<RunDetail>;
    newest_pass(canary: String) -> Option<PassView>;
    comparison(run_id: String) -> Comparison;
    incidents(filter: IncidentFilter, limit: usize, after: Option<String>) -> Page<IncidentView>;
    incident(id: String) -> Option<IncidentDetail>;
    tries() -> TryCounts;
    rollups(canary: String, since_ms: i64, until_ms: i64) -> Vec<RollupView>;
    rollups_of_probe(filter: RollupFilter) -> ProbeRollups;
    counts_of_probe(filter: RollupFilter) -> Vec<ProbeCounts>;
    totals_of_probes(probe: Option<String>, since_ms: i64, until_ms: i64) -> Vec<ProbeTotal>;
    rollups_of_all(since_ms: i64, until_ms: i64) -> Vec<HourCounts>;
    marks(since_ms: i64, after: Option<String>, limit: usize) -> MarksPage;
    events(filter: EventFilter, limit: usize, after: Option<String>) -> Page<EventView>;
    ticks(canary: String, since_ms: i64, until_ms: i64) -> Vec<TickView>;
    artifacts(run_id: String) -> Vec<ArtifactView>;
    artifact(run_id: String, name: String) -> Option<Artifact>;
    observations(filter: ObservationFilter) -> Vec<ObservationView>;
}

impl Recorder for CountingStore {
    fn record(&self, commit: Commit) {
        self.store.record(commit);
    }

    fn commit(&self, commit: Commit) -> Durable {
        self.store.commit(commit)
    }
}

impl Recovery for CountingStore {
    fn start_state(&self, now: SystemTime) -> ReadFuture<StartState> {
        self.store.start_state(now)
    }
}

impl Follower for CountingStore {
    fn changes_since(&self, cursor: Option<String>) -> ReadFuture<Changes> {
        self.count("changes_since");
        self.store.changes_since(cursor)
    }

    fn written(&self) -> watch::Receiver<u64> {
        self.store.written()
    }
}

impl CleanupLedger for CountingStore {
    fn ledger(&self) -> ReadFuture<LedgerRows> {
        self.count("ledger");
        self.store.ledger()
    }
}

impl Housekeeper for CountingStore {
    fn housekeep(&self, now: SystemTime) -> Durable {
        self.store.housekeep(now)
    }

    fn shut_down(&self, within: Duration) -> BoxFuture<'static, bool> {
        self.store.shut_down(within)
    }
}

impl OutcomeSink for CountingStore {
    fn run_finished(&self, report: &Arc<RunReport>) {
        self.store.run_finished(report);
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.store.cleanup_finished(report);
    }

    fn ticks_missed(&self, missed: &MissedTicks) {
        self.store.ticks_missed(missed);
    }

    fn stalled(&self, lasting: Duration) {
        self.store.stalled(lasting);
    }
}

impl Ledger for CountingStore {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        self.store.intend(entry)
    }

    fn created(&self, id: &str, names: Value) {
        self.store.created(id, names);
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        self.store.ended(id, end);
    }
}
