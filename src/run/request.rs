//! What is asked of a run and what comes back.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::outcome::{CleanupReport, RunReport, Tick, Trigger};

/// How much of each exchange a report keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Request and answer of failed attempts, sides of failed expectations.
    #[default]
    Failures,
    /// Everything, for a person who watches one run.
    Everything,
}

/// One run to be made.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Why.
    pub trigger: Trigger,
    /// When it was due.
    pub tick: Tick,
    /// What to keep.
    pub detail: Detail,
    /// Cancelled when the process stops waiting: the run ends `errored`/`shutdown`.
    pub cancel: CancellationToken,
}

/// The cleanup of a finished run, to be driven to its end by whoever made the run. It bounds itself by its own budget.
pub type CleanupTask = BoxFuture<'static, Arc<CleanupReport>>;

/// A run that has its verdict.
pub struct Finished {
    /// What happened.
    pub report: Arc<RunReport>,
    /// What is left to undo; absent if the run created nothing.
    pub cleanup: Option<CleanupTask>,
}
