//! Questions to the store, on connections that only read. They block: ask from a thread that may.

mod incident;
mod run;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::file::{self, Place};
use super::housekeep::HOUR_MS;
use super::sketch::Sketch;
use super::store::Standing;
use super::{
    IncidentFilter, IncidentStory, IncidentView, LedgerRows, Page, ReadError, RollupView, RunDetail, RunFilter, RunView,
    TryCounts, ledger,
};

/// How long a question waits for a lock, which only a store in memory ever holds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are kept for the next question.
const KEPT: usize = 4;

/// Kibibytes of pages that each of them keeps; questions seldom ask for the same ones.
const CACHE: i64 = 512;

/// The connections of all readers of a store.
#[derive(Debug)]
pub(super) struct Readers {
    place: Place,
    pub(super) standing: Arc<Standing>,
    /// Connections and the epochs they were made in.
    kept: Mutex<Vec<(Connection, u64)>>,
}

impl Readers {
    pub(super) fn new(place: Place, standing: Arc<Standing>) -> Self {
        Self { place, standing, kept: Mutex::default() }
    }

    /// Closes those that nobody uses.
    pub(super) fn forget(&self) {
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
        if kept.len() < KEPT && made == self.standing.epoch.load(Ordering::Acquire) {
            kept.push((connection, made));
        }
    }
}

/// Reads the store.
#[derive(Debug)]
pub struct Reader(Arc<Readers>);

impl Reader {
    pub(super) fn new(readers: Arc<Readers>) -> Self {
        Self(readers)
    }

    /// Runs, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    ///
    /// # Errors
    /// Where the file cannot be read, or the cursor is none.
    pub fn runs(&self, filter: &RunFilter, limit: usize, after: Option<&str>) -> Result<Page<RunView>, ReadError> {
        let after = after.map(run::Cursor::read).transpose()?;
        self.ask(|connection| run::list(connection, filter, limit.clamp(1, Page::<RunView>::LIMIT), after))
    }

    /// A run with its details.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn run(&self, run_id: &str) -> Result<Option<RunDetail>, ReadError> {
        self.ask(|connection| run::one(connection, run_id))
    }

    /// Incidents, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn incidents(&self, filter: &IncidentFilter, limit: usize, after: Option<&str>) -> Result<Page<IncidentView>, ReadError> {
        self.ask(|connection| incident::list(connection, filter, limit.clamp(1, Page::<IncidentView>::LIMIT), after))
    }

    /// An incident with its timeline and its tries, of each at most the latest thousand.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn incident(&self, id: &str) -> Result<Option<IncidentStory>, ReadError> {
        self.ask(|connection| incident::one(connection, id))
    }

    /// How many tries stand how.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn tries(&self) -> Result<TryCounts, ReadError> {
        self.ask(incident::tries)
    }

    /// The hours of a canary from `since_ms` until before `until_ms`, oldest first; the last ones come with the next housekeeping.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn rollups(&self, canary: &str, since_ms: i64, until_ms: i64) -> Result<Vec<RollupView>, ReadError> {
        self.ask(|connection| {
            connection
                .prepare_cached(
                    "SELECT hour, passed, failed, errored, missed, blocked, skipped, durations FROM rollups
                     WHERE canary = (SELECT id FROM canaries WHERE name = ?) AND hour >= ? AND hour * 3600000 < ? ORDER BY hour",
                )?
                .query_map(params![canary, since_ms.div_euclid(HOUR_MS), until_ms], |row| {
                    let sketch = Sketch::from_bytes(row.get_ref(7)?.as_blob()?);
                    Ok(RollupView {
                        hour_ms: row.get::<_, i64>(0)? * HOUR_MS,
                        passed: row.get(1)?,
                        failed: row.get(2)?,
                        errored: row.get(3)?,
                        missed: row.get(4)?,
                        blocked: row.get(5)?,
                        skipped: row.get(6)?,
                        p50_us: sketch.percentile(50),
                        p95_us: sketch.percentile(95),
                        p99_us: sketch.percentile(99),
                    })
                })?
                .collect()
        })
    }

    /// What is still to be cleaned up, what was given up on, and what cannot be read, oldest first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn ledger(&self) -> Result<LedgerRows, ReadError> {
        self.ask(ledger::read)
    }

    /// Asks, on a connection that others asked on before.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let readers = &*self.0;
        let failed = |source| {
            if file::is_damage(&source) {
                readers.standing.suspect.store(true, Ordering::Release);
            }
            ReadError::Sqlite { path: PathBuf::from(readers.place.path()), source }
        };
        let epoch = readers.standing.epoch.load(Ordering::Acquire);
        let connection = readers.take(epoch).map_err(failed)?;
        let answer = question(&connection).map_err(failed)?;
        readers.give_back(connection, epoch);
        Ok(answer)
    }
}

/// Makes a page of one row more than was wanted.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}
