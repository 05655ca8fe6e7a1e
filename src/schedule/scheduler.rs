//! The scheduler's handle: start, apply, trigger, pause, stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::TryAcquireError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::thread::spawn_vital;
use crate::base::time::{epoch_nanos, from_epoch_nanos};
use crate::outcome::{OutcomeSink, Tick};
use crate::plan::{CanaryId, Plan};
use crate::run::StallLog;

use super::Runner;
use super::active_plan::ActivePlan;
use super::downtime::{Downtime, LastSeen};
use super::due_queue::EarlyReason;
use super::inbox::{EarlyRequest, Inbox};
use super::launch::{RunPermit, RunPurpose, STRAGGLER_GRACE, run};
use super::pauses::Pauses;
use super::permits::Permits;
use super::punctuality::Punctuality;
use super::state::SchedulerState;
use super::thread::SchedulerThread;
use super::timing::Timing;
use super::watchdog;

/// A running scheduler. Clones are handles to the same one; it stops when it is told to or when the last handle is dropped.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<SchedulerParts>,
}

struct SchedulerParts {
    shared: Arc<SchedulerState>,
    thread: Mutex<Option<JoinHandle<()>>>,
    watchdog: Mutex<Option<tokio::task::JoinHandle<()>>>,
    stop_watchdog: CancellationToken,
}

/// Why a run asked for by hand was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// No such canary.
    #[error("no canary of that id is scheduled here; `serinus status` lists them")]
    Unknown,
    /// It is running and its probe does not want two runs at once.
    #[error("the canary is running; wait for its run to end, or set overlap = \"allow\" in its probe")]
    Running,
    /// Too many runs at once.
    #[error("limits.concurrent_runs other runs are going; try again when one has ended")]
    Overload,
    /// The scheduler is stopping.
    #[error("the service is stopping and starts no more runs")]
    Stopping,
}

/// What had not ended when the scheduler stopped waiting for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stragglers {
    /// Canaries with a run that did not end even when cancelled.
    pub runs: Vec<CanaryId>,
    /// Canaries with a cleanup that did not end within its budget.
    pub cleanups: Vec<CanaryId>,
}

impl Stragglers {
    /// Whether everything ended.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.cleanups.is_empty()
    }
}

impl Scheduler {
    /// Starts the thread that starts runs, and the watchdog, both for the runtime that probes. What was due after
    /// each canary was last seen, as far as that is known, and until now is reported as `missed`/`down` or `missed`/`crashed`.
    ///
    /// # Errors
    /// The operating system gave no thread.
    #[expect(clippy::needless_pass_by_value, reason = "whoever starts a scheduler has no further use for it")]
    pub fn start(
        plan: Arc<Plan>,
        runner: Arc<dyn Runner>,
        sink: Arc<dyn OutcomeSink>,
        stalls: Arc<StallLog>,
        runtime: tokio::runtime::Handle,
        last_seen: HashMap<CanaryId, LastSeen>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(SchedulerState {
            runner,
            sink,
            runtime,
            run_permits: Permits::new(plan.limits.concurrent_runs),
            cleanup_permits: Permits::new(plan.limits.concurrent_runs),
            inbox: Inbox::default(),
            pauses: Pauses::default(),
            punctuality: Punctuality::new(Instant::now()),
            downtime: OnceLock::new(),
            stopping: CancellationToken::new(),
            cancel: CancellationToken::new(),
            runs: TaskTracker::new(),
            cleanups: TaskTracker::new(),
            active_plan: RwLock::new(Arc::new(ActivePlan::new(Arc::clone(&plan)))),
        });
        let starter = SchedulerThread::new(Arc::clone(&shared), Arc::clone(&stalls));
        shared.downtime.get_or_init(|| Downtime::new(&plan.canaries, &last_seen, starter.started()));
        let thread = spawn_vital("scheduler", "the scheduler's thread", move || starter.run())?;
        let stop_watchdog = CancellationToken::new();
        let sink = Arc::clone(&shared.sink);
        let tell = move |stall| sink.stalled(stall);
        let watchdog = shared.runtime.spawn(watchdog::watch(stalls, tell, stop_watchdog.clone()));
        if !last_seen.is_empty() {
            let reporting = Arc::clone(&shared);
            let pass = move || {
                let downtime = reporting.downtime.get().expect("it was set above");
                downtime.report_all(&plan.canaries, &*reporting.sink, &reporting.stopping);
            };
            shared.runs.spawn_blocking_on(pass, &shared.runtime);
        }
        let (thread, watchdog) = (Mutex::new(Some(thread)), Mutex::new(Some(watchdog)));
        Ok(Self { inner: Arc::new(SchedulerParts { shared, thread, watchdog, stop_watchdog }) })
    }

    /// Applies another plan. What is due by now is still started by the old one. A canary that stays keeps its phase and its
    /// runs, and has its new definition from its next tick on. One that is gone has no more ticks; its runs end and are reported.
    /// A new one starts at its phase.
    pub fn apply(&self, plan: Arc<Plan>) {
        let shared = &self.inner.shared;
        let allowed = plan.limits.concurrent_runs;
        let mut current = shared.active_plan.write().unwrap_or_else(PoisonError::into_inner);
        let active_plan = Arc::new(current.next(plan));
        *current = Arc::clone(&active_plan);
        // Sent under the lock, so that of two plans applied at once the same is the last for everybody.
        shared.inbox.apply(active_plan);
        shared.run_permits.resize(allowed, &shared.runs, &shared.runtime);
        shared.cleanup_permits.resize(allowed, &shared.cleanups, &shared.runtime);
    }

    /// What people have paused, and the handle to pause with.
    pub fn pauses(&self) -> &Pauses {
        &self.inner.shared.pauses
    }

    /// Whether ticks are being started on time: the scheduler's thread is awake, and no tick of the last minute was started
    /// later than five seconds after it was due.
    pub fn punctual(&self) -> bool {
        self.inner.shared.punctuality.is_punctual(Instant::now())
    }

    /// Runs a canary now, beside its ticks, also while it is paused or in maintenance. The run counts for nothing; its report
    /// goes to the sink as any other's does.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub fn trigger(&self, id: &CanaryId) -> Result<(), TriggerError> {
        let shared = &self.inner.shared;
        let active_plan = shared.active_plan();
        let (canary, in_flight) = active_plan.index(id).map(|index| active_plan.at(index)).ok_or(TriggerError::Unknown)?;
        let permit = shared.run_permits.try_take().map_err(|error| match error {
            TryAcquireError::Closed => TriggerError::Stopping,
            TryAcquireError::NoPermits => TriggerError::Overload,
        })?;
        let place = in_flight.enter_by_hand(canary.probe.overlap).ok_or(TriggerError::Running)?;
        let tick = Tick { due: SystemTime::now(), slot: 0, order: 0 };
        let task = {
            let (shared, canary, in_flight) = (Arc::clone(shared), Arc::clone(canary), Arc::clone(in_flight));
            async move {
                // Nothing follows from how it ended.
                let _verdict = run(&shared, &canary, &in_flight, RunPurpose::Manual, tick, RunPermit::new(place, permit)).await;
            }
        };
        shared.runs.spawn_on(task, &shared.runtime);
        Ok(())
    }

    /// Whether a run of a canary goes on here, by a tick or by hand.
    pub fn is_running(&self, id: &CanaryId) -> bool {
        let active_plan = self.inner.shared.active_plan();
        active_plan.index(id).is_some_and(|index| active_plan.at(index).1.is_running())
    }

    /// When a canary's next tick is due, paused or not; nothing if it is not in the plan or its cron expression has come to its end.
    pub fn next_tick(&self, id: &CanaryId) -> Option<SystemTime> {
        let active_plan = self.inner.shared.active_plan();
        let (canary, _) = active_plan.at(active_plan.index(id)?);
        Timing::of(canary).after(epoch_nanos(SystemTime::now())).map(|due| from_epoch_nanos(due.at))
    }

    /// Brings the next runs of canaries forward to now, each in place of its next tick: what needs them fails. They count. A
    /// canary that is running, paused or not scheduled here is left as it is. If the early run neither passes nor fails, the tick
    /// is still made. The caller bounds how often this is asked.
    pub fn bring_forward(&self, canaries: impl IntoIterator<Item = CanaryId>) {
        let at = Instant::now();
        self.inner.shared.inbox.early(canaries.into_iter().map(|canary| EarlyRequest { canary, at, why: EarlyReason::Needed }));
    }

    /// Stops: no more ticks, `grace` for the runs that are going, then those are cancelled (`errored`/`shutdown`); cleanups
    /// have their own budget. Returns when everything ended or was given up on. Takes at most `grace`, the cleanup budget
    /// and a few seconds.
    pub async fn stop(self, grace: Duration) -> Stragglers {
        let SchedulerParts { shared, thread, watchdog, stop_watchdog } = &*self.inner;
        shared.stopping.cancel();
        shared.inbox.stop();
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has ended the process, so there is no other result to look at.
            let _joined = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        shared.run_permits.close();
        shared.runs.close();
        if timeout(grace, shared.runs.wait()).await.is_err() {
            shared.cancel.cancel();
            let _ended = timeout(STRAGGLER_GRACE, shared.runs.wait()).await;
        }
        shared.cleanups.close();
        let _ended = timeout(shared.active_plan().plan.limits.cleanup + STRAGGLER_GRACE, shared.cleanups.wait()).await;
        stop_watchdog.cancel();
        let watchdog = watchdog.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = futures::future::OptionFuture::from(watchdog).await {
            tracing::error!(%error, "the watchdog of the runtime had died");
        }
        stragglers(&shared.active_plan())
    }
}

fn stragglers(active_plan: &ActivePlan) -> Stragglers {
    let mut left = Stragglers::default();
    for in_flight in active_plan.in_flight() {
        let (run, cleanup) = in_flight.going();
        if run {
            left.runs.push(in_flight.id().clone());
        }
        if cleanup {
            left.cleanups.push(in_flight.id().clone());
        }
    }
    left
}

impl Drop for SchedulerParts {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.shared.inbox.stop();
        self.stop_watchdog.cancel();
    }
}
