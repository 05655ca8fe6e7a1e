//! When runs start.
//!
//! Decisions are pure: `timing` knows every moment at which a canary is due, `due_queue` which start is next. Acting is one
//! dedicated `thread` that follows the `clock` and hands each start to the runtime, where `launch` carries it out; `in_flight`
//! knows what a canary is busy with, `active_plan` the plan in force. Ticks that did not run are reported too: by `missed`, and
//! by `downtime` for the time when no process was running. `windows` and `pauses` say what is skipped. `housekeeping` runs the
//! rare jobs of the process; it has nothing to do with probes and never shares their thread.
//!
//! It must not evaluate expressions, do I/O or judge anything. A new way for a tick not to run is a new `launch::Admission`; a
//! new kind of cadence is a new variant of `Cadence` and an arm in `timing`.

mod active_plan;
mod clock;
mod downtime;
mod due_queue;
mod housekeeping;
mod in_flight;
mod inbox;
mod launch;
mod missed;
mod pauses;
mod permits;
mod punctuality;
mod scheduler;
mod state;
mod thread;
mod timing;
mod watchdog;
mod windows;

pub use downtime::LastSeen;
pub use housekeeping::{Housekeeping, HousekeepingError, Job};
pub use pauses::{Pause, PauseTarget, Pauses};
pub use scheduler::{Scheduler, Stragglers, TriggerError};
pub use state::Runner;
pub use timing::next_ticks;
pub use watchdog::watch;

#[cfg(test)]
mod testing;
