//! Rows made by hand, and settings of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Commit, EventKind, EventRow, IncidentRow, OutcomeRow, Record, StateRow, TimelineRow, TryRow, TryState};
use crate::outcome::{
    AttemptDetail, AttemptReport, Cause, Exchange, ExpectationReport, Held, HttpAnswer, HttpDetail, LedgerEntry, Reason, RunId,
    RunReport, SeenValue, SpanId, StepReport, StepResult, Tick, TraceId, Verdict,
};
use crate::plan::{Bodies, Canary, Eventually, Probe, Retention, Step, testing};
use crate::source::Location;

/// More than anything here takes; whoever waits so long has failed.
pub(super) const LONG: Duration = Duration::from_mins(1);

/// A moment to count from, whole hours after the epoch.
pub(super) const NOON: Duration = Duration::from_hours(480_000);

/// So many seconds after noon.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + NOON + Duration::from_secs(seconds)
}

pub(super) fn at_ms(seconds: u64) -> i64 {
    i64::try_from((NOON + Duration::from_secs(seconds)).as_millis()).unwrap()
}

fn location() -> Location {
    Location { path: Arc::from(Path::new("probes/p.toml")), line: 12, column: 3 }
}

pub(super) fn canary(probe: &str, region: &str) -> Arc<Canary> {
    let eventually = Eventually { within: Duration::from_secs(2), poll: Duration::from_millis(100), since: None };
    let read = Step { eventually: Some(eventually), ..testing::step("read on the second device") };
    testing::canary(&Arc::new(Probe { steps: vec![read].into(), location: location(), ..testing::probe(probe) }), region)
}

pub(super) fn step(name: &str, started: u64, duration: u64) -> StepReport {
    let (started, duration) = (Duration::from_micros(started), Duration::from_micros(duration));
    StepReport { device: "main".into(), started, duration, ..crate::outcome::testing::step(name) }
}

/// A run that was due so many seconds after noon, with two steps.
pub(super) fn run(canary: &Arc<Canary>, verdict: Verdict, due: u64) -> RunReport {
    let mut steps = vec![step("create", 0, 1_200), step("read on the second device", 1_250, 30_000)];
    steps[1].convergence = Some(Duration::from_millis(29));
    let cause = (verdict != Verdict::Passed).then(|| Cause {
        reason: Reason::Expectation,
        message: "`json.status == 'activated'` does not hold".to_owned(),
        step: Some("read on the second device".into()),
        subject: None,
        attempts: 3,
        expectation: Some("json.status == 'activated'".to_owned()),
        location: Some(location()),
        seen: vec![SeenValue { source: "json.status".to_owned(), value: "\"pending\"".to_owned() }],
    });
    if let Some(cause) = &cause {
        steps[1].result = StepResult::Failed(cause.clone());
        steps[1].expectations = vec![ExpectationReport {
            source: "json.status == 'activated'".into(),
            say: None,
            location: location(),
            held: Held::No,
            seen: cause.seen.clone(),
        }];
        let exchange = Exchange { response_body: "{\"status\":\"pending\"}".to_owned(), ..Exchange::default() };
        steps[1].attempts = vec![AttemptReport {
            span_id: SpanId(9),
            started: Duration::ZERO,
            duration: Duration::from_millis(1),
            detail: Some(AttemptDetail::Http(HttpDetail { answer: HttpAnswer::default(), exchange: Some(Box::new(exchange)) })),
            failure: Some((Reason::Expectation, "it does not hold".to_owned())),
            alike: 0,
            certificate: None,
        }];
    }
    let due_at = at(due);
    let report = crate::outcome::testing::run(canary, verdict, due_at);
    RunReport {
        run_id: RunId(ulid::Ulid::from_parts(u64::try_from(at_ms(due)).unwrap(), fastrand::u128(..))),
        tick: Tick { order: due + 1, ..report.tick },
        started: due_at + Duration::from_millis(3),
        lateness: Duration::from_millis(3),
        duration: Duration::from_micros(31_250),
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        cause,
        steps,
        vars: vec![("title".into(), "canary 1".to_owned())],
        ..report
    }
}

pub(super) fn runs(reports: impl IntoIterator<Item = RunReport>) -> Commit {
    let runs = reports.into_iter().map(|report| Record { report: Arc::new(report), counted: true }).collect();
    Commit { runs, ..Commit::default() }
}

pub(super) fn state(kind: &'static str, key: &str, json: Option<&str>) -> StateRow {
    StateRow { kind, key: key.to_owned(), json: json.map(str::to_owned) }
}

pub(super) fn states(rows: impl IntoIterator<Item = StateRow>) -> Commit {
    Commit { states: rows.into_iter().collect(), ..Commit::default() }
}

pub(super) fn incident(id: &str, resolved: Option<u64>) -> IncidentRow {
    IncidentRow {
        id: id.to_owned(),
        scope: "probe/p".to_owned(),
        probe: Some("p".to_owned()),
        severity: "page",
        opened_ms: at_ms(0),
        resolved_ms: resolved.map(at_ms),
        json: "{\"note\":1}".to_owned(),
    }
}

pub(super) fn timeline(incident: &str, seconds: u64, what: &'static str) -> TimelineRow {
    TimelineRow { incident: incident.to_owned(), at_ms: at_ms(seconds), what, text: format!("It {what}.") }
}

/// A try that was made so many seconds after noon.
pub(super) fn attempt(id: &str, incidents: &[&str], seconds: u64) -> TryRow {
    TryRow {
        id: id.to_owned(),
        incidents: incidents.iter().map(ToString::to_string).collect(),
        channel: "pager".to_owned(),
        what: "ring",
        key: format!("probe/p/{id}"),
        made_ms: at_ms(seconds),
        attempts: 0,
        json: serde_json::json!({ "id": id, "message": "{\"title\":\"p fails\"}" }).to_string(),
    }
}

/// What became of it a second later, at its first attempt.
pub(super) fn outcome(of: &TryRow, state: TryState) -> OutcomeRow {
    let error = (state != TryState::Taken).then(|| "no answer".to_owned());
    OutcomeRow { id: of.id.clone(), made_ms: of.made_ms, state, attempts: 1, at_ms: of.made_ms + 1_000, error }
}

/// An event that happened so many seconds after noon, about nothing in particular.
pub(super) fn event(id: &str, seconds: u64) -> EventRow {
    EventRow {
        id: id.to_owned(),
        at_ms: at_ms(seconds),
        kind: EventKind::Annotation,
        probe: None,
        incident: None,
        by: Some("ann".to_owned()),
        what: "deploy".to_owned(),
        text: format!("{id} went out"),
    }
}

pub(super) fn events(rows: impl IntoIterator<Item = EventRow>) -> Commit {
    Commit { events: rows.into_iter().collect(), ..Commit::default() }
}

pub(super) fn entry(id: &str) -> LedgerEntry {
    LedgerEntry {
        id: id.to_owned(),
        run_id: "R".to_owned(),
        trace_id: "T".to_owned(),
        canary: "p/eu".to_owned(),
        probe: "p".to_owned(),
        region: "eu".to_owned(),
        step: "create".to_owned(),
        device: "main".to_owned(),
        started_ms: at_ms(0),
        names: serde_json::json!({ "title": "canary" }),
        created: false,
        passed: 0,
        attempts: 0,
    }
}

/// A store's file in a directory.
pub(super) fn store_file(directory: &Path) -> PathBuf {
    directory.join("state/serinus.db")
}

/// How long what is kept.
pub(super) const KEPT: Retention = Retention {
    passed: Duration::from_hours(24),
    others: Duration::from_hours(72),
    rollups: Duration::from_hours(240),
    bodies: Bodies::Failed,
};
