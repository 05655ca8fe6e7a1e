//! Plans and reports made by hand, for tests of whatever takes finished runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{
    AttemptDetail, AttemptReport, Cause, CleanupReport, CleanupResult, ExpectationReport, Held, HttpAnswer, HttpDetail, Phases,
    Reason, RunId, RunReport, SeenValue, SpanId, StepReport, StepResult, Tick, TraceId, Trigger, Verdict,
};
use serinus::plan::{
    Action, Body, Cadence, Canary, CanaryId, Cell, CellValue, Condition, Eventually, HttpAction, LatencyOf, LatencySlo, Limits,
    Overlap, Plan, Probe, Region, Slo, Step, Template,
};
use serinus::source::Location;

/// A position in a file that need not exist.
pub(crate) fn location() -> Location {
    Location { path: Path::new("probes/sync.toml").into(), line: 7, column: 3 }
}

/// A cell of text values.
pub(crate) fn cell(values: &[(&str, &str)]) -> Cell {
    Cell(values.iter().map(|&(key, value)| (key.into(), CellValue::Text(value.into()))).collect())
}

/// A step that gets a URL.
pub(crate) fn step(name: &str, eventually: Option<Duration>) -> Step {
    let url = Template::parse("http://127.0.0.1/", location()).expect("a template");
    Step {
        name: name.into(),
        device: None,
        action: Action::Http(Box::new(HttpAction {
            method: http::Method::GET,
            url,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            auth: None,
            redirects: None,
            response_bytes: None,
        })),
        looping: None,
        at_once: std::num::NonZeroU8::MIN,
        subject: None,
        when: Vec::new(),
        guard: Vec::new(),
        timeout: None,
        retry: None,
        eventually: eventually.map(|within| Eventually { within, poll: Duration::from_millis(100), since: None }),
        consistently: None,
        expect: Vec::new(),
        warn: Vec::new(),
        contract: None,
        capture: Vec::new(),
        carry: Vec::new(),
        collect: Vec::new(),
        allow_failure: false,
        allow_empty: false,
        cleanup: Vec::new(),
        unless_created: None,
        location: location(),
    }
}

/// A probe every minute with a deadline of 20 s: `create`, then `read` within 10 s, promised in 2 s on average.
pub(crate) fn probe(name: &str, cells: Vec<Cell>) -> Probe {
    Probe {
        name: name.into(),
        summary: None,
        users_per_hour: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence: Cadence::Every(Duration::from_mins(1)),
        runs: 1,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(20),
        elsewhere: Vec::new(),
        cells: cells.into_iter().map(Arc::new).collect(),
        vars: Vec::new(),
        origins: Vec::new(),
        private: Arc::default(),
        devices: BTreeMap::new(),
        steps: vec![step("create", None), step("read", Some(Duration::from_secs(10)))].into(),
        unjournalled: serinus::plan::Unjournalled::Refuse,
        alert: serinus::plan::AlertPolicy::default(),
        needs: Vec::new(),
        maintenance: Vec::new(),
        slo: Some(Slo {
            success: Some(0.95),
            degraded: None,
            latency: Some(LatencySlo {
                step: Some("read".into()),
                of: LatencyOf::Convergence,
                mean: Some(Duration::from_secs(2)),
                p95: None,
                p99: None,
            }),
            window: Duration::from_hours(24),
        }),
        redact: None,
        location: location(),
    }
}

/// Every probe in every region for each of its cells.
pub(crate) fn plan(probes: Vec<Probe>, regions: &[&str]) -> Plan {
    let regions: Vec<Arc<Region>> =
        regions.iter().map(|&name| Arc::new(Region { name: name.into(), vars: Vec::new() })).collect();
    let probes: Vec<Arc<Probe>> = probes.into_iter().map(Arc::new).collect();
    let mut canaries = Vec::new();
    for probe in &probes {
        for region in &regions {
            for cell in &probe.cells {
                canaries.push(Arc::new(Canary {
                    id: CanaryId::new(&probe.name, &region.name, cell),
                    probe: Arc::clone(probe),
                    region: Arc::clone(region),
                    cell: Arc::clone(cell),
                }));
            }
        }
    }
    let known_regions = regions.iter().map(|region| Arc::clone(&region.name)).collect();
    Plan {
        regions,
        known_regions,
        maintenance: Vec::new(),
        probes,
        canaries,
        secrets: BTreeMap::new(),
        limits: Limits::default(),
    }
}

/// A passed run of both steps that took 1.5 s, due at `due`, launched in the order of these times.
pub(crate) fn passed(canary: &Arc<Canary>, due: SystemTime) -> RunReport {
    let lateness = Duration::from_micros(300);
    let name = |at: usize| Arc::clone(&canary.probe.steps[at].name);
    RunReport {
        run_id: RunId(ulid::Ulid::generate()),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due, slot: 0, order: due.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()) },
        started: due + lateness,
        lateness,
        duration: Duration::from_millis(1500),
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict: Verdict::Passed,
        cause: None,
        steps: vec![
            step_report(name(0), Duration::ZERO, Duration::from_millis(300), 1, None),
            step_report(name(1), Duration::from_millis(300), Duration::from_millis(1200), 2, Some(Duration::from_millis(1200))),
        ],
        vars: Vec::new(),
    }
}

/// The same run, of which a `warn` of its second step did not hold.
pub(crate) fn degraded(canary: &Arc<Canary>, due: SystemTime) -> RunReport {
    let mut report = passed(canary, due);
    let seen = vec![SeenValue { source: "latency".into(), value: "0.7".into() }];
    let say = Some("the read drags".into());
    let source = "latency < 0.3".into();
    report.steps[1].warnings = vec![ExpectationReport { source, say, location: location(), held: Held::No, seen }];
    report
}

/// A probe's steps warn.
pub(crate) fn warning(mut probe: Probe) -> Probe {
    Arc::get_mut(&mut probe.steps).expect("nobody else has them")[1].warn =
        vec![Condition::parse("latency < 0.3", location()).expect("a condition")];
    probe
}

/// The same run, failed at its second step's expectation.
pub(crate) fn failed(canary: &Arc<Canary>, due: SystemTime) -> RunReport {
    let mut report = passed(canary, due);
    let step = &mut report.steps[1];
    let seen = vec![SeenValue { source: "json.status".into(), value: "\"pending\"".into() }];
    let cause = Cause {
        reason: Reason::Expectation,
        message: "`json.status == 'activated'` does not hold: `json.status` was \"pending\"".into(),
        step: Some(Arc::clone(&step.name)),
        subject: None,
        attempts: 2,
        expectation: Some("json.status == 'activated'".into()),
        location: Some(location()),
        seen: seen.clone(),
    };
    step.convergence = None;
    step.result = StepResult::Failed(cause.clone());
    step.expectations = vec![
        ExpectationReport { source: "status == 200".into(), say: None, location: location(), held: Held::Yes, seen: Vec::new() },
        ExpectationReport { source: "json.status == 'activated'".into(), say: None, location: location(), held: Held::No, seen },
    ];
    report.verdict = Verdict::Failed;
    report.cause = Some(cause);
    report
}

/// A run or tick that ended for `reason` before its first step.
pub(crate) fn ended(canary: &Arc<Canary>, due: SystemTime, reason: Reason) -> RunReport {
    let mut report = passed(canary, due);
    report.steps.clear();
    report.duration = Duration::ZERO;
    report.verdict = Verdict::of(reason);
    report.cause = Some(Cause {
        reason,
        message: format!("ended: {reason}"),
        step: None,
        subject: None,
        attempts: 0,
        expectation: None,
        location: None,
        seen: Vec::new(),
    });
    report
}

/// A cleanup of `run` of one step that left `leaked` behind.
pub(crate) fn cleanup(run: &Arc<RunReport>, leaked: Vec<Cause>) -> CleanupReport {
    CleanupReport {
        started: run.duration,
        duration: Duration::from_millis(40),
        steps: vec![step_report("delete".into(), run.duration, Duration::from_millis(40), 1, None)],
        result: if leaked.is_empty() { CleanupResult::Clean } else { CleanupResult::Leaked(leaked) },
        run: Arc::clone(run),
    }
}

fn step_report(
    name: Arc<str>,
    started: Duration,
    duration: Duration,
    attempts: u32,
    convergence: Option<Duration>,
) -> StepReport {
    let each = duration / attempts;
    StepReport {
        name,
        span_id: SpanId::random(),
        parent: None,
        device: "default".into(),
        round: None,
        subject: None,
        started,
        duration,
        stalled: Duration::ZERO,
        convergence,
        convergence_stalled: Duration::ZERO,
        attempts: (0..attempts).map(|at| attempt(started + each * at, each)).collect(),
        attempts_made: attempts,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    }
}

fn attempt(started: Duration, duration: Duration) -> AttemptReport {
    AttemptReport {
        span_id: SpanId::random(),
        started,
        duration,
        detail: Some(AttemptDetail::Http(HttpDetail {
            answer: HttpAnswer {
                method: "GET".into(),
                url: "http://shop.example:8080/v1/playlists?x=1".into(),
                status: Some(200),
                version: Some("1.1"),
                body_bytes: 42,
                phases: Phases {
                    dns: Some(Duration::from_millis(1)),
                    connect: Some(Duration::from_millis(2)),
                    tls: None,
                    first_byte: Some(Duration::from_millis(20)),
                    transfer: Some(Duration::from_millis(3)),
                    reused: false,
                },
                withheld: Vec::new(),
            },
            exchange: None,
        })),
        failure: None,
        alike: 0,
        certificate: None,
    }
}
