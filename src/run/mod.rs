//! One run of a canary: steps, devices, judging, cleanup.
//!
//! A run cannot return an error: whatever happens ends in a [`RunReport`](crate::outcome::RunReport) with a verdict, and what
//! cannot be evaluated has failed. [`Engine`] makes runs, `sequence` knows the order of steps, `rounds` their loops, `exchange`
//! the attempts of one step, `judge` what counts as holding, `cleanup` undoes, `stall` knows when this process stood still and
//! `net` takes that out, `cut` tells what was cut,
//! `dns` knows where names lead. When to run is not known here.
//!
//! A new step kind gets a folder in `step`, a variant of [`Action`](crate::plan::Action), and an arm in `sequence`.

mod attempt;
mod cleanup;
mod context;
mod creation;
mod cut;
mod dns;
mod engine;
mod exchange;
mod journal;
pub mod judge;
mod net;
mod polling;
mod release;
mod request;
mod rounds;
mod scope;
mod self_check;
mod sequence;
mod silence;
mod stall;
mod state;
pub mod step;
mod subjects;
mod sweep;
mod think;
mod window;

pub use dns::NameSources;
pub use engine::Engine;
pub use request::{CleanupTask, Detail, Finished, RunRequest};
pub use self_check::SelfCheck;
pub use stall::{BEAT, Bound, StallLog};
pub use sweep::{Leak, Sweep, Sweeper, Swept};
