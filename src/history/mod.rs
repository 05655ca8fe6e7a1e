//! The store: runs, states, incidents, tries and the cleanup ledger.
//!
//! Here is what others may ask of it: the [ports](ports), the rows that are handed in (`rows`), what a start remembers
//! (`remembered`) and what readers get (`view`). It decides nothing: rows come from `alert` with what they mean in JSON and with the
//! columns that are searched by. Whoever writes never waits: passed runs are dropped and counted when too much waits, failures and
//! transitions never.
//!
//! Beneath lie the stores themselves: [`sqlite`], which only `app` names, and one in memory that tests use. Both pass
//! `tests::behaviour`, as must a further one. What every store shares is `backlog` (what waits to be written, bounded), `encoding`
//! (reports and durations in few bytes) and `trust` (which clock retention goes by).
//!
//! A new kind of state is a new `kind` in [`StateRow`]; a new question is a verb of a port.

mod backlog;
mod encoding;
#[cfg(test)]
pub(crate) mod memory;
mod ports;
mod remembered;
mod rows;
pub mod sqlite;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trust;
mod view;

pub use encoding::sketch::Sketch;
pub use ports::{
    Answer, CHANGES, CleanupLedger, Durable, Follower, Housekeeper, OBSERVATIONS, ReadError, Reader, Recorder, Recovery, Store,
    StoreStatus, TICKS,
};
pub use remembered::{KeptState, KeptTick, KeptTry, Remembered};
pub use rows::{
    ArtifactRow, Commit, FOLLOWED, IncidentRow, OF_INCIDENTS, ObservationRow, OutcomeRow, Record, StateRow, TimelineRow, TryRow,
    TryState,
};
pub use view::{
    Artifact, ArtifactView, Change, Changes, Comparison, IncidentFilter, IncidentStory, IncidentView, LedgerRows, LedgerView,
    ObservationFilter, ObservationView, Page, PassView, RollupView, RunDetail, RunFilter, RunView, StepHour, StepView, TickView,
    TimelineView, TryCounts, TryView, UnreadableEntry,
};
