//! When runs start.
//!
//! Decisions are pure: `timing` knows every moment at which a canary is due, `agenda` which start is next. Acting is one
//! dedicated `thread` that follows the `clock` and hands each start to the runtime, where `launch` carries it out;
//! `lane` keeps what a canary is busy with, `roster` the plan that is in force. What did not run is a report too: `missed`, and
//! `absence` for what came while no process was there; `windows` and `pauses` say what is to be skipped. Rare chores of the process are
//! `housekeeping`, which has nothing to do with probes and never shares their thread.
//!
//! It must not evaluate expressions, do I/O or judge anything. A new way for a tick not to run is a new
//! `launch::Entry`; a new kind of cadence is a new variant of `Cadence` and an arm in
//! `timing`.

mod absence;
mod agenda;
mod clock;
mod housekeeping;
mod inbox;
mod lane;
mod launch;
mod missed;
mod pauses;
mod permits;
mod pulse;
mod roster;
mod runner;
mod scheduler;
mod shared;
mod thread;
mod timing;
mod watchdog;
mod windows;

pub use housekeeping::{Housekeeping, HousekeepingError, Job};
pub use pauses::{Pause, PauseTarget, Pauses};
pub use runner::Runner;
pub use scheduler::{Scheduler, Stragglers, TriggerError};
pub use watchdog::watch;

#[cfg(test)]
mod testing;
