//! The ports: what others may ask of a store, as traits of few verbs, one trait for each who asks.
//!
//! No verb blocks. [`Recorder`] takes what is handed in and returns at once; [`Durable`] resolves when it is durable. A reader
//! gets a [`ReadFuture`], which owns what it needs, so that a store behind a network, one that reads on threads that may block,
//! and one in memory look the same from outside. `app` makes a store and hands it on as the ports that each part needs; `outcome`
//! has the ports that runs use themselves (`Ledger`, `OutcomeSink`). A new question is a verb of one of these traits, and the
//! behaviour suite asks it of every store.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::{
    Artifact, ArtifactView, Changes, Commit, Comparison, EventFilter, EventView, HourCounts, IncidentDetail, IncidentFilter,
    IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page, PassView, ProbeCounts, ProbeRollups,
    ProbeTotal, RollupFilter, RollupView, RunDetail, RunFilter, RunView, StartState, TickView, TryCounts, WrittenPage,
};
use crate::outcome::{Ledger, OutcomeSink};

/// The most ticks that come at once: 90 days of a canary that runs every minute, and some more.
pub const TICKS: usize = 150_000;

/// The most hours of a probe's canaries that come at once: 90 days of 23 canaries, or some 400 where days come instead.
pub const HOURS_OF_PROBE: usize = 50_000;

/// The most hours of all canaries that come at once.
pub const HOURS_OF_ALL: usize = 500_000;

/// The most observations that come at once.
pub const OBSERVATIONS: usize = 100_000;

/// The most changes of a kind that come at once.
pub const CHANGES: usize = 1_000;

/// Resolves when what was handed in is durable, or with an error if the store ended before. It may be dropped.
pub type Durable = oneshot::Receiver<()>;

/// What a store answers, later.
pub type ReadFuture<T> = BoxFuture<'static, Result<T, ReadError>>;

/// Writes what happened.
pub trait Recorder: Send + Sync + 'static {
    /// Writes this soon, together with others. What is durable is always all that was handed in up to some moment.
    fn record(&self, commit: Commit);

    /// Writes this at once, in one transaction, and everything that was handed in before.
    fn commit(&self, commit: Commit) -> Durable;
}

/// Tells a process that starts what earlier ones left.
pub trait Recovery: Send + Sync + 'static {
    /// States, incidents, tries, ticks and cleanups that are still of importance at this time.
    fn start_state(&self, now: SystemTime) -> ReadFuture<StartState>;
}

/// Answers questions of the API and the commands.
pub trait Reader: Send + Sync + 'static {
    /// Runs, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    fn runs(&self, filter: RunFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<RunView>>;

    /// Runs in the order of writing. `after` is [`WrittenPage::next`] of the answer before; without it nothing comes, and `next` is
    /// now. At most [`WrittenPage::LIMIT`] come, and fewer where many are looked through that are not wanted.
    fn written_runs(&self, filter: RunFilter, after: Option<String>, limit: usize) -> ReadFuture<WrittenPage>;

    /// A run with its details.
    fn run(&self, run_id: String) -> ReadFuture<Option<RunDetail>>;

    /// The newest passed run of a canary that counted, in full. It is kept as long as rollups are, also where its row is gone.
    fn newest_pass(&self, canary: String) -> ReadFuture<Option<PassView>>;

    /// What a failed run that counted is compared with; kept as long as the run is.
    fn comparison(&self, run_id: String) -> ReadFuture<Comparison>;

    /// Incidents, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    fn incidents(&self, filter: IncidentFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<IncidentView>>;

    /// An incident with its timeline and its tries, of each at most the latest thousand.
    fn incident(&self, id: String) -> ReadFuture<Option<IncidentDetail>>;

    /// The number of tries in each state.
    fn tries(&self) -> ReadFuture<TryCounts>;

    /// The hours of a canary from `since_ms` until before `until_ms`, oldest first; the last ones come with the next housekeeping.
    fn rollups(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<RollupView>>;

    /// The hours of a probe's canaries, as of [`rollups`](Self::rollups), or days where they may come instead. About
    /// [`HOURS_OF_PROBE`] come at most: the newest ones.
    fn rollups_of_probe(&self, filter: RollupFilter) -> ReadFuture<ProbeRollups>;

    /// The counts of all of them together, oldest first.
    fn counts_of_probe(&self, filter: RollupFilter) -> ReadFuture<Vec<ProbeCounts>>;

    /// What each probe's hours from `since_ms` until before `until_ms` come to, in the order of names, or those of one probe. Probes of
    /// which no hour is kept do not come.
    fn totals_of_probes(&self, probe: Option<String>, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<ProbeTotal>>;

    /// The counts of the hours of all canaries, ordered by hour and then by canary, as of [`rollups`](Self::rollups). At most
    /// [`HOURS_OF_ALL`] come: the newest ones.
    fn rollups_of_all(&self, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<HourCounts>>;

    /// Runs of all canaries that were due at or after `since_ms`, in the order of writing. `after` is [`MarksPage::next`] of the page
    /// before, or of the last one, later: then what was written since comes. At most [`MarksPage::LIMIT`] come. Passed runs are
    /// there for as long as they are kept.
    fn marks(&self, since_ms: i64, after: Option<String>, limit: usize) -> ReadFuture<MarksPage>;

    /// Events, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come. They are kept as long as
    /// rollups are.
    fn events(&self, filter: EventFilter, limit: usize, after: Option<String>) -> ReadFuture<Page<EventView>>;

    /// The ticks of a canary that counted, from `since_ms` until before `until_ms`, in the order of their due times, with the verdict
    /// of each: kept as long as rollups are. At most [`TICKS`] come, the first ones; the last ones come with the next housekeeping.
    fn ticks(&self, canary: String, since_ms: i64, until_ms: i64) -> ReadFuture<Vec<TickView>>;

    /// What a run left, in the order of the names.
    fn artifacts(&self, run_id: String) -> ReadFuture<Vec<ArtifactView>>;

    /// One of them, if its bytes are kept.
    fn artifact(&self, run_id: String, name: String) -> ReadFuture<Option<Artifact>>;

    /// Observations in the order of their times, at most [`OBSERVATIONS`]: the last ones.
    fn observations(&self, filter: ObservationFilter) -> ReadFuture<Vec<ObservationView>>;

    /// How the store itself is.
    fn status(&self) -> StoreStatus;
}

/// Tells what changes, for live pages and for other processes on the same store.
pub trait Follower: Send + Sync + 'static {
    /// What was written since this cursor, which is [`Changes::next`] of the answer before; at most [`CHANGES`] of each kind come.
    /// Without a cursor nothing has changed yet, and `next` is now.
    fn changes_since(&self, cursor: Option<String>) -> ReadFuture<Changes>;

    /// A number that changes whenever this process has written something. A follower waits for that, and then asks for the
    /// changes.
    fn written(&self) -> watch::Receiver<u64>;
}

/// Lists the cleanup ledger, beside what runs do with it.
pub trait CleanupLedger: Ledger {
    /// What is still to be cleaned up, what was given up on, and what cannot be read, oldest first.
    fn ledger(&self) -> ReadFuture<LedgerRows>;
}

/// Keeps the store within bounds, and ends it.
pub trait Housekeeper: Send + Sync + 'static {
    /// Makes rollups and removes what is older than it is kept, between writes; resolves when done, with an error where the store
    /// could not be written.
    fn housekeep(&self, now: SystemTime) -> Durable;

    /// Writes what waits and ends. Resolves within about this time: false if something could not be written by then.
    fn shut_down(&self, within: Duration) -> BoxFuture<'static, bool>;
}

/// All of it: what `app` holds, and hands on as one port or another.
pub trait Store: Recorder + Recovery + Reader + Follower + CleanupLedger + Housekeeper + OutcomeSink {}

impl<T: Recorder + Recovery + Reader + Follower + CleanupLedger + Housekeeper + OutcomeSink> Store for T {}

/// How a store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether the last try to write succeeded; if not, what waits is kept and tried again.
    pub writable: bool,
    /// What a damaged file was renamed to, at the start or since.
    pub damaged: Option<PathBuf>,
}

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It did not answer, or not with something that makes sense.
    #[error("the store {store} cannot be read")]
    Unreadable {
        /// Which store.
        store: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What a page's cursor was is no cursor.
    #[error("`{0}` is no cursor; use the one that came with the page before")]
    Cursor(String),
    /// A defect.
    #[error("a question made the store panic, which is a defect; the log says where")]
    Defect,
}
