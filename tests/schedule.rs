//! The scheduler's thread against a real runtime and a runner that does what each test says. Short real intervals; every wait
//! ends with an event, and no assertion is about how fast this machine is.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use serinus::outcome::{
    Cause, CleanupReport, CleanupResult, OutcomeSink, Reason, RunId, RunReport, SpanId, TraceId, Trigger, Verdict,
};
use serinus::plan::{Cadence, Canary, CanaryId, Cell, Limits, Overlap, Plan, Probe, Region};
use serinus::run::{CleanupTask, Finished, RunRequest, StallLog};
use serinus::schedule::{Runner, Scheduler, TriggerError};
use serinus::source::Location;
use tokio::sync::{Notify, mpsc};

/// Longest wait for something that happens within milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(30);

fn probe(name: &str, every: Duration) -> Probe {
    Probe {
        name: name.into(),
        summary: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence: Cadence::Every(every),
        runs: 1,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(20),
        cells: vec![Arc::new(Cell::default())],
        vars: Vec::new(),
        devices: BTreeMap::new(),
        steps: Vec::new(),
        slo: None,
        alert: serinus::plan::AlertPolicy::default(),
        needs: Vec::new(),
        maintenance: Vec::new(),
        location: Location { path: std::path::Path::new("probe.toml").into(), line: 1, column: 1 },
    }
}

fn plan(probes: Vec<Probe>, limits: Limits) -> Arc<Plan> {
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

fn limits() -> Limits {
    Limits { min_interval: Duration::from_millis(1), cleanup: Duration::from_secs(5), ..Limits::default() }
}

fn id(probe: &str) -> CanaryId {
    CanaryId::new(probe, "eu", &Cell::default())
}

fn ended(canary: &Arc<Canary>, request: &RunRequest, reason: Option<Reason>) -> Arc<RunReport> {
    let now = SystemTime::now();
    Arc::new(RunReport {
        run_id: RunId(ulid::Ulid::generate()),
        canary: Arc::clone(canary),
        trigger: request.trigger,
        tick: request.tick,
        started: now,
        lateness: now.duration_since(request.tick.due).unwrap_or_default(),
        duration: Duration::from_millis(1),
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

fn finished(canary: &Arc<Canary>, request: &RunRequest, reason: Option<Reason>) -> Finished {
    Finished { report: ended(canary, request, reason), cleanup: None }
}

/// A runner made of a closure.
struct Fake<F>(F);

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
struct Tell {
    runs: mpsc::UnboundedSender<Arc<RunReport>>,
    cleanups: mpsc::UnboundedSender<Arc<CleanupReport>>,
}

impl OutcomeSink for Tell {
    // A test that has heard enough no longer listens.
    fn run_finished(&self, report: &Arc<RunReport>) {
        let _heard = self.runs.send(Arc::clone(report));
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        let _heard = self.cleanups.send(Arc::clone(report));
    }
}

struct Service {
    scheduler: Scheduler,
    runs: mpsc::UnboundedReceiver<Arc<RunReport>>,
    cleanups: mpsc::UnboundedReceiver<Arc<CleanupReport>>,
}

impl Service {
    fn start(plan: Arc<Plan>, runner: impl Runner) -> Self {
        let (run, runs) = mpsc::unbounded_channel();
        let (cleanup, cleanups) = mpsc::unbounded_channel();
        let sink = Arc::new(Tell { runs: run, cleanups: cleanup });
        let runtime = tokio::runtime::Handle::current();
        let scheduler = Scheduler::start(plan, Arc::new(runner), sink, Arc::new(StallLog::default()), runtime, HashMap::new())
            .expect("a thread");
        Self { scheduler, runs, cleanups }
    }

    async fn next(&mut self) -> Arc<RunReport> {
        tokio::time::timeout(SOON, self.runs.recv()).await.expect("something ends soon").expect("the scheduler lives")
    }

    /// The first report that `wanted` accepts; those before it are passed over.
    async fn find(&mut self, wanted: impl Fn(&RunReport) -> bool) -> Arc<RunReport> {
        self.find_after(wanted).await.1
    }

    /// The first report that `wanted` accepts, and the one before it.
    async fn find_after(&mut self, wanted: impl Fn(&RunReport) -> bool) -> (Option<Arc<RunReport>>, Arc<RunReport>) {
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

    async fn next_cleanup(&mut self) -> Arc<CleanupReport> {
        tokio::time::timeout(SOON, self.cleanups.recv()).await.expect("a cleanup ends soon").expect("the scheduler lives")
    }
}

fn reason(report: &RunReport) -> Option<Reason> {
    report.cause.as_ref().map(|cause| cause.reason)
}

/// Every tick of a canary has one report, and between the first and the last none is missing.
fn assert_whole(dues: &mut [SystemTime], every: Duration) {
    dues.sort_unstable();
    for pair in dues.windows(2) {
        assert_eq!(pair[1].duration_since(pair[0]).expect("sorted"), every, "a tick was lost or doubled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_tick_is_a_run_or_a_missed_one_and_none_is_doubled() {
    let every = Duration::from_millis(100);
    let probes = (0..200).map(|number| probe(&format!("soak-{number}"), every)).collect();
    let begun = SystemTime::now();
    let mut service = Service::start(
        plan(probes, limits()),
        // Every eighth run is too slow for its interval, so that overlaps are among what is accounted for.
        Fake(async |canary: Arc<Canary>, request: RunRequest| {
            if fastrand::u8(..8) == 0 {
                tokio::time::sleep(Duration::from_millis(130)).await;
            }
            finished(&canary, &request, None)
        }),
    );
    let started = SystemTime::now();
    let mut dues: HashMap<CanaryId, Vec<SystemTime>> = HashMap::new();
    let (mut ran, mut missed) = (0, 0);
    let mut note = |report: &RunReport| {
        match report.verdict {
            Verdict::Missed => missed += 1,
            _ => ran += 1,
        }
        dues.entry(report.canary.id.clone()).or_default().push(report.tick.due);
    };
    let until = begun + Duration::from_secs(3);
    while SystemTime::now() < until {
        note(&*service.next().await);
    }
    assert!(service.scheduler.stop(SOON).await.is_empty());
    while let Ok(report) = service.runs.try_recv() {
        note(&report);
    }
    assert_eq!(dues.len(), 200);
    for dues in dues.values_mut() {
        assert_whole(dues, every);
        assert!(dues[0] > begun && dues[0] <= started + every, "the first tick is not left out");
    }
    // The thread takes all that is due at once, so at its last look nobody's last tick was older than an interval.
    let last = |dues: &Vec<SystemTime>| *dues.last().expect("not empty");
    let newest = dues.values().map(last).max().expect("not empty");
    assert!(dues.values().all(|dues| last(dues) + every > newest), "nor is the last");
    assert!(ran > 0 && missed > 0, "{ran} ran, {missed} missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_whose_slot_is_still_running_is_missed_as_an_overlap() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let mut service = Service::start(
        plan(vec![probe("slow", Duration::from_millis(50))], limits()),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, None)
            }
        }),
    );
    for _ in 0..3 {
        let missed = service.next().await;
        assert_eq!((missed.verdict, reason(&missed)), (Verdict::Missed, Some(Reason::Overlap)));
        assert!(missed.steps.is_empty());
    }
    go_on.notify_one();
    service.find(|report| report.verdict == Verdict::Passed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_overlap_is_allowed_both_run() {
    let together = Arc::new(tokio::sync::Barrier::new(2));
    let mut twice = probe("twice", Duration::from_millis(50));
    twice.overlap = Overlap::Allow;
    let mut service = Service::start(
        plan(vec![twice], limits()),
        Fake(move |canary, request| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
                finished(&canary, &request, None)
            }
        }),
    );
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let (one, two) = (service.find(passed).await, service.find(passed).await);
    assert_ne!(one.tick, two.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_one_probe_run_beside_each_other() {
    let together = Arc::new(tokio::sync::Barrier::new(3));
    let mut three = probe("three", Duration::from_millis(300));
    three.runs = 3;
    let mut service = Service::start(
        plan(vec![three], limits()),
        Fake(move |canary, request| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
                finished(&canary, &request, None)
            }
        }),
    );
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let mut slots = [service.find(passed).await, service.find(passed).await, service.find(passed).await].map(|run| run.tick.slot);
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_panics_is_errored_and_its_slot_is_free_again() {
    let mut service = Service::start(
        plan(vec![probe("panics", Duration::from_millis(50))], limits()),
        Fake(async |_canary: Arc<Canary>, _request: RunRequest| panic!("on purpose: s3cret")),
    );
    let wanted = |report: &RunReport| report.verdict == Verdict::Errored;
    let first = service.find(wanted).await;
    assert_eq!(reason(&first), Some(Reason::Internal));
    assert!(!format!("{:?}", first.cause).contains("s3cret"), "a panic's text may hold a secret");
    let second = service.find(wanted).await;
    assert!(second.tick > first.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_brings_the_next_run_forward_once_and_the_grid_stays() {
    let every = Duration::from_millis(700);
    let mut confirming = probe("confirming", every);
    confirming.confirm = Some(Duration::from_millis(5));
    let mut service = Service::start(
        plan(vec![confirming], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, Some(Reason::Expectation))),
    );
    // A machine that stands still for a whole interval makes no second opinion necessary, so look for the first there is.
    let (before, confirm) = service.find_after(|report| report.trigger == Trigger::Confirm).await;
    let before = before.expect("a failure comes before its confirmation");
    assert_eq!(before.trigger, Trigger::Schedule);
    assert_eq!(confirm.tick.due, before.tick.due + every, "it takes the place of the next tick");
    assert!(confirm.started < confirm.tick.due + every, "and does not wait for the one after");
    let after = service.next().await;
    assert_eq!((after.trigger, after.tick.due), (Trigger::Schedule, confirm.tick.due + every), "no chain, and the grid stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_finds_too_many_runs_waits_its_turn_and_is_missed_when_its_next_one_comes() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let one = Limits { concurrent_runs: 1, ..limits() };
    let mut service = Service::start(
        plan(vec![probe("holds", Duration::from_hours(10)), probe("waits", Duration::from_millis(100))], one),
        Fake(move |canary: Arc<Canary>, request| {
            let held = Arc::clone(&held);
            async move {
                if &*canary.probe.name == "holds" {
                    held.notified().await;
                }
                finished(&canary, &request, None)
            }
        }),
    );
    // The other canary may have the only turn just now, for as long as it takes to report.
    let begun = Instant::now();
    while service.scheduler.trigger(&id("holds")) == Err(TriggerError::Overload) {
        assert!(begun.elapsed() < SOON, "a turn comes free soon");
        service.next().await;
    }
    let mut last = service.find(|report| report.verdict == Verdict::Missed).await;
    for _ in 0..3 {
        let next = service.next().await;
        assert_eq!((next.verdict, reason(&next)), (Verdict::Missed, Some(Reason::Overload)));
        assert!(next.tick > last.tick);
        last = next;
    }
    go_on.notify_one();
    let run = service.find(|report| report.verdict == Verdict::Passed && &*report.canary.probe.name == "waits").await;
    assert!(run.tick > last.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asked_for_by_hand_is_made_beside_the_ticks() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let mut service = Service::start(
        plan(vec![probe("by-hand", Duration::from_hours(10))], limits()),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                held.notified().await;
                finished(&canary, &request, Some(Reason::Expectation))
            }
        }),
    );
    assert_eq!(service.scheduler.trigger(&id("nobody")), Err(TriggerError::Unknown));
    assert_eq!(service.scheduler.trigger(&id("by-hand")), Ok(()));
    assert_eq!(service.scheduler.trigger(&id("by-hand")), Err(TriggerError::Running));
    go_on.notify_one();
    assert_eq!(service.next().await.trigger, Trigger::Manual);
    let handle = service.scheduler.clone();
    assert!(service.scheduler.stop(SOON).await.is_empty());
    assert_eq!(handle.trigger(&id("by-hand")), Err(TriggerError::Stopping));
}

fn cleaning(canary: &Arc<Canary>, request: &RunRequest, task: impl Future<Output = ()> + Send + 'static) -> Finished {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_holds_neither_the_slot_nor_a_turn_and_is_waited_for_at_the_end() {
    let go_on = Arc::new(Notify::new());
    let held = Arc::clone(&go_on);
    let one = Limits { concurrent_runs: 1, ..limits() };
    let mut service = Service::start(
        plan(vec![probe("cleans", Duration::from_millis(50))], one),
        Fake(move |canary, request| {
            let held = Arc::clone(&held);
            async move {
                let first = Arc::clone(&held);
                cleaning(&canary, &request, async move { first.notified().await })
            }
        }),
    );
    let passed = |report: &RunReport| report.verdict == Verdict::Passed;
    let (one, two) = (service.find(passed).await, service.find(passed).await);
    assert!(service.cleanups.try_recv().is_err(), "both ran while the first one's cleanup goes on");
    go_on.notify_one();
    assert_eq!(service.next_cleanup().await.result, CleanupResult::Clean);
    let stopping = tokio::spawn(service.scheduler.clone().stop(SOON));
    // Whoever holds on to the rest lets go one by one, until none is left to wait for.
    while !stopping.is_finished() {
        go_on.notify_waiters();
        tokio::task::yield_now().await;
    }
    assert!(stopping.await.expect("no panic").is_empty());
    assert!(two.tick > one.tick);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_that_panics_has_leaked() {
    let mut service = Service::start(
        plan(vec![probe("leaks", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| cleaning(&canary, &request, async { panic!("on purpose") })),
    );
    service.scheduler.trigger(&id("leaks")).expect("it is free");
    assert!(matches!(service.next_cleanup().await.result, CleanupResult::Leaked(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_runs_and_then_cancels_them() {
    let mut service = Service::start(
        plan(vec![probe("long", Duration::from_hours(10))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| {
            request.cancel.cancelled().await;
            finished(&canary, &request, Some(Reason::Shutdown))
        }),
    );
    service.scheduler.trigger(&id("long")).expect("it is free");
    assert!(service.scheduler.clone().stop(Duration::from_millis(20)).await.is_empty());
    let report = service.next().await;
    assert_eq!((report.verdict, reason(&report)), (Verdict::Errored, Some(Reason::Shutdown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_names_what_does_not_end() {
    let service = Service::start(
        plan(vec![probe("deaf", Duration::from_hours(10)), probe("quiet", Duration::from_hours(10))], limits()),
        Fake(async |_canary: Arc<Canary>, _request: RunRequest| std::future::pending().await),
    );
    service.scheduler.trigger(&id("deaf")).expect("it is free");
    let left = service.scheduler.stop(Duration::from_millis(20)).await;
    assert_eq!((left.runs, left.cleanups), (vec![id("deaf")], Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tick_starts_after_a_stop() {
    let mut service = Service::start(
        plan(vec![probe("fast", Duration::from_millis(20))], limits()),
        Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None)),
    );
    service.next().await;
    assert!(service.scheduler.stop(SOON).await.is_empty());
    // The last handle is gone with every run, and with them whoever could report: the channel ends by itself.
    let end = async { while service.runs.recv().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("nothing holds on to the sink");
}

/// Stops the process it is given when a test ends badly.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

const FROZEN: Duration = Duration::from_millis(2500);
const CHILD_EVERY: Duration = Duration::from_millis(200);

#[test]
fn a_process_that_was_stopped_goes_on_with_one_run_a_canary_and_reports_the_rest_as_slept() {
    let mut child = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "the_process_that_is_stopped", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Stopped)
        .expect("this test starts again");
    let output = child.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(output).lines().map(|line| line.expect("text")).filter(|line| line.starts_with("tick "));
    lines.by_ref().take(20).for_each(drop);
    signal(&child.0, "STOP");
    std::thread::sleep(FROZEN);
    signal(&child.0, "CONT");
    let mut slept: HashMap<String, u32> = HashMap::new();
    let mut ran_after: HashMap<String, u32> = HashMap::new();
    let mut dues: HashMap<String, Vec<SystemTime>> = HashMap::new();
    let mut stall_seen = false;
    while ran_after.len() < 5 || ran_after.values().any(|&runs| runs < 2) {
        let line = lines.next().expect("the child goes on");
        let words: Vec<&str> = line.split(' ').collect();
        let [_, canary, due, how, stalled] = words[..] else { panic!("{line}") };
        let due = SystemTime::UNIX_EPOCH + Duration::from_nanos(due.parse().expect("nanoseconds"));
        dues.entry(canary.to_owned()).or_default().push(due);
        match how {
            "slept" => *slept.entry(canary.to_owned()).or_default() += 1,
            "passed" if slept.contains_key(canary) => *ran_after.entry(canary.to_owned()).or_default() += 1,
            _ => {}
        }
        stall_seen |= stalled.parse::<u128>().expect("milliseconds") > FROZEN.as_millis() / 2;
    }
    for dues in dues.values_mut() {
        let in_order = dues.clone();
        assert_whole(dues, CHILD_EVERY);
        assert_eq!(&in_order, dues, "reports come in the order of their ticks");
    }
    let expected = u32::try_from(FROZEN.as_millis() / CHILD_EVERY.as_millis()).expect("few") - 2;
    assert!(slept.values().all(|&ticks| ticks >= expected), "{slept:?}");
    assert!(stall_seen, "the watchdog saw it too");
}

/// Prints its reports.
struct Print(Arc<StallLog>, Instant);

impl OutcomeSink for Print {
    #[expect(clippy::print_stdout, reason = "it is how the test that started this process hears of it")]
    fn run_finished(&self, report: &Arc<RunReport>) {
        let due = report.tick.due.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
        let how = reason(report).map_or("passed", Reason::as_str);
        let stalled = self.0.stalled_between(self.1, Instant::now()).as_millis();
        println!("tick {} {due} {how} {stalled}", report.canary.id);
    }

    fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started, stopped and killed by the test above"]
async fn the_process_that_is_stopped() {
    let probes = (0..5).map(|number| probe(&format!("frozen-{number}"), CHILD_EVERY)).collect();
    let stalls = Arc::new(StallLog::default());
    let runner = Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None));
    let sink = Arc::new(Print(Arc::clone(&stalls), Instant::now()));
    let runtime = tokio::runtime::Handle::current();
    let scheduler =
        Scheduler::start(plan(probes, limits()), Arc::new(runner), sink, stalls, runtime, HashMap::new()).expect("a thread");
    tokio::time::sleep(Duration::from_mins(1)).await;
    scheduler.stop(SOON).await;
}
