//! Moments, canaries and reports made by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Failure, Moment};
use crate::outcome::{Cause, Reason, RunId, RunReport, SpanId, StepReport, StepResult, Tick, TraceId, Trigger, Verdict};
use crate::plan::{
    Action, AlertPolicy, Cadence, Canary, CanaryId, Cell, CellValue, Limits, Overlap, Plan, Probe, Region, Step, Template,
};
use crate::source::Location;

/// Where steady time begins in these tests.
const BEGIN: Duration = Duration::from_hours(1_000);

/// So many seconds after the beginning by both clocks.
pub(super) fn moment(seconds: u64) -> Moment {
    moment_ms(seconds * 1_000, 0)
}

/// So many milliseconds after the beginning, with the wall clock set by so many hours.
pub(super) fn moment_ms(millis: u64, set_by_hours: i64) -> Moment {
    let wall = 1_763_724_828_000 + i64::try_from(millis).unwrap() + set_by_hours * 3_600_000;
    Moment {
        steady: BEGIN + Duration::from_millis(millis),
        wall: SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(wall).unwrap()),
    }
}

pub(super) fn location() -> Location {
    Location { path: Path::new("p.toml").into(), line: 1, column: 1 }
}

/// The probe `p`, every minute.
pub(super) fn probe(steps: Vec<Step>, alert: AlertPolicy) -> Probe {
    Probe {
        name: "p".into(),
        summary: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence: Cadence::Every(Duration::from_mins(1)),
        runs: 1,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(20),
        cells: vec![Arc::new(Cell::default())],
        vars: Vec::new(),
        devices: BTreeMap::new(),
        steps,
        unjournalled: crate::plan::Unjournalled::Refuse,
        slo: None,
        alert,
        needs: Vec::new(),
        maintenance: Vec::new(),
        redact: None,
        location: location(),
    }
}

/// Cells of platforms, or the one without a name where there are none.
pub(super) fn cells(platforms: &[&str]) -> Vec<Arc<Cell>> {
    let cell = |platform: &&str| Arc::new(Cell(vec![("platform".into(), CellValue::Text((*platform).into()))]));
    if platforms.is_empty() { vec![Arc::new(Cell::default())] } else { platforms.iter().map(cell).collect() }
}

/// Probes with all their cells, in each of the regions.
pub(super) fn plan(probes: Vec<Probe>, regions: &[&str]) -> Arc<Plan> {
    let region = |name: &&str| Arc::new(Region { name: (*name).into(), vars: Vec::new() });
    let regions: Vec<Arc<Region>> = regions.iter().map(region).collect();
    let probes: Vec<Arc<Probe>> = probes.into_iter().map(Arc::new).collect();
    let mut canaries = Vec::new();
    for probe in &probes {
        for region in &regions {
            canaries.extend(probe.cells.iter().map(|cell| {
                let id = CanaryId::new(&probe.name, &region.name, cell);
                Arc::new(Canary { id, probe: Arc::clone(probe), region: Arc::clone(region), cell: Arc::clone(cell) })
            }));
        }
    }
    canaries.sort_by(|one, other| one.id.cmp(&other.id));
    Arc::new(Plan {
        known_regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        regions,
        maintenance: Vec::new(),
        probes,
        canaries,
        secrets: BTreeMap::new(),
        limits: Limits::default(),
    })
}

pub(super) fn canary(probe: &Arc<Probe>, region: &str) -> Arc<Canary> {
    let cell = Arc::new(Cell::default());
    Arc::new(Canary {
        id: CanaryId::new(&probe.name, region, &cell),
        probe: Arc::clone(probe),
        region: Arc::new(Region { name: region.into(), vars: Vec::new() }),
        cell,
    })
}

/// A step; with a subject, if it is a loop that has them.
pub(super) fn step(name: &str, subjects: bool) -> Step {
    Step {
        name: name.into(),
        device: None,
        action: Action::Parallel(Vec::new()),
        looping: None,
        at_once: std::num::NonZeroU8::MIN,
        subject: subjects.then(|| Template::parse("{{ item }}", location()).unwrap()),
        when: None,
        guard: Vec::new(),
        timeout: None,
        retry: None,
        eventually: None,
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

pub(super) fn cause(reason: Reason, step: &str, subject: Option<&str>) -> Cause {
    Cause {
        reason,
        message: "it went wrong".to_owned(),
        step: Some(step.into()),
        subject: subject.map(str::to_owned),
        attempts: 1,
        expectation: None,
        location: None,
        seen: Vec::new(),
    }
}

/// A step's report.
pub(super) fn made(name: &str, subject: Option<&str>, result: StepResult) -> StepReport {
    StepReport {
        name: name.into(),
        span_id: SpanId(1),
        parent: None,
        device: "default".into(),
        round: None,
        subject: subject.map(str::to_owned),
        started: Duration::ZERO,
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        convergence: None,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        captures: Vec::new(),
        result,
        allow_failure: false,
    }
}

/// A run that took no time.
pub(super) fn run(canary: &Arc<Canary>, order: u64, verdict: Verdict, cause: Option<Cause>, steps: Vec<StepReport>) -> RunReport {
    RunReport {
        run_id: RunId(ulid::Ulid::nil()),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due: SystemTime::UNIX_EPOCH, slot: 0, order },
        started: SystemTime::UNIX_EPOCH,
        lateness: Duration::ZERO,
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        trace_id: TraceId(1),
        span_id: SpanId(1),
        verdict,
        cause,
        steps,
        vars: Vec::new(),
    }
}

/// What a page tells of a failure.
pub(super) fn failure(canary: &str, cause: &Cause) -> Failure {
    Failure {
        canary: canary.to_owned(),
        run_id: String::new(),
        trace_id: String::new(),
        at_ms: 0,
        reason: cause.reason.to_string(),
        message: cause.message.clone(),
        step: None,
        attempts: 0,
        expectation: None,
        location: None,
        seen: Vec::new(),
    }
}
