//! Rows made by hand, and settings of a store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Commit, IncidentRow, OutcomeRow, Record, StateRow, TimelineRow, TryRow, TryState};
use crate::outcome::{
    AttemptDetail, AttemptReport, Cause, Exchange, ExpectationReport, Held, HttpAnswer, HttpDetail, LedgerEntry, Reason, RunId,
    RunReport, SeenValue, SpanId, StepReport, StepResult, Tick, TraceId, Trigger, Verdict,
};
use crate::plan::{Action, Bodies, Cadence, Canary, CanaryId, Cell, Eventually, Overlap, Probe, Region, Step, StoreSettings};
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
    let cell = Arc::new(Cell::default());
    let made = Probe {
        name: probe.into(),
        summary: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence: Cadence::Every(Duration::from_mins(1)),
        runs: 1,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(20),
        cells: vec![Arc::clone(&cell)],
        vars: Vec::new(),
        devices: BTreeMap::new(),
        steps: vec![eventually("read on the second device")],
        unjournalled: crate::plan::Unjournalled::Refuse,
        slo: None,
        alert: crate::plan::AlertPolicy::default(),
        needs: Vec::new(),
        maintenance: Vec::new(),
        redact: None,
        location: location(),
    };
    Arc::new(Canary {
        id: CanaryId::new(probe, region, &cell),
        probe: Arc::new(made),
        region: Arc::new(Region { name: region.into(), vars: Vec::new() }),
        cell,
    })
}

pub(super) fn step(name: &str, started: u64, duration: u64) -> StepReport {
    StepReport {
        name: name.into(),
        span_id: SpanId(7),
        parent: None,
        device: "main".into(),
        round: None,
        subject: None,
        started: Duration::from_micros(started),
        duration: Duration::from_micros(duration),
        stalled: Duration::ZERO,
        convergence: None,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    }
}

/// The plan of a step that is polled.
fn eventually(name: &str) -> Step {
    Step {
        name: name.into(),
        device: None,
        action: Action::Parallel(Vec::new()),
        looping: None,
        at_once: std::num::NonZeroU8::MIN,
        subject: None,
        when: None,
        guard: Vec::new(),
        timeout: None,
        retry: None,
        eventually: Some(Eventually { within: Duration::from_secs(2), poll: Duration::from_millis(100), since: None }),
        consistently: None,
        expect: Vec::new(),
        contract: None,
        capture: Vec::new(),
        allow_failure: false,
        allow_empty: false,
        cleanup: Vec::new(),
        unless_created: None,
        location: location(),
    }
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
        }];
    }
    let due_at = at(due);
    RunReport {
        run_id: RunId(ulid::Ulid::from_parts(u64::try_from(at_ms(due)).unwrap(), fastrand::u128(..))),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due: due_at, slot: 0, order: due + 1 },
        started: due_at + Duration::from_millis(3),
        lateness: Duration::from_millis(3),
        duration: Duration::from_micros(31_250),
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict,
        cause,
        steps,
        vars: vec![("title".into(), "canary 1".to_owned())],
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

pub(super) fn settings(directory: &Path) -> StoreSettings {
    StoreSettings {
        path: directory.join("state/serinus.db"),
        keep_passed: Duration::from_hours(24),
        keep_failed: Duration::from_hours(72),
        keep_rollups: Duration::from_hours(240),
        bodies: Bodies::Failed,
    }
}
