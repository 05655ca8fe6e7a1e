//! The exec step kind: a program of the prober's machine, run to its end.
//!
//! `command` fills in what is run and finds it, `program` starts it in a process group of its own and sees to its end, `output`
//! feeds and reads it, `progress` holds how far it has come, `answer` answers look-ups of expressions, `transcript` makes a
//! report's text of it, `task` is how the run sees all of it. Nothing here judges an answer or decides about another attempt.
//!
//! **What ends how.** A program that ended is reaped by whoever waited for it, and what is left of its group is killed first,
//! while the ended leader still holds the group's number. A program that is cut (a bound, too much output, a dropped future) gets
//! SIGTERM, [`program::GRACE`] and SIGKILL from a thread that also reaps it, so that nothing else waits for that. Orphans that a
//! program leaves outside of its group become children of this process only if it is PID 1; `orphans` reaps them. If this process
//! is itself killed, `guard`, another process, notices that and kills the programs. `children` tells all of these which children
//! are whose.

mod answer;
mod children;
mod command;
mod guard;
mod orphans;
mod output;
mod program;
mod progress;
mod task;
mod transcript;

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

pub use guard::{guard_programs, run_guard};
pub(super) use task::ExecTask;

/// Programs that run at once. The permit of a run is no bound on them: a run may start dozens side by side, and each costs memory and
/// six open files.
const PERMITS: usize = 64;

/// What the process keeps for all programs: permits to run, and the task that reaps orphans where that is needed. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::run) struct ExecPool {
    permits: Arc<Semaphore>,
    orphans: Arc<OnceLock<Option<AbortOnDropHandle<()>>>>,
}

impl Default for ExecPool {
    fn default() -> Self {
        Self::of(PERMITS)
    }
}

impl ExecPool {
    /// A pool of so many permits.
    fn of(permits: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), orphans: Arc::default() }
    }
}
