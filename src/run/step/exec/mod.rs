//! The exec step kind: a program of the prober's machine, run to its end.
//!
//! `command` fills in what is run and finds it, `program` starts it in a process group of its own and sees to its end, `output` feeds and
//! reads it, `underway` holds how far it has come, `answer` answers look-ups of expressions, `transcript` draws it for a report, `task`
//! is how the run sees all of it. Nothing here judges an answer or decides about another attempt.
//!
//! **What ends how.** A program that ended is reaped by whoever waited for it, and what is left of its group is killed first, while
//! the ended leader still holds the group's number. One that is cut (a bound, too much output, a dropped future) gets SIGTERM,
//! [`program::GRACE`] and SIGKILL from a thread that also reaps it, so that nothing has to wait for that. Orphans that a program leaves
//! outside of its group come to this process only where it is PID 1, where `orphans` reaps them. A process that is itself killed
//! cannot do any of this: `guard` is another process that notices and kills what was running. All of these know which children are
//! whose by `children`.

mod answer;
mod children;
mod command;
mod guard;
mod orphans;
mod output;
mod program;
mod task;
mod transcript;
mod underway;

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

pub use guard::{guard_programs, keep_guard};
pub(super) use task::ExecTask;

/// Programs that run at once. The permit of a run is no bound on them: a run may start dozens side by side, and each costs memory and
/// six open files.
const PLACES: usize = 64;

/// What the process keeps for all programs: places for them, and, where it has to, who reaps orphans. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::run) struct ExecPool {
    places: Arc<Semaphore>,
    orphans: Arc<OnceLock<Option<AbortOnDropHandle<()>>>>,
}

impl Default for ExecPool {
    fn default() -> Self {
        Self::of(PLACES)
    }
}

impl ExecPool {
    /// A pool of so many places.
    fn of(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), orphans: Arc::default() }
    }
}
