//! When runs start.
//!
//! Decisions are pure: `timing` knows every moment at which a canary is due, `agenda` which start is next. Acting is one
//! dedicated `thread` that follows the `clock` and hands each start to the runtime, where `launch` carries it out;
//! `lane` keeps what a canary is busy with. What did not run is a report too (`missed`). Rare chores of the process are
//! `housekeeping`, which has nothing to do with probes and never shares their thread.
//!
//! It must not evaluate expressions, do I/O or judge anything. A new way for a tick not to run is a new
//! `launch::Entry`; a new kind of cadence is a new variant of `Cadence` and an arm in
//! `timing`.

mod agenda;
mod clock;
mod housekeeping;
mod inbox;
mod lane;
mod launch;
mod missed;
mod runner;
mod scheduler;
mod thread;
mod timing;
mod watchdog;

pub use housekeeping::{Housekeeping, HousekeepingError, Job};
pub use runner::Runner;
pub use scheduler::{Scheduler, Stragglers, TriggerError};

#[cfg(test)]
mod testing;
