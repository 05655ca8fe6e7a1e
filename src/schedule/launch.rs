//! Carries one tick out on the runtime: permit, run, report, cleanup.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::base::time::from_epoch_nanos;
use crate::outcome::{CleanupReport, CleanupResult, Reason, RunReport, Tick, Trigger, Verdict};
use crate::plan::Canary;
use crate::run::{CleanupTask, Detail, RunRequest};

use super::due_queue::{EarlyReason, Gap, StartKind};
use super::in_flight::{InFlight, InFlightGuard};
use super::inbox::EarlyRequest;
use super::missed::{GapCause, cause, report, report_gap, skipped, tick};
use super::state::{ClockReading, SchedulerState};
use super::timing::Due;

/// The longest a tick waits for a permit: a run that is later says little about the moment it was meant for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long work that was told to end may take to say so.
pub(super) const STRAGGLER_GRACE: Duration = Duration::from_secs(2);

/// A tick on its way from the scheduler's thread to the runtime.
pub(super) struct Launch {
    pub(super) canary: Arc<Canary>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) due: Due,
    /// Its place among all launches of this process.
    pub(super) order: u64,
    /// How late the scheduler's thread was, and when it let go.
    pub(super) late: Duration,
    pub(super) launched: Instant,
    pub(super) kind: StartKind,
    pub(super) gap: Option<Gap>,
    pub(super) admission: Admission,
}

/// Whether a tick may run.
pub(super) enum Admission {
    /// At once.
    Run(RunPermit),
    /// When another run ends, until this moment.
    Wait(Instant),
    /// No: the slot's earlier run goes on.
    Overlap,
    /// No: an early run replaces it.
    Replaced,
}

/// The right to run: a place in the canary's slot and one of the runs allowed at once. Dropping it gives both back.
pub(super) struct RunPermit {
    _place: InFlightGuard,
    _permit: OwnedSemaphorePermit,
}

impl RunPermit {
    /// A place in the slot and a permit.
    pub(super) fn new(place: InFlightGuard, permit: OwnedSemaphorePermit) -> Self {
        Self { _place: place, _permit: permit }
    }
}

/// Why a tick is not run.
type Refusal = (Reason, Cow<'static, str>);

impl Launch {
    /// Reports what was missed before the tick, then runs it or reports why not.
    pub(super) async fn carry_out(self, shared: Arc<SchedulerState>) {
        let Self { canary, in_flight, due, order, late, launched, kind, gap, admission } = self;
        if let Some(downtime) = shared.downtime.get() {
            downtime.report(&canary, &*shared.sink);
        }
        if let Some(gap) = gap {
            let ticks = report_gap(&canary, gap, &[], GapCause::SLEPT, &*shared.sink);
            tracing::warn!(canary = %canary.id, ticks, "ticks were missed: the machine slept or the process stood still");
        }
        let tick = tick(due, order);
        let permit = admit(&shared, &canary, &in_flight, due, admission).await;
        shared.punctuality.started(Instant::now(), late + launched.elapsed());
        let permit = match permit {
            Ok(Some(permit)) => permit,
            Ok(None) => return,
            Err((reason, message)) => {
                match kind {
                    StartKind::Tick => {
                        shared.sink.run_finished(&report(&canary, kind.trigger(), tick, reason, message.into_owned()));
                    }
                    // An early run that is not made leaves the tick to come.
                    StartKind::Early { .. } => drop(in_flight.early_ended(due.slot, false)),
                }
                return;
            }
        };
        let verdict = run(&shared, &canary, &in_flight, RunPurpose::Tick(kind), tick, permit).await;
        // One second opinion for each failure on time: a confirming run that fails as well asks for none, or an outage would use up
        // the ticks of hours to come within minutes.
        if let (Verdict::Failed, StartKind::Tick, Some(after)) = (verdict, kind, canary.probe.confirm) {
            shared.inbox.early([EarlyRequest {
                canary: canary.id.clone(),
                at: Instant::now() + after,
                why: EarlyReason::Confirm,
            }]);
        }
    }
}

/// The permit to run, or why there is none; `None` if an early run replaces the tick. A tick that is to be skipped does not wait
/// for a permit.
async fn admit(
    shared: &SchedulerState,
    canary: &Canary,
    in_flight: &Arc<InFlight>,
    due: Due,
    admission: Admission,
) -> Result<Option<RunPermit>, Refusal> {
    if let Admission::Replaced = admission {
        return Ok(None);
    }
    if let Some((reason, message)) = shared.skip(canary, ClockReading::now()) {
        in_flight.give_up(due.slot, due.at);
        return Err((reason, message.into()));
    }
    match admission {
        Admission::Replaced => Ok(None),
        Admission::Run(permit) => Ok(Some(permit)),
        Admission::Overlap => Err((Reason::Overlap, "the slot's earlier run was still going at this tick".into())),
        Admission::Wait(until) => {
            let permit =
                wait(shared, canary, in_flight, due, until).await.map_err(|message| (Reason::Overload, message.into()))?;
            match shared.skip(canary, ClockReading::now()) {
                Some((reason, message)) => Err((reason, message.into())),
                None => Ok(Some(permit)),
            }
        }
    }
}

/// What a run is made for.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunPurpose {
    /// The grid.
    Tick(StartKind),
    /// Somebody who asked.
    Manual,
}

/// Makes one run and hands its report on. The permit is given back when the report is made: cleanup does not hold it.
pub(super) async fn run(
    shared: &Arc<SchedulerState>,
    canary: &Arc<Canary>,
    in_flight: &Arc<InFlight>,
    purpose: RunPurpose,
    tick: Tick,
    permit: RunPermit,
) -> Verdict {
    let trigger = match purpose {
        RunPurpose::Tick(kind) => kind.trigger(),
        RunPurpose::Manual => Trigger::Manual,
    };
    let began = ClockReading::now();
    let request = RunRequest { trigger, tick, detail: Detail::Failures, cancel: shared.cancel.clone() };
    let making = AssertUnwindSafe(async { shared.runner.run(Arc::clone(canary), request).await });
    let (mut report, cleanup) = match making.catch_unwind().await {
        Ok(finished) => (finished.report, finished.cleanup),
        Err(_panic) => (panicked(canary, trigger, tick), None),
    };
    match trigger {
        Trigger::Schedule | Trigger::Confirm | Trigger::Needed => {
            if let Some((reason, message)) = shared.skip(canary, began) {
                report = skipped(&report, reason, &message);
            }
        }
        // Such runs never count.
        Trigger::Manual | Trigger::Test => {}
    }
    if let RunPurpose::Tick(StartKind::Early { why, replaces }) = purpose
        && in_flight.early_ended(tick.slot, why.replaces_tick(report.verdict))
    {
        let tick = Tick { due: from_epoch_nanos(replaces), ..report.tick };
        report = Arc::new(RunReport { tick, ..Arc::unwrap_or_clone(report) });
    }
    if let Some(task) = cleanup {
        let place = in_flight.enter_cleanup();
        let cleanup = clean_up(Arc::clone(shared), Arc::clone(&report), task, place);
        shared.cleanups.spawn_on(cleanup, &shared.runtime);
    }
    drop(permit);
    shared.sink.run_finished(&report);
    report.verdict
}

async fn wait(
    shared: &SchedulerState,
    canary: &Canary,
    in_flight: &Arc<InFlight>,
    due: Due,
    until: Instant,
) -> Result<RunPermit, &'static str> {
    let Ok(permit) = tokio::time::timeout_at(until.into(), shared.run_permits.take()).await else {
        in_flight.give_up(due.slot, due.at);
        return Err("limits.concurrent_runs other runs were going and none ended in time for this tick");
    };
    let Some(permit) = permit else {
        in_flight.give_up(due.slot, due.at);
        return Err("limits.concurrent_runs other runs were going until the service was stopped");
    };
    let place = in_flight
        .enter_after_wait(due.slot, due.at, canary.probe.overlap)
        .ok_or("limits.concurrent_runs other runs were going until the slot's next tick came")?;
    Ok(RunPermit::new(place, permit))
}

/// The panic's own text may hold a secret, so it stays with the panic hook and is not repeated here.
fn panicked(canary: &Arc<Canary>, trigger: Trigger, tick: Tick) -> Arc<RunReport> {
    tracing::error!(canary = %canary.id, "a run panicked; this is a defect of the prober");
    let message = "the run panicked, which is a defect of the prober; its log says where".to_owned();
    report(canary, trigger, tick, Reason::Internal, message)
}

/// At most as many cleanups as runs go on at once. Waiting counts against a cleanup's budget. A cleanup that cannot begin or end
/// within its budget has leaked.
async fn clean_up(shared: Arc<SchedulerState>, run: Arc<RunReport>, task: CleanupTask, place: InFlightGuard) {
    let begun = Instant::now();
    let budget = shared.active_plan().plan.limits.cleanup;
    let permit = tokio::time::timeout(budget, shared.cleanup_permits.take()).await;
    let result = match permit {
        Err(_elapsed) => Err((Reason::Overload, format!("other cleanups left it no turn within its budget of {budget:?}"))),
        Ok(permit) => {
            // The cleanup bounds itself from its own begin; the time it waited is taken off here.
            let cut = begun + budget + STRAGGLER_GRACE / 2;
            let ended = tokio::time::timeout_at(cut.into(), AssertUnwindSafe(task).catch_unwind()).await;
            drop(permit);
            match ended {
                Ok(Ok(report)) => Ok(report),
                Ok(Err(_panic)) => {
                    tracing::error!(canary = %run.canary.id, run = %run.run_id, "a cleanup panicked; this is a defect of the prober");
                    Err((
                        Reason::Internal,
                        "the cleanup panicked, which is a defect of the prober; its log says where".to_owned(),
                    ))
                }
                Err(_elapsed) => {
                    Err((Reason::Overload, format!("other cleanups left it too little of its budget of {budget:?}")))
                }
            }
        }
    };
    let report = match result {
        // A run that became `skipped` is so for its cleanup too.
        Ok(report) => Arc::new(CleanupReport { run, ..Arc::unwrap_or_clone(report) }),
        Err((reason, message)) => Arc::new(CleanupReport {
            started: run.duration,
            duration: begun.elapsed(),
            steps: Vec::new(),
            result: CleanupResult::Leaked(vec![cause(reason, message)]),
            run,
        }),
    };
    drop(place);
    shared.sink.cleanup_finished(&report);
}
