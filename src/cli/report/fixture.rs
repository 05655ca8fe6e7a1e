//! Reports made by hand, and the comparison of what is rendered with the files in `tests/cli_snapshots`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::testing as made;
use crate::outcome::{
    AttemptDetail, AttemptReport, Cause, CleanupReport, CleanupResult, Exchange, ExpectationReport, Held, HttpAnswer, HttpDetail,
    Phases, Reason, RunId, RunReport, SeenValue, SpanId, StepReport, StepResult, TraceId, Trigger, Verdict,
};
use crate::plan::{Cadence, Canary, Cell, CellValue, Probe, testing};
use crate::source::Location;

use super::FinishedRun;

/// Compares with a snapshot; `UPDATE=1` writes it instead.
pub(crate) fn assert_snapshot(name: &str, rendered: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "cli_snapshots", name].iter().collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, rendered).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(rendered, expected, "{name} differs; UPDATE=1 rewrites it");
}

pub(crate) fn canary(probe: &str, region: &str, cell: &[(&str, CellValue)]) -> Arc<Canary> {
    let cell = Cell(cell.iter().map(|(key, value)| (Arc::from(*key), value.clone())).collect());
    let probe = Probe {
        cadence: Cadence::Every(Duration::from_mins(5)),
        deadline: Duration::from_mins(2),
        cells: vec![Arc::new(cell)],
        location: at(1, 8),
        ..testing::probe(probe)
    };
    testing::canary(&Arc::new(probe), region)
}

pub(crate) fn run(canary: &Arc<Canary>, verdict: Verdict, cause: Option<Cause>, steps: Vec<StepReport>) -> Arc<RunReport> {
    let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_710_758_640_123);
    Arc::new(RunReport {
        run_id: RunId(ulid::Ulid::from_parts(1_710_758_640_123, 42)),
        trigger: Trigger::Test,
        lateness: Duration::from_micros(42),
        duration: Duration::from_millis(2_314),
        trace_id: TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736),
        span_id: SpanId(0x00f0_67aa_0ba9_02b7),
        cause,
        steps,
        vars: vec![("title".into(), "canary 01HS8".to_owned())],
        ..made::run(canary, verdict, started)
    })
}

/// A run that passed: one step, one attempt.
pub(crate) fn passed() -> FinishedRun {
    let mut step = step("front page", 0, 31);
    step.attempts = vec![attempt(0, 31, "GET", 200)];
    step.expectations = vec![held("status == 200", 12)];
    let canary = canary("front-page", "eu", &[]);
    FinishedRun { report: run(&canary, Verdict::Passed, None, vec![step]), cleanup: None }
}

/// A registration that was answered with success all along and never activated.
pub(crate) fn silent_registration() -> FinishedRun {
    let cause = activation_cause();
    let mut submit = step("submit", 0, 112);
    submit.attempts = vec![attempt(0, 112, "POST", 201)];
    submit.expectations = vec![held("status == 201", 22), held("json.billable == false", 23)];
    submit.captures = vec![("registration".into(), "\"r-1\"".to_owned())];

    let mut activated = step("activated", 112, 2_202);
    activated.attempts_made = 18;
    activated.attempts = vec![attempt(112, 12, "GET", 200), attempt(2_300, 14, "GET", 200)];
    if let Some(AttemptDetail::Http(http)) = &mut activated.attempts[1].detail {
        http.exchange = Some(Box::new(exchange()));
    }
    activated.attempts[1].failure = Some((Reason::Expectation, cause.message.clone()));
    activated.expectations = vec![
        held("status == 200", 41),
        ExpectationReport {
            held: Held::No,
            say: Some("it was paid for and never activated".into()),
            seen: cause.seen.clone(),
            ..held("json.status == 'activated'", 42)
        },
        ExpectationReport {
            held: Held::NotEvaluable("`<` needs two numbers or two strings, and json.lag is null".to_owned()),
            seen: vec![SeenValue { source: "json.lag".to_owned(), value: "null".to_owned() }],
            ..held("json.lag < 5", 43)
        },
    ];
    activated.result = StepResult::Failed(cause.clone());

    let cell = [("platform", CellValue::Text("ios".into())), ("tracks", CellValue::Integer(10))];
    let report = run(&canary("premium-registration", "eu", &cell), Verdict::Failed, Some(cause), vec![submit, activated]);
    let cleanup = leaked_cleanup(&report);
    FinishedRun { report, cleanup: Some(cleanup) }
}

/// A tick that never ran.
pub(crate) fn missed() -> FinishedRun {
    let cause = made::cause(Reason::Overlap, "the run of the tick before was still going");
    FinishedRun { report: run(&canary("front-page", "us", &[]), Verdict::Missed, Some(cause), Vec::new()), cleanup: None }
}

fn leaked_cleanup(report: &Arc<RunReport>) -> Arc<CleanupReport> {
    let message = "no answer within 5 s to DELETE http://127.0.0.1:7100/v1/registrations/r-1";
    let cause = Cause { step: Some("delete".into()), attempts: 1, ..made::cause(Reason::Timeout, message) };
    let mut delete = step("delete", 2_314, 5_000);
    delete.attempts =
        vec![AttemptReport { failure: Some((Reason::Timeout, cause.message.clone())), ..attempt(2_314, 5_000, "DELETE", 0) }];
    delete.result = StepResult::Failed(cause.clone());
    Arc::new(CleanupReport {
        run: Arc::clone(report),
        started: Duration::from_millis(2_314),
        duration: Duration::from_secs(5),
        steps: vec![delete],
        result: CleanupResult::Leaked(vec![cause]),
    })
}

pub(crate) fn activation_cause() -> Cause {
    Cause {
        step: Some("activated".into()),
        attempts: 18,
        expectation: Some("json.status == 'activated'".to_owned()),
        location: Some(at(42, 14)),
        seen: vec![SeenValue { source: "json.status".to_owned(), value: "\"payment_captured\"".to_owned() }],
        ..made::cause(Reason::Expectation, "json.status == 'activated' did not hold after 18 attempts in 2.2 s")
    }
}

fn at(line: u32, column: u32) -> Location {
    Location { path: Arc::from(Path::new("probes/example.toml")), line, column }
}

fn held(source: &str, line: u32) -> ExpectationReport {
    ExpectationReport { source: source.into(), say: None, location: at(line, 14), held: Held::Yes, seen: Vec::new() }
}

fn step(name: &str, started: u64, duration: u64) -> StepReport {
    StepReport { started: Duration::from_millis(started), duration: Duration::from_millis(duration), ..made::step(name) }
}

/// An attempt with an answer, or without one where `status` is 0.
fn attempt(started: u64, duration: u64, method: &str, status: u16) -> AttemptReport {
    let answer = HttpAnswer {
        method: method.to_owned(),
        url: "http://127.0.0.1:7100/v1/registrations".to_owned(),
        status: (status != 0).then_some(status),
        version: (status != 0).then_some("1.1"),
        body_bytes: 312,
        phases: Phases {
            dns: None,
            connect: Some(Duration::from_micros(180)),
            tls: None,
            first_byte: Some(Duration::from_millis(9)),
            transfer: Some(Duration::from_micros(90)),
            reused: false,
        },
        withheld: Vec::new(),
    };
    AttemptReport {
        span_id: SpanId(8),
        started: Duration::from_millis(started),
        duration: Duration::from_millis(duration),
        detail: Some(AttemptDetail::Http(HttpDetail { answer, exchange: None })),
        failure: None,
        alike: 0,
        certificate: None,
    }
}

fn exchange() -> Exchange {
    Exchange {
        request_headers: vec![("authorization".to_owned(), "Bearer •••".to_owned())],
        request_body: String::new(),
        response_headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        response_body: "{\"status\": \"payment_captured\",\n \"note\": \"<b>&\u{1b}[2J]]>\"}".to_owned(),
        truncated: true,
    }
}
