//! Queries to the store, on connections that only read. They block, so that [`ask`] has a thread of its own for each.

mod hour;
mod incident;
mod mark;
mod probe;
mod run;
mod written;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::file::{self, StoreLocation};
use super::health::Health;
use super::{artifacts, changes, events, ledger, observations, passes};
use crate::history::cursor::page;
use crate::history::newest_passes::SharedPasses;
use crate::history::{
    Artifact, ArtifactView, Changes, Comparison, EventFilter, EventView, HourCounts, IncidentDetail, IncidentFilter,
    IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page, PassView, ProbeCounts, ProbeRollups,
    ProbeTotal, ReadError, ReadFuture, RollupFilter, RollupView, RunDetail, RunFilter, RunView, TickView, TryCounts, WrittenPage,
};
use crate::plan::Bodies;

/// How long a question waits for a lock, which only a store in memory ever holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are kept for the next question.
const KEPT: usize = 4;

/// Queries that go on at once.
const AT_ONCE: usize = 4;

/// Kibibytes of pages that each of them keeps; questions seldom ask for the same ones.
const CACHE: i64 = 512;

/// Asks on a thread that may block.
pub(super) fn ask<T: Send + 'static>(
    readers: &Arc<Readers>,
    question: impl FnOnce(&Queries) -> Result<T, ReadError> + Send + 'static,
) -> ReadFuture<T> {
    let readers = Arc::clone(readers);
    Box::pin(async move {
        let permit = Arc::clone(&readers.at_once).acquire_owned().await;
        // The permit goes along, because a question that nobody waits for any more goes on.
        let asked = spawn_blocking(move || (question(&Queries::new(readers)), permit).0).await;
        // A panic has been printed.
        asked.unwrap_or(Err(ReadError::Defect))
    })
}

/// The connections of all readers of a store.
#[derive(Debug)]
pub(super) struct Readers {
    place: StoreLocation,
    pub(super) health: Arc<Health>,
    /// Bounds what goes on at once: on a disk that hangs, questions must not pile up.
    at_once: Arc<Semaphore>,
    /// The newest passed runs, as far as the writer holds them.
    pub(super) passes: SharedPasses,
    /// Which bodies are kept.
    bodies: Bodies,
    /// Connections and the epochs they were made in.
    kept: Mutex<Vec<(Connection, u64)>>,
}

impl Readers {
    pub(super) fn new(place: StoreLocation, health: Arc<Health>, bodies: Bodies) -> Self {
        Self {
            place,
            health,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            passes: SharedPasses::default(),
            bodies,
            kept: Mutex::default(),
        }
    }

    /// Closes those that nobody uses.
    pub(super) fn close_idle(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Connection, u64)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that is there, or a new one where the file is another one by now.
    fn take(&self, epoch: u64) -> rusqlite::Result<Connection> {
        let mut kept = self.lock();
        kept.retain(|(_, made)| *made == epoch);
        if let Some((connection, _)) = kept.pop() {
            return Ok(connection);
        }
        drop(kept);
        let connection = self.place.connect(false, PATIENCE)?;
        // The writer alone tidies up; closing must remove nothing.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection, made: u64) {
        let mut kept = self.lock();
        if kept.len() < KEPT && made == self.health.epoch.load(Ordering::Acquire) {
            kept.push((connection, made));
        }
    }
}

/// Asks, and blocks until there is an answer.
#[derive(Debug)]
pub(super) struct Queries(Arc<Readers>);

impl Queries {
    pub(super) fn new(readers: Arc<Readers>) -> Self {
        Self(readers)
    }

    /// Runs, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) fn runs(&self, filter: &RunFilter, limit: usize, after: Option<&str>) -> Result<Page<RunView>, ReadError> {
        let after = after.map(run::RunCursor::read).transpose()?;
        self.ask(|connection| run::list(connection, filter, limit.clamp(1, Page::<RunView>::LIMIT), after))
    }

    /// Runs in the order of writing. `after` is [`WrittenPage::next`] of an answer before.
    pub(super) fn written_runs(&self, filter: &RunFilter, after: Option<&str>, limit: usize) -> Result<WrittenPage, ReadError> {
        let after = after.map(written::WrittenCursor::read).transpose()?;
        self.ask(|connection| written::page(connection, filter, after, limit.clamp(1, WrittenPage::LIMIT)))
    }

    /// A run with its details.
    pub(super) fn run(&self, run_id: &str) -> Result<Option<RunDetail>, ReadError> {
        self.ask(|connection| run::one(connection, run_id))
    }

    /// The newest passed run of a canary.
    pub(super) fn newest_pass(&self, canary: &str) -> Result<Option<PassView>, ReadError> {
        self.ask(|connection| passes::newest(connection, &self.0.passes, canary, self.0.bodies))
    }

    /// What a failed run is compared with.
    pub(super) fn comparison(&self, run_id: &str) -> Result<Comparison, ReadError> {
        self.ask(|connection| passes::comparison(connection, run_id))
    }

    /// Incidents, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) fn incidents(
        &self,
        filter: &IncidentFilter,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Page<IncidentView>, ReadError> {
        self.ask(|connection| incident::list(connection, filter, limit.clamp(1, Page::<IncidentView>::LIMIT), after))
    }

    /// An incident with its timeline and its tries, of each at most the latest thousand.
    pub(super) fn incident(&self, id: &str) -> Result<Option<IncidentDetail>, ReadError> {
        self.ask(|connection| incident::one(connection, id))
    }

    /// How many tries stand how.
    pub(super) fn tries(&self) -> Result<TryCounts, ReadError> {
        self.ask(incident::tries)
    }

    /// The hours of a canary from `since_ms` until before `until_ms`, oldest first; the last ones come with the next housekeeping.
    pub(super) fn rollups(&self, canary: &str, since_ms: i64, until_ms: i64) -> Result<Vec<RollupView>, ReadError> {
        self.ask(|connection| hour::rollups(connection, canary, since_ms, until_ms))
    }

    /// The hours of a probe's canaries, or their days.
    pub(super) fn rollups_of_probe(&self, filter: &RollupFilter) -> Result<ProbeRollups, ReadError> {
        self.ask(|connection| probe::rollups(connection, filter))
    }

    /// Their counts together.
    pub(super) fn counts_of_probe(&self, filter: &RollupFilter) -> Result<Vec<ProbeCounts>, ReadError> {
        self.ask(|connection| probe::counts(connection, filter))
    }

    /// What each probe's hours within some time come to.
    pub(super) fn totals_of_probes(
        &self,
        probe: Option<&str>,
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<ProbeTotal>, ReadError> {
        self.ask(|connection| probe::totals(connection, probe, since_ms, until_ms))
    }

    /// The counts of the hours of all canaries; the newest ones if they are too many.
    pub(super) fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> Result<Vec<HourCounts>, ReadError> {
        self.ask(|connection| hour::rollups_of_all(connection, since_ms, until_ms))
    }

    /// Runs of all canaries in the order of writing. `after` is [`MarksPage::next`] of an answer before.
    pub(super) fn marks(&self, since_ms: i64, after: Option<&str>, limit: usize) -> Result<MarksPage, ReadError> {
        let after = after.map(mark::MarkCursor::read).transpose()?;
        self.ask(|connection| mark::page(connection, since_ms, after, limit.clamp(1, MarksPage::LIMIT)))
    }

    /// Events, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) fn events(&self, filter: &EventFilter, limit: usize, after: Option<&str>) -> Result<Page<EventView>, ReadError> {
        let after = after.map(events::EventCursor::read).transpose()?;
        let limit = limit.clamp(1, Page::<EventView>::LIMIT);
        self.ask(|connection| Ok(page(events::list(connection, filter, limit, after)?, limit, events::cursor)))
    }

    /// The ticks of a canary from `since_ms` until before `until_ms`, likewise.
    pub(super) fn ticks(&self, canary: &str, since_ms: i64, until_ms: i64) -> Result<Vec<TickView>, ReadError> {
        self.ask(|connection| hour::ticks(connection, canary, since_ms, until_ms))
    }

    /// What a run left.
    pub(super) fn artifacts(&self, run_id: &str) -> Result<Vec<ArtifactView>, ReadError> {
        self.ask(|connection| artifacts::list(connection, run_id))
    }

    /// One of them with its bytes.
    pub(super) fn artifact(&self, run_id: &str, name: &str) -> Result<Option<Artifact>, ReadError> {
        self.ask(|connection| artifacts::one(connection, run_id, name))
    }

    /// Observations, oldest first.
    pub(super) fn observations(&self, filter: &ObservationFilter) -> Result<Vec<ObservationView>, ReadError> {
        self.ask(|connection| observations::list(connection, filter))
    }

    /// What was written since a cursor.
    pub(super) fn changes_since(&self, cursor: Option<&str>) -> Result<Changes, ReadError> {
        let cursor = cursor.map(changes::ChangeCursor::read).transpose()?;
        self.ask(|connection| changes::since(connection, cursor))
    }

    /// What is still to be cleaned up, what was given up on, and what cannot be read, oldest first.
    pub(super) fn ledger(&self) -> Result<LedgerRows, ReadError> {
        self.ask(ledger::read)
    }

    /// Asks, on a connection that others asked on before.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let readers = &*self.0;
        let failed = |source| {
            if file::is_damage(&source) {
                readers.health.suspect.store(true, Ordering::Release);
            }
            ReadError::Unreadable { store: readers.place.path().display().to_string(), source: source.into() }
        };
        let epoch = readers.health.epoch.load(Ordering::Acquire);
        let connection = readers.take(epoch).map_err(failed)?;
        let answer = question(&connection).map_err(failed)?;
        readers.give_back(connection, epoch);
        Ok(answer)
    }
}
