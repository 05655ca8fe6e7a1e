//! The store: runs with their hours and the passes they are compared with, states, incidents, tries, the cleanup ledger, events,
//! artifacts and observations. Nothing hands in artifacts or observations yet.
//!
//! Here is what others may ask of it: the [ports](ports), the rows that are handed in (`rows`), what a process reads when it
//! starts (`start_state`) and what readers get (`view`, and `compact` of all canaries at once). It decides nothing: `alert` hands rows in, with their content as JSON
//! and the columns that are searched by. Writers never wait: when too much waits, passed runs are dropped and counted; failures
//! and transitions never are.
//!
//! What the processes of a fleet ask of the store that they share is a port of its own, [`Fleet`], which only [`postgres`] has.
//!
//! Beneath lie the stores themselves: [`sqlite`], which only `app` names, and one in memory that tests use. Both pass
//! `tests::behaviour`, as must a further one. What every store shares is `backlog` (what waits to be written, bounded), `encoding`
//! (reports and durations in few bytes) and `retention_clock` (which clock retention goes by).
//!
//! [`copy`] takes what is in a file over into a database, for who moves from one to the other.
//!
//! A new kind of state is a new `kind` in [`StateRow`]; a new question is a verb of a port. A new thing that is kept is a row in `rows`
//! and in [`Commit`], its bound in `backlog`, what readers get of it in `view`, a verb in `ports`, the same in `memory`, a table in
//! [`sqlite`] and in [`postgres`], its columns in `copy::tables`, and a suite in `tests` that every store passes.

mod backlog;
mod compact;
pub mod copy;
mod cursor;
mod encoding;
mod fleet;
#[cfg(test)]
pub(crate) mod memory;
mod newest_passes;
mod ports;
pub mod postgres;
mod retention_clock;
mod rollup_parts;
mod rows;
pub mod sqlite;
mod start_state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;

pub use compact::{HourCounts, MarksPage, RunCounts, RunMark};
pub use encoding::sketch::Sketch;
pub use fleet::{
    Epoch, FACTS, FactView, FactsPage, Fenced, Fleet, InstanceView, LeaseAnswer, LeaseName, LeaseReply, LeaseView, REQUESTS,
    Request, RequestState, TakenRequest,
};
pub use ports::{
    CHANGES, CleanupLedger, Durable, Follower, HOURS_OF_ALL, HOURS_OF_PROBE, Housekeeper, OBSERVATIONS, ReadError, ReadFuture,
    Reader, Recorder, Recovery, Store, StoreStatus, TICKS,
};
pub use rows::{
    ArtifactRow, Commit, EventKind, EventRow, FOLLOWED, FactRow, HANDED_IN, IncidentRow, OF_EVALUATOR, OF_INCIDENTS, OF_REGION,
    ObservationRow, OutcomeRow, Record, StateRow, TOLD_ALONE, TimelineRow, TryRow, TryState,
};
pub use start_state::{RestoredState, RestoredTick, RestoredTry, StartState};
pub use view::{
    Artifact, ArtifactView, Change, Changes, Comparison, EventFilter, EventView, IncidentDetail, IncidentFilter, IncidentView,
    LedgerRows, LedgerView, ObservationFilter, ObservationView, Page, PassView, ProbeCounts, ProbeRollups, ProbeTotal,
    RollupFilter, RollupView, RunDetail, RunFilter, RunView, StepHour, StepView, TickView, TimelineView, TryCounts, TryView,
    UnreadableEntry, WrittenPage,
};
