//! Plans, runners and sinks of these tests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use serinus::outcome::{
    Cause, CleanupReport, CleanupResult, MissedTicks, OutcomeSink, Reason, RunId, RunReport, SpanId, TraceId, Verdict,
};
use serinus::plan::{Cadence, Canary, CanaryId, Cell, Limits, Plan, Probe, Region};
use serinus::run::{CleanupTask, Finished, RunRequest, StallLog};
use serinus::schedule::{LastSeen, Runner, Scheduler};
use tokio::sync::mpsc;

/// Longest wait for something that happens within milliseconds on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn probe(name: &str, every: Duration) -> Probe {
    let probe = crate::report::probe(name, vec![Cell::default()]);
    Probe { cadence: Cadence::Every(every), steps: Arc::default(), slo: None, ..probe }
}

pub(crate) fn plan(probes: Vec<Probe>, limits: Limits) -> Arc<Plan> {
    let region = Arc::new(Region { name: "eu".into(), vars: Vec::new() });
    let cell = Arc::new(Cell::default());
    let probes: Vec<Arc<Probe>> = probes.into_iter().map(Arc::new).collect();
    let canaries = probes
        .iter()
        .map(|probe| {
            let id = CanaryId::new(&probe.name, &region.name, &cell);
            Arc::new(Canary { id, probe: Arc::clone(probe), region: Arc::clone(&region), cell: Arc::clone(&cell) })
        })
        .collect();
    Arc::new(Plan {
        known_regions: vec![Arc::clone(&region.name)],
        regions: vec![region],
        maintenance: Vec::new(),
        probes,
        canaries,
        secrets: BTreeMap::new(),
        limits,
    })
}

pub(crate) fn limits() -> Limits {
    Limits { min_interval: Duration::from_millis(1), cleanup: Duration::from_secs(5), ..Limits::default() }
}

pub(crate) fn id(probe: &str) -> CanaryId {
    CanaryId::new(probe, "eu", &Cell::default())
}

pub(crate) fn ended(canary: &Arc<Canary>, request: &RunRequest, reason: Option<Reason>) -> Arc<RunReport> {
    let now = SystemTime::now();
    Arc::new(RunReport {
        run_id: RunId(ulid::Ulid::generate()),
        canary: Arc::clone(canary),
        trigger: request.trigger,
        tick: request.tick,
        started: now,
        lateness: now.duration_since(request.tick.due).unwrap_or_default(),
        duration: Duration::from_millis(1),
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict: reason.map_or(Verdict::Passed, Verdict::of),
        cause: reason.map(|reason| Cause {
            reason,
            message: "as the test says".to_owned(),
            step: None,
            subject: None,
            attempts: 1,
            expectation: None,
            location: None,
            seen: Vec::new(),
        }),
        steps: Vec::new(),
        vars: Vec::new(),
    })
}

pub(crate) fn finished(canary: &Arc<Canary>, request: &RunRequest, reason: Option<Reason>) -> Finished {
    Finished { report: ended(canary, request, reason), cleanup: None }
}

/// A runner made of a closure.
pub(crate) struct Fake<F>(pub(crate) F);

impl<F, R> Runner for Fake<F>
where
    F: Fn(Arc<Canary>, RunRequest) -> R + Send + Sync + 'static,
    R: Future<Output = Finished> + Send + 'static,
{
    fn run(&self, canary: Arc<Canary>, request: RunRequest) -> BoxFuture<'static, Finished> {
        (self.0)(canary, request).boxed()
    }
}

/// Tells the test of everything that ends.
pub(crate) struct Tell {
    runs: mpsc::UnboundedSender<Arc<RunReport>>,
    cleanups: mpsc::UnboundedSender<Arc<CleanupReport>>,
    numbers: mpsc::UnboundedSender<MissedTicks>,
}

impl OutcomeSink for Tell {
    // A test that has heard enough no longer listens.
    fn run_finished(&self, report: &Arc<RunReport>) {
        let _heard = self.runs.send(Arc::clone(report));
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        let _heard = self.cleanups.send(Arc::clone(report));
    }

    fn ticks_missed(&self, missed: &MissedTicks) {
        let _heard = self.numbers.send(missed.clone());
    }
}

pub(crate) struct Service {
    pub(crate) scheduler: Scheduler,
    pub(crate) runs: mpsc::UnboundedReceiver<Arc<RunReport>>,
    pub(crate) cleanups: mpsc::UnboundedReceiver<Arc<CleanupReport>>,
    pub(crate) numbers: mpsc::UnboundedReceiver<MissedTicks>,
}

impl Service {
    pub(crate) fn start(plan: Arc<Plan>, runner: impl Runner) -> Self {
        Self::start_after(plan, runner, HashMap::new())
    }

    /// Of a process that was down since these ticks.
    pub(crate) fn start_after(plan: Arc<Plan>, runner: impl Runner, last_seen: HashMap<CanaryId, LastSeen>) -> Self {
        let (run, runs) = mpsc::unbounded_channel();
        let (cleanup, cleanups) = mpsc::unbounded_channel();
        let (number, numbers) = mpsc::unbounded_channel();
        let sink = Arc::new(Tell { runs: run, cleanups: cleanup, numbers: number });
        let runtime = tokio::runtime::Handle::current();
        let scheduler =
            Scheduler::start(plan, Arc::new(runner), sink, Arc::new(StallLog::default()), runtime, last_seen).expect("a thread");
        Self { scheduler, runs, cleanups, numbers }
    }

    pub(crate) async fn next(&mut self) -> Arc<RunReport> {
        tokio::time::timeout(SOON, self.runs.recv()).await.expect("something ends soon").expect("the scheduler lives")
    }

    /// The first report that `wanted` accepts; those before it are passed over.
    pub(crate) async fn find(&mut self, wanted: impl Fn(&RunReport) -> bool) -> Arc<RunReport> {
        self.find_after(wanted).await.1
    }

    /// The first report that `wanted` accepts, and the one before it.
    pub(crate) async fn find_after(&mut self, wanted: impl Fn(&RunReport) -> bool) -> (Option<Arc<RunReport>>, Arc<RunReport>) {
        let search = async {
            let mut before = None;
            loop {
                let report = self.next().await;
                if wanted(&report) {
                    return (before, report);
                }
                before = Some(report);
            }
        };
        tokio::time::timeout(SOON, search).await.expect("what the test looks for comes soon")
    }

    pub(crate) async fn next_cleanup(&mut self) -> Arc<CleanupReport> {
        tokio::time::timeout(SOON, self.cleanups.recv()).await.expect("a cleanup ends soon").expect("the scheduler lives")
    }
}

pub(crate) fn reason(report: &RunReport) -> Option<Reason> {
    report.cause.as_ref().map(|cause| cause.reason)
}

/// Every tick of a canary has one report, and between the first and the last none is missing.
pub(crate) fn assert_whole(dues: &mut [SystemTime], every: Duration) {
    dues.sort_unstable();
    for pair in dues.windows(2) {
        assert_eq!(pair[1].duration_since(pair[0]).expect("sorted"), every, "a tick was lost or doubled");
    }
}

/// A passed run whose cleanup ends when `task` does.
pub(crate) fn cleaning(canary: &Arc<Canary>, request: &RunRequest, task: impl Future<Output = ()> + Send + 'static) -> Finished {
    let report = ended(canary, request, None);
    let run = Arc::clone(&report);
    let cleanup: CleanupTask = async move {
        task.await;
        let (started, duration) = (Duration::ZERO, Duration::ZERO);
        Arc::new(CleanupReport { run, started, duration, steps: Vec::new(), result: CleanupResult::Clean })
    }
    .boxed();
    Finished { report, cleanup: Some(cleanup) }
}
