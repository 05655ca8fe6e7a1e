//! One run of a canary: steps, devices, judging, cleanup.
//!
//! A run cannot return an error: whatever happens ends in a [`RunReport`](crate::outcome::RunReport) with a verdict, and what
//! cannot be evaluated has failed. [`Engine`] makes runs; when to make them is not known here.
//!
//! - **Order**: `sequence` knows the order of steps, `rounds` their loops, `barrier` lets the entries of a parallel go together, `step_context` is
//!   what surrounds a step.
//! - **One step**: `perform` makes it, attempt by attempt, for as long as `polling` and `window` say. Each of the `series` is filled
//!   in anew, sees what those before it have `handed_on`, and is then made (`attempt`); what it does is its kind's (`step`), whether that holds is `judge`'s. `creation`, `ledger` and `cleanup` see to it that it is undone, `sweep` that
//!   this happens after a crash too.
//! - **One run**: the `environment` is what a run reads (canary, facts, limits, sessions of devices, redactor, ids), the `log` what
//!   it writes (reports, attempts under way, what to undo, clocks); `context` holds the two. `cut` tells what was cut, `unanswered` whether
//!   nothing had answered, `subjects` which subjects failed.
//! - **Time and place**: `stall` knows when this process stood still and takes that out of times, `dns` knows where names lead,
//!   `self_check` whether the prober's own network is there, `compute` on which thread work is done.
//!
//! Nothing here but the folders of `step` knows what any kind of step does. A new kind is a folder there; the list of files and
//! arms is in the module doc of [`step`].

mod attempt;
mod barrier;
mod cleanup;
mod compute;
mod context;
mod creation;
mod cut;
mod dns;
mod engine;
mod environment;
mod handed_on;
pub mod judge;
mod ledger;
mod list_side;
mod log;
mod perform;
mod polling;
mod request;
mod rounds;
mod scope;
mod self_check;
mod sequence;
mod series;
mod shown;
mod stall;
pub mod step;
mod step_context;
mod subjects;
mod sweep;
mod unanswered;
mod undo;
mod window;

pub use dns::NameSources;
pub use engine::Engine;
pub use request::{CleanupTask, Detail, Finished, RunRequest};
pub use self_check::SelfCheck;
pub use stall::{BEAT, Bound, StallLog};
pub use sweep::{Leak, Sweep, Sweeper, Swept};
