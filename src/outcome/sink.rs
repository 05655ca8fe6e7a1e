//! The port through which finished runs leave the scheduler.

use std::sync::Arc;

use super::{CleanupReport, RunReport};

/// Takes finished runs. Called on the runtime that probes: it must return at once and never block; what it cannot take it
/// drops and counts.
pub trait OutcomeSink: Send + Sync + 'static {
    /// A run ended, or a tick did not run.
    fn run_finished(&self, report: &Arc<RunReport>);

    /// A run's cleanup ended.
    fn cleanup_finished(&self, report: &Arc<CleanupReport>);
}
