//! The store: runs, states, incidents, tries and cleanup ledger, on `SQLite`.
//!
//! Owns the file, its schema and its one writer thread; readers have connections of their own. It decides nothing: rows come from
//! `alert` with what they mean in JSON and with the columns that are searched by. Whoever writes never waits: passed runs are
//! dropped and counted when the queue is full, failures and transitions never.
//!
//! What waits is written whole, in one transaction: at once where somebody waits for it, otherwise after 200 ms or 1,000 rows. What
//! is durable is therefore always all that was handed in up to some moment. Where the file cannot be written (a full disk, rights,
//! a lock, an error of the disk), what waits stays, bounded, and it is tried again until it can be; a file that was deleted is
//! written again from the open one; a damaged one is set aside. A start looks at the head of the file only; whether all of it is
//! whole is looked at beside everything else, where the last process did not end well.
//!
//! A new kind of state is a new `kind` in [`StateRow`]; a new table is a new migration in `schema`.

mod backlog;
mod cleanup;
mod detail;
mod error;
mod file;
mod forget;
mod housekeep;
mod inspect;
mod ledger;
mod lock;
mod queue;
mod reader;
mod remember;
mod rows;
mod salvage;
mod schema;
mod sketch;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tries;
mod trust;
mod varint;
mod view;
mod write;
mod writer;

pub use error::{OpenError, ReadError};
pub use ledger::{LedgerRows, LedgerView, UnreadableEntry};
pub use reader::Reader;
pub use remember::{KeptState, KeptTick, Remembered};
pub use rows::{Commit, IncidentRow, OF_INCIDENTS, Record, StateRow, TimelineRow};
pub use store::Store;
pub use tries::{KeptTry, OutcomeRow, TryRow, TryState};
pub use view::{
    IncidentFilter, IncidentStory, IncidentView, Page, RollupView, RunDetail, RunFilter, RunView, StepView, TimelineView,
    TryCounts, TryView,
};
