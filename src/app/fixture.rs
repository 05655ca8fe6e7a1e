//! Canaries and reports made by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{RunId, RunReport, SpanId, Tick, TraceId, Trigger, Verdict};
use crate::plan::{Cadence, Canary, CanaryId, Cell, Limits, Listen, LogFormat, Overlap, Plan, Probe, Region, Service};
use crate::source::Location;

/// A canary of the probe `p` without a matrix.
pub(super) fn canary(region: &str) -> Arc<Canary> {
    let cell = Arc::new(Cell::default());
    let probe = Probe {
        name: "p".into(),
        summary: None,
        owner: None,
        runbook: None,
        tags: Vec::new(),
        cadence: Cadence::Every(Duration::from_secs(1)),
        runs: 1,
        confirm: None,
        overlap: Overlap::Skip,
        deadline: Duration::from_secs(5),
        cells: vec![Arc::clone(&cell)],
        vars: Vec::new(),
        devices: BTreeMap::new(),
        steps: Vec::new(),
        unjournalled: crate::plan::Unjournalled::Refuse,
        slo: None,
        alert: crate::plan::AlertPolicy::default(),
        needs: Vec::new(),
        maintenance: Vec::new(),
        redact: None,
        location: Location { path: Arc::from(Path::new("p.toml")), line: 1, column: 1 },
    };
    Arc::new(Canary {
        id: CanaryId::new("p", region, &cell),
        probe: Arc::new(probe),
        region: Arc::new(Region { name: region.into(), vars: Vec::new() }),
        cell,
    })
}

/// A run that started so many seconds after the epoch and took two.
pub(super) fn run(canary: &Arc<Canary>, verdict: Verdict, started: u64) -> Arc<RunReport> {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(started);
    Arc::new(RunReport {
        run_id: RunId(ulid::Ulid::nil()),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due: started, slot: 0, order: 0 },
        started,
        lateness: Duration::ZERO,
        duration: Duration::from_secs(2),
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict,
        cause: None,
        steps: Vec::new(),
        vars: Vec::new(),
    })
}

/// A service of these canaries on a free loopback port, with little patience at shutdown.
pub(super) fn service(canaries: Vec<Arc<Canary>>) -> Service {
    let limits = Limits { shutdown_grace: Duration::from_millis(200), cleanup: Duration::from_millis(100), ..Limits::default() };
    let plan = Plan {
        known_regions: canaries.iter().map(|canary| Arc::clone(&canary.region.name)).collect(),
        maintenance: Vec::new(),
        regions: canaries.iter().map(|canary| Arc::clone(&canary.region)).collect(),
        probes: canaries.iter().map(|canary| Arc::clone(&canary.probe)).collect(),
        canaries,
        secrets: BTreeMap::new(),
        limits,
    };
    Service {
        plan: Arc::new(plan),
        listen: Listen { address: ([127, 0, 0, 1], 0).into(), token: None, hosts: Vec::new() },
        traces: None,
        log_format: LogFormat::Human,
        alerting: Arc::default(),
        store: None,
        self_check: None,
        heartbeat: None,
    }
}
