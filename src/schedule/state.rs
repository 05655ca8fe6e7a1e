//! What the scheduler's thread, its tasks and its handle share, and the port through which they have runs made.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::outcome::{OutcomeSink, Reason};
use crate::plan::Canary;
use crate::run::{Engine, Finished, RunRequest};

use super::active_plan::ActivePlan;
use super::downtime::Downtime;
use super::inbox::Inbox;
use super::pauses::{Pause, PauseTarget, Pauses};
use super::permits::Permits;
use super::punctuality::Punctuality;

/// Makes runs. The engine implements it; tests use a fake.
pub trait Runner: Send + Sync + 'static {
    /// Makes one run of a canary. It cannot fail: whatever happens is in the report, and a panic becomes `errored`/`internal`.
    /// When `request.cancel` is cancelled it ends the run as `errored`/`shutdown`.
    fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished>;
}

impl Runner for Engine {
    fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished> {
        Self::run(self, canary, request)
    }
}

/// Handles with verbs, and what they act on.
pub(super) struct SchedulerState {
    pub(super) runner: Arc<dyn Runner>,
    pub(super) sink: Arc<dyn OutcomeSink>,
    pub(super) runtime: tokio::runtime::Handle,
    /// The runs that may go on at once.
    pub(super) run_permits: Permits,
    /// The cleanups that may; as many, but apart from the runs.
    pub(super) cleanup_permits: Permits,
    pub(super) inbox: Inbox,
    pub(super) pauses: Pauses,
    pub(super) punctuality: Punctuality,
    /// Ticks of the time before this process that are not reported yet; set once, before the first launch.
    pub(super) downtime: OnceLock<Downtime>,
    /// Cancelled as soon as the scheduler is to stop.
    pub(super) stopping: CancellationToken,
    /// Cancelled when runs are no longer waited for.
    pub(super) cancel: CancellationToken,
    pub(super) runs: TaskTracker,
    pub(super) cleanups: TaskTracker,
    pub(super) active_plan: RwLock<Arc<ActivePlan>>,
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockReading {
    steady: Instant,
    wall: SystemTime,
}

impl ClockReading {
    /// Now.
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }
}

impl SchedulerState {
    /// What is run now.
    pub(super) fn active_plan(&self) -> Arc<ActivePlan> {
        Arc::clone(&self.active_plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why a run of this canary that has been going since then is to be skipped, if it is: a pause or a window was open at some
    /// time of it.
    pub(super) fn skip(&self, canary: &Canary, since: ClockReading) -> Option<(Reason, String)> {
        if let Some(pause) = self.pauses.over(canary, since.steady, since.wall) {
            return Some((Reason::Paused, pause_message(&pause)));
        }
        let active_plan = self.active_plan();
        let window = active_plan.windows.over(canary, since.wall, since.wall + since.steady.elapsed())?;
        Some((Reason::Maintenance, format!("the maintenance window `{}` was open", window.name)))
    }
}

fn pause_message(pause: &Pause) -> String {
    let what = match &pause.target {
        PauseTarget::Probe(_) => "its probe",
        PauseTarget::Canary(_) => "it",
    };
    let why = pause.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{what} was paused by {}{why}", pause.by)
}
