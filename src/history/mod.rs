//! The store: runs, states, incidents, outbox and cleanup ledger, on SQLite.
//!
//! Owns the file, its schema and its one writer thread; readers have connections of their own. It decides nothing: rows come from `alert`
//! with what they mean in JSON and with the columns that are searched by. Whoever writes never waits: passed runs are dropped
//! and counted when the queue is full, failures and transitions never. A new kind of state is a new `kind` in
//! [`StateRow`]; a new table is a new migration.

mod error;
mod reader;
mod rows;
mod store;
mod view;

pub use error::{OpenError, ReadError};
pub use reader::Reader;
pub use rows::{Commit, DeliveryRow, DeliveryState, IncidentRow, MessageRow, Record, StateRow, TimelineRow};
pub use store::{KeptState, Remembered, Store};
pub use view::{
    IncidentFilter, IncidentStory, IncidentView, LedgerView, MessageView, OutboxCounts, Page, RollupView, RunDetail, RunFilter,
    RunView, StepView, TimelineView,
};
