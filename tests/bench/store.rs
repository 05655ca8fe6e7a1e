//! What the store costs: runs a second, bytes a run, and how long a commit takes that somebody waits for while runs come in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use serinus::config;
use serinus::history::sqlite::SqliteStore;
use serinus::history::{Commit, Record, Recorder as _, StateRow};
use serinus::outcome::{RunId, RunReport, SpanId, StepReport, StepResult, Tick, TraceId, Trigger, Verdict};
use serinus::plan::{Bodies, Canary, Retention};

use crate::bare::Meter;
use crate::files::{self, Shape};
use crate::process::{Role, say};

/// What to write.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The service's file, whose canaries ran.
    pub file: PathBuf,
    /// Where the store goes.
    pub directory: PathBuf,
    /// Runs that are written as fast as can be.
    pub runs: usize,
    /// How long commits are timed, in seconds.
    pub watch: u64,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub per_second: f64,
    pub cpu_micros: f64,
    pub bytes: f64,
    /// Milliseconds to open the file again with all runs in it, and its size in bytes.
    pub opened: f64,
    pub size: u64,
    /// Milliseconds until an urgent commit was durable, while 1,000 runs a second were written.
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub commits: usize,
}

/// Runs a second that are written while commits are timed.
const BESIDE: u64 = 1_000;

/// Measures in a process of its own.
pub(crate) fn measure(runs: usize, watch: u64) -> Figures {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let file = files::write(
        directory.path(),
        Shape { probes: 100, cells: 10, broken: (0, 0) },
        "http://127.0.0.1:9",
        "http://127.0.0.1:9",
    );
    Role::start("store", &Task { file, directory: directory.path().to_owned(), runs, watch }).hear()
}

const DAY: Duration = Duration::from_hours(24);

const KEPT: Retention = Retention { passed: DAY, others: DAY, rollups: DAY, bodies: Bodies::Failed };

/// The role.
#[expect(clippy::cast_precision_loss, reason = "far fewer runs and bytes than a float has digits")]
pub(crate) fn role(task: &Task) {
    let plan = config::load(&task.file, []).service.expect("the configuration is valid").plan;
    let flood = task.directory.join("flood.db");
    let store = SqliteStore::open(&flood, KEPT, SystemTime::now()).expect("the store can be opened");
    let meter = Meter::start(std::process::id());
    for chunk in 0..task.runs.div_ceil(10_000) {
        let (from, to) = (chunk * 10_000, task.runs.min((chunk + 1) * 10_000));
        (from..to).for_each(|at| store.record(finished(&plan.canaries[at % plan.canaries.len()])));
        // The queue is bounded: without this, runs would be dropped.
        store.commit(Commit::default()).blocking_recv().expect("the store writes");
    }
    let cost = meter.cost(task.runs);
    assert!(store.close(Duration::from_mins(1)), "everything is written");
    let bytes = std::fs::metadata(&flood).expect("the store is there").len();
    let began = Instant::now();
    let store = SqliteStore::open(&flood, KEPT, SystemTime::now()).expect("the store can be opened again");
    let opened = began.elapsed().as_secs_f64() * 1e3;
    assert!(store.close(Duration::from_mins(1)), "nothing is to be written");

    let mut millis = commits(&task.directory.join("watch.db"), &plan.canaries, task.watch);
    millis.sort_by(f64::total_cmp);
    let at = |share: usize| millis[(millis.len() * share / 100).min(millis.len() - 1)];
    say(&Figures {
        per_second: cost.per_second,
        cpu_micros: cost.cpu_micros,
        bytes: bytes as f64 / task.runs as f64,
        opened,
        size: bytes,
        p50: at(50),
        p99: at(99),
        max: at(100),
        commits: millis.len(),
    });
}

/// Milliseconds of each urgent commit, twenty a second, beside the stream of runs.
fn commits(path: &Path, canaries: &[Arc<Canary>], watch: u64) -> Vec<f64> {
    let store = SqliteStore::open(path, KEPT, SystemTime::now()).expect("the store can be opened");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            for (at, canary) in (0..).zip(canaries.iter().cycle()) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let due = Duration::from_micros(at * 1_000_000 / BESIDE);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                store.record(finished(canary));
            }
        });
        let began = Instant::now();
        let mut millis = Vec::new();
        while began.elapsed() < Duration::from_secs(watch) {
            std::thread::sleep(Duration::from_millis(50));
            let asked = Instant::now();
            store.commit(finished(&canaries[0])).blocking_recv().expect("the store writes");
            millis.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        over.store(true, Ordering::Relaxed);
        millis
    })
}

/// A passed run of two steps, and the state that came of it.
fn finished(canary: &Arc<Canary>) -> Commit {
    let now = SystemTime::now();
    let step = |name: &str| StepReport {
        name: name.into(),
        span_id: SpanId::random(),
        parent: None,
        device: "main".into(),
        round: None,
        subject: None,
        started: Duration::from_micros(fastrand::u64(..1_000)),
        duration: Duration::from_micros(fastrand::u64(1_000..200_000)),
        stalled: Duration::ZERO,
        convergence: None,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    };
    let report = RunReport {
        run_id: RunId(ulid::Ulid::generate()),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due: now, slot: 0, order: 0 },
        started: now,
        lateness: Duration::from_micros(200),
        duration: Duration::from_micros(fastrand::u64(2_000..400_000)),
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict: Verdict::Passed,
        cause: None,
        steps: vec![step("create"), step("read it back")],
        vars: Vec::new(),
    };
    let json = format!("{{\"streak\":0,\"passes\":{},\"last\":\"{}\"}}", fastrand::u32(..), report.run_id);
    Commit {
        states: vec![StateRow { kind: "canary", key: canary.id.to_string(), json: Some(json) }],
        runs: vec![Record { report: Arc::new(report), counted: true }],
        ..Commit::default()
    }
}
