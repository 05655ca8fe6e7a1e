//! Settings of the process that are not about one probe.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Alerting, FleetSettings, Heartbeat, Listen, Plan, SelfCheckSettings, StatusPage, StoreSettings};

/// A whole, validated configuration: the plan and how the process around it behaves.
#[derive(Debug, Clone)]
pub struct Service {
    /// What to run.
    pub plan: Arc<Plan>,
    /// Where the metrics are served.
    pub listen: Listen,
    /// Where traces go; nowhere if absent.
    pub traces: Option<Traces>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where pages go.
    pub alerting: Arc<Alerting>,
    /// Where everything is kept; in memory only if absent, which `run` does not allow.
    pub store: Option<StoreSettings>,
    /// Its part in a fleet; there is none where the store is its own.
    pub fleet: Option<FleetSettings>,
    /// How the prober tells its own outage from the targets'; nothing is excused if absent.
    pub self_check: Option<SelfCheckSettings>,
    /// The dead-man's switch.
    pub heartbeat: Option<Arc<Heartbeat>>,
    /// What everybody may see; nobody may see anything if absent.
    pub status_page: Option<Arc<StatusPage>>,
}

/// OTLP export over HTTP/protobuf.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Full URL of the traces endpoint, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Request headers; values may be secrets, by name.
    pub headers: Vec<(String, super::Template)>,
    /// Share of passed runs whose traces are exported, 0 ≤ share ≤ 1; runs that did not pass always are.
    pub sample_passed: f64,
    /// Bound on one export request.
    pub timeout: Duration,
    /// Runs that may wait for export before newer ones are dropped and counted.
    pub queue: usize,
}

/// Shape of log lines on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Bounds that hold for every run of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Runs in flight at once, all probes together.
    pub concurrent_runs: usize,
    /// Bound on one attempt where the step says nothing.
    pub step_timeout: Duration,
    /// Body bytes read after decompression before the attempt fails with `response_too_large`.
    pub response_bytes: usize,
    /// Budget of a run's cleanup.
    pub cleanup: Duration,
    /// How long running runs may go on at shutdown.
    pub shutdown_grace: Duration,
    /// Smallest interval a probe may have.
    pub min_interval: Duration,
    /// Extra root certificates (PEM files) trusted by every device.
    pub extra_roots: Vec<PathBuf>,
    /// Whether probes may run programs on this machine.
    pub exec: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_runs: 1_000,
            step_timeout: Duration::from_secs(30),
            response_bytes: 4 << 20,
            cleanup: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            min_interval: Duration::from_secs(1),
            extra_roots: Vec::new(),
            exec: false,
        }
    }
}

/// A source of one secret. The value lives elsewhere, so that a plan can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable's name.
    Env(String),
    /// A file; one trailing line break is not part of the secret.
    File(PathBuf),
}
