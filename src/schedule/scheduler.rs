//! The scheduler's handle: start, trigger, stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::outcome::{OutcomeSink, Tick, Trigger};
use crate::plan::{CanaryId, Plan};
use crate::run::StallLog;

use super::Runner;
use super::inbox::Inbox;
use super::lane::Lane;
use super::launch::{Shared, Turn, run};
use super::thread::Starter;
use super::watchdog;

/// How long a cancelled run may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running scheduler. Clones are handles to the same one; it stops when it is told to or when the last handle is dropped.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    lanes: Arc<[Arc<Lane>]>,
    /// The lanes by their canary's identity, which outlives a plan.
    by_id: HashMap<CanaryId, u32>,
    plan: Arc<Plan>,
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
    /// Starts the thread that starts runs, and the watchdog, both for the runtime that probes.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn start(
        plan: Arc<Plan>,
        runner: Arc<dyn Runner>,
        sink: Arc<dyn OutcomeSink>,
        stalls: Arc<StallLog>,
        runtime: tokio::runtime::Handle,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            runner,
            sink,
            turns: Arc::new(Semaphore::new(plan.limits.concurrent_runs.clamp(1, Semaphore::MAX_PERMITS))),
            inbox: Inbox::default(),
            cancel: CancellationToken::new(),
            runs: TaskTracker::new(),
            cleanups: TaskTracker::new(),
            runtime,
        });
        let lanes: Arc<[Arc<Lane>]> = plan.canaries.iter().map(|canary| Arc::new(Lane::new(Arc::clone(canary)))).collect();
        let by_id = lanes.iter().zip(0_u32..).map(|(lane, index)| (lane.id().clone(), index)).collect();
        let starter = Starter::new(Arc::clone(&shared), Arc::clone(&lanes), Arc::clone(&stalls));
        let thread = std::thread::Builder::new().name("scheduler".to_owned()).spawn(move || starter.run())?;
        let stop_watchdog = CancellationToken::new();
        let watchdog = shared.runtime.spawn(watchdog::watch(stalls, Arc::clone(&shared.sink), stop_watchdog.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                lanes,
                by_id,
                plan,
                thread: Mutex::new(Some(thread)),
                watchdog: Mutex::new(Some(watchdog)),
                stop_watchdog,
            }),
        })
    }

    /// Runs a canary now, beside its ticks. The run counts for nothing; its report goes to the sink as any other's does.
    ///
    /// # Errors
    /// See [`TriggerError`].
    pub fn trigger(&self, id: &CanaryId) -> Result<(), TriggerError> {
        let Inner { shared, lanes, by_id, .. } = &*self.inner;
        let lane = by_id.get(id).map(|&index| Arc::clone(&lanes[index as usize])).ok_or(TriggerError::Unknown)?;
        let permit = Arc::clone(&shared.turns).try_acquire_owned().map_err(|error| match error {
            TryAcquireError::Closed => TriggerError::Stopping,
            TryAcquireError::NoPermits => TriggerError::Overload,
        })?;
        let place = lane.enter_by_hand().ok_or(TriggerError::Running)?;
        let tick = Tick { due: SystemTime::now(), slot: 0, order: 0 };
        let shared = Arc::clone(shared);
        let task = {
            let shared = Arc::clone(&shared);
            async move {
                // Nothing follows from how it ended.
                let _verdict = run(&shared, &lane, Trigger::Manual, tick, Turn::new(place, permit)).await;
            }
        };
        shared.runs.spawn_on(task, &shared.runtime);
        Ok(())
    }

    /// Stops: no more ticks, `grace` for the runs that are going, then those are cancelled (`errored`/`shutdown`); cleanups
    /// have their own budget. Returns when everything ended or was given up on. Takes at most `grace`, the cleanup budget
    /// and a few seconds.
    pub async fn stop(self, grace: Duration) -> Stragglers {
        let Inner { shared, lanes, plan, thread, watchdog, stop_watchdog, .. } = &*self.inner;
        shared.inbox.stop();
        let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread has ended the process, so there is no other result to look at.
            let _joined = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        shared.turns.close();
        shared.runs.close();
        if timeout(grace, shared.runs.wait()).await.is_err() {
            shared.cancel.cancel();
            let _ended = timeout(LAST_WORDS, shared.runs.wait()).await;
        }
        shared.cleanups.close();
        let _ended = timeout(plan.limits.cleanup + LAST_WORDS, shared.cleanups.wait()).await;
        stop_watchdog.cancel();
        let watchdog = watchdog.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = futures::future::OptionFuture::from(watchdog).await {
            tracing::error!(%error, "the watchdog of the runtime had died");
        }
        stragglers(lanes)
    }
}

fn stragglers(lanes: &[Arc<Lane>]) -> Stragglers {
    let mut left = Stragglers::default();
    for lane in lanes {
        let (run, cleanup) = lane.going();
        if run {
            left.runs.push(lane.id().clone());
        }
        if cleanup {
            left.cleanups.push(lane.id().clone());
        }
    }
    left
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.inbox.stop();
        self.stop_watchdog.cancel();
    }
}
