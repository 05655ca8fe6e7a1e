//! One run of a canary: steps, devices, judging, cleanup.
//!
//! A run cannot return an error: whatever happens ends in a [`RunReport`](crate::outcome::RunReport) with a verdict, and what
//! cannot be evaluated has failed. [`Engine`] makes runs; when to make them is not known here.
//!
//! - **Order**: `sequence` knows the order of steps, `rounds` their loops, `release` the barrier of a parallel, `opening` where a step
//!   stands.
//! - **One step**: `perform` makes it, attempt by attempt (`attempt`), for as long as `polling` and `window` say; what it does is its
//!   kind's (`step`), whether that holds is `judge`'s. `creation`, `journal` and `cleanup` see to it that it is undone, `sweep` that
//!   this happens after a crash too.
//! - **One run**: the `environment` is what a run reads (canary, facts, limits, sessions of devices, redactor, ids), the `log` what
//!   it writes (reports, attempts under way, what to undo, clocks); `context` holds the two. `cut` tells what was cut, `silence` whether
//!   nothing had answered, `subjects` which subjects failed.
//! - **Time and place**: `stall` knows when this process stood still and `net` takes that out, `dns` knows where names lead,
//!   `self_check` whether the prober's own network is there, `think` where work is done.
//!
//! Nothing here but the folders of `step` knows what any kind of step does. A new kind is a folder there; the list of files and
//! arms is in the module doc of [`step`].

mod attempt;
mod cleanup;
mod context;
mod creation;
mod cut;
mod dns;
mod engine;
mod environment;
mod journal;
pub mod judge;
mod log;
mod net;
mod opening;
mod perform;
mod polling;
mod release;
mod request;
mod rounds;
mod scope;
mod self_check;
mod sequence;
mod silence;
mod stall;
pub mod step;
mod subjects;
mod sweep;
mod think;
mod undo;
mod waits;
mod window;

pub use dns::NameSources;
pub use engine::Engine;
pub use request::{CleanupTask, Detail, Finished, RunRequest};
pub use self_check::SelfCheck;
pub use stall::{BEAT, Bound, StallLog};
pub use sweep::{Leak, Sweep, Sweeper, Swept};
