//! The wiring: what is started in which order, and stopped in which.
//!
//! Nothing else puts modules together; nothing here decides when to probe or whether something held. `cli` calls it and
//! renders what comes back.

mod access;
mod certificates;
mod demo;
mod demo_sandbox;
mod difference;
mod engine;
mod files;
#[cfg(test)]
mod fixture;
mod following;
mod heartbeat;
mod incident;
mod last_seen;
mod leaks;
mod listening;
mod membership;
mod page_receiver;
mod process;
mod reload;
mod run_events;
mod running;
mod shipped;
mod speed_up;
mod standby;
mod started;
mod storage;
mod traces;

pub use demo::{Demo, DemoError};
pub use engine::engine;
pub use files::{FileWatch, Files};
pub use run_events::{RunEvent, RunEvents, RunEventsReader, run_events};

pub use crate::fleet::{Spool, is_anything_open};
pub use crate::web::ListenError;
pub use incident::{DemoResult, IncidentWatch, Noticed, Paged};
pub use page_receiver::Page;
pub use process::{StopSignals, raise_file_limit};
pub use reload::ConfigSource;
pub use running::{Running, ServiceParts, StartError};
pub use storage::{OpenError, OpenedStore, Sharing, open_journal, open_store, store_in_memory};
pub use traces::HeaderError;
