//! The wiring: what is started in which order, and stopped in which.
//!
//! Nothing else puts modules together; nothing here decides when to probe or whether something held. `cli` calls it and
//! renders what comes back.

mod attendance;
mod demo;
mod demo_sandbox;
mod engine;
mod files;
#[cfg(test)]
mod fixture;
mod heartbeat;
mod incident;
mod leaks;
mod open_files;
mod page_receiver;
mod reload;
mod run_events;
mod running;
mod shipped;
mod signal;
mod speed_up;
mod started;
mod stop;
mod storage;
mod traces;
mod watch;

pub use demo::{Demo, DemoError};
pub use engine::engine;
pub use files::Files;
pub use run_events::{Event, RunEvents, RunEventsReader, run_events};

pub use crate::history::sqlite::OpenError;
pub use crate::web::ListenError;
pub use incident::{DemoResult, Noticed, Paged, Watch};
pub use open_files::raise_file_limit;
pub use page_receiver::Page;
pub use reload::Source;
pub use running::{Parts, Running, StartError};
pub use signal::StopSignals;
pub use storage::{open_store, store_in_memory};
pub use traces::HeaderError;
