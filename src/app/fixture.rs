//! Canaries and reports made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{RunReport, SpanId, TraceId, Verdict};
use crate::plan::{Cadence, Canary, Limits, Listen, LogFormat, Plan, Probe, Proxies, Service, testing};

/// A canary of the probe `p`, every second.
pub(super) fn canary(region: &str) -> Arc<Canary> {
    let (cadence, deadline) = (Cadence::Every(Duration::from_secs(1)), Duration::from_secs(5));
    testing::canary(&Arc::new(Probe { cadence, deadline, ..testing::probe("p") }), region)
}

/// A run that started so many seconds after the epoch and took two.
pub(super) fn run(canary: &Arc<Canary>, verdict: Verdict, started: u64) -> Arc<RunReport> {
    let due = SystemTime::UNIX_EPOCH + Duration::from_secs(started);
    let report = crate::outcome::testing::run(canary, verdict, due);
    Arc::new(RunReport { duration: Duration::from_secs(2), trace_id: TraceId::random(), span_id: SpanId::random(), ..report })
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
        listen: Listen {
            address: ([127, 0, 0, 1], 0).into(),
            tokens: Vec::new(),
            key: None,
            hosts: Vec::new(),
            proxies: Proxies::default(),
            tls: None,
        },
        traces: None,
        log_format: LogFormat::Human,
        alerting: Arc::default(),
        store: None,
        fleet: None,
        self_check: None,
        heartbeat: None,
        status_page: None,
    }
}
