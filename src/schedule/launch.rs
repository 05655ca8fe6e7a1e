//! One tick carried out on the runtime: its turn, its run, its report, its cleanup.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::outcome::{CleanupReport, CleanupResult, OutcomeSink, Reason, RunReport, Tick, Trigger, Verdict};
use crate::run::{CleanupTask, Detail, RunRequest};

use super::Runner;
use super::agenda::Gap;
use super::inbox::{Confirm, Inbox};
use super::lane::{Lane, Place};
use super::missed::{cause, report, report_gap, tick};
use super::timing::Due;

/// The longest a tick waits for its turn: a run that is later says little about the moment it was meant for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What the scheduler's thread, its tasks and its handle share.
pub(super) struct Shared {
    pub(super) runner: Arc<dyn Runner>,
    pub(super) sink: Arc<dyn OutcomeSink>,
    pub(super) runtime: tokio::runtime::Handle,
    /// One permit for each run that may go on at once.
    pub(super) turns: Arc<Semaphore>,
    pub(super) inbox: Inbox,
    /// Cancelled when runs are no longer waited for.
    pub(super) cancel: CancellationToken,
    pub(super) runs: TaskTracker,
    pub(super) cleanups: TaskTracker,
}

/// A tick on its way from the scheduler's thread to the runtime.
pub(super) struct Launch {
    pub(super) lane: Arc<Lane>,
    pub(super) index: u32,
    pub(super) due: Due,
    pub(super) trigger: Trigger,
    pub(super) gap: Option<Gap>,
    pub(super) entry: Entry,
}

/// Whether a tick may run.
pub(super) enum Entry {
    /// At once.
    Run(Turn),
    /// When another run ends, until this moment.
    Wait(Instant),
    /// No: the slot's earlier run goes on.
    Overlap,
}

/// The right to run: a place in the canary's slot and one of the runs allowed at once. Dropping it gives both back.
pub(super) struct Turn {
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// A place and a permit make a turn.
    pub(super) fn new(place: Place, permit: OwnedSemaphorePermit) -> Self {
        Self { _place: place, _permit: permit }
    }
}

impl Launch {
    /// Reports what was missed before the tick, then runs it or reports why not.
    pub(super) async fn carry_out(self, shared: Arc<Shared>) {
        let Self { lane, index, due, trigger, gap, entry } = self;
        if let Some(gap) = gap {
            report_gap(&lane.canary, gap, &*shared.sink);
        }
        let turn = match entry {
            Entry::Run(turn) => Ok(turn),
            Entry::Wait(until) => wait(&shared, &lane, due, until).await,
            Entry::Overlap => Err((Reason::Overlap, "the slot's earlier run was still going at this tick")),
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err((reason, message)) => {
                shared.sink.run_finished(&report(&lane.canary, trigger, tick(due), reason, message.to_owned()));
                return;
            }
        };
        let verdict = run(&shared, &lane, trigger, tick(due), turn).await;
        // One second opinion for each failure on time: a confirming run that fails as well brings nothing forward, or an outage
        // would use up the ticks of hours to come within minutes.
        if let (Verdict::Failed, Trigger::Schedule, Some(after)) = (verdict, trigger, lane.canary.probe.confirm) {
            shared.inbox.confirm(Confirm { index, at: Instant::now() + after });
        }
    }
}

/// Makes one run and hands its report on. The turn is over when the report is made: cleanup does not hold it.
pub(super) async fn run(shared: &Arc<Shared>, lane: &Arc<Lane>, trigger: Trigger, tick: Tick, turn: Turn) -> Verdict {
    let request = RunRequest { trigger, tick, detail: Detail::Failures, cancel: shared.cancel.clone() };
    let canary = Arc::clone(&lane.canary);
    let attempt = AssertUnwindSafe(async { shared.runner.run(canary, request).await }).catch_unwind().await;
    let (report, cleanup) = match attempt {
        Ok(finished) => (finished.report, finished.cleanup),
        Err(_panic) => (panicked(lane, trigger, tick), None),
    };
    if let Some(task) = cleanup {
        let place = lane.enter_cleanup();
        let cleanup = clean_up(Arc::clone(shared), Arc::clone(&report), task, place);
        shared.cleanups.spawn_on(cleanup, &shared.runtime);
    }
    drop(turn);
    shared.sink.run_finished(&report);
    report.verdict
}

async fn wait(shared: &Shared, lane: &Arc<Lane>, due: Due, until: Instant) -> Result<Turn, (Reason, &'static str)> {
    let permit = tokio::time::timeout_at(until.into(), Arc::clone(&shared.turns).acquire_owned()).await;
    let Ok(permit) = permit else {
        lane.give_up(due.slot, due.at);
        return Err((Reason::Overload, "limits.concurrent_runs other runs were going and none ended in time for this tick"));
    };
    let Ok(permit) = permit else {
        lane.give_up(due.slot, due.at);
        return Err((Reason::Overload, "limits.concurrent_runs other runs were going until the service was stopped"));
    };
    let place = lane
        .enter_after_wait(due.slot, due.at)
        .ok_or((Reason::Overload, "limits.concurrent_runs other runs were going until the slot's next tick came"))?;
    Ok(Turn::new(place, permit))
}

/// The panic's own text may hold a secret, so it stays with the panic hook and is not repeated here.
fn panicked(lane: &Lane, trigger: Trigger, tick: Tick) -> Arc<RunReport> {
    tracing::error!(canary = %lane.id(), "a run panicked; this is a defect of the prober");
    let message = "the run panicked, which is a defect of the prober; its log says where".to_owned();
    report(&lane.canary, trigger, tick, Reason::Internal, message)
}

async fn clean_up(shared: Arc<Shared>, run: Arc<RunReport>, task: CleanupTask, place: Place) {
    let begun = Instant::now();
    let report = AssertUnwindSafe(task).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!(canary = %run.canary.id, run = %run.run_id, "a cleanup panicked; this is a defect of the prober");
        let message = "the cleanup panicked, which is a defect of the prober; its log says where".to_owned();
        Arc::new(CleanupReport {
            started: run.duration,
            duration: begun.elapsed(),
            steps: Vec::new(),
            result: CleanupResult::Leaked(vec![cause(Reason::Internal, message)]),
            run,
        })
    });
    drop(place);
    shared.sink.cleanup_finished(&report);
}
