//! The read model: what is so, as plain data that pages, the API and the terminal show.
//!
//! Pure functions from the plan, the status of alerting, answers of the store and a moment to structs. Nothing here writes HTML
//! and nothing here asks the store for each canary: [`recent`] follows what is written and holds the last hour of all of them.
//! A new thing to show is a file here, and a page or a route that shows it.

pub(super) mod by_hand;
pub(super) mod certificates;
pub(super) mod changes;
pub(super) mod fleet;
pub(super) mod incident;
pub(super) mod live;
pub(super) mod overview;
pub(super) mod probe;
pub(super) mod quiet;
pub(super) mod recent;
pub(super) mod run;
pub(super) mod slo;
mod snapshot;
pub(super) mod strip;
pub(super) mod words;

pub use snapshot::Snapshots;
pub(super) use snapshot::{Snapshot, staleness};
