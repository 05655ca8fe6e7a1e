//! What is measured: the real configuration, engine, scheduler and telemetry, put together as the service does.

use std::path::Path;
use std::sync::Arc;

use serinus::config;
use serinus::outcome::Secrets;
use serinus::plan::{LogFormat, Service, Traces};
use serinus::run::step::http::HttpClients;
use serinus::run::{Engine, StallLog};
use serinus::telemetry::logs::{self, LogGuard};
use serinus::telemetry::{Metrics, Telemetry, Tracer, TracerConfig};

/// Loads a configuration the benchmark wrote, and logs as the service does.
pub(crate) fn load(file: &Path) -> (Service, LogGuard) {
    let guard = logs::init(LogFormat::Human, "info").expect("nothing else set up logging");
    let loaded = config::load(file, []);
    let service = loaded.service.unwrap_or_else(|| panic!("the configuration is valid: {}", loaded.diagnostics.render(false)));
    (service, guard)
}

/// An engine for a service.
pub(crate) fn engine(service: &Service, stalls: &Arc<StallLog>) -> Engine {
    let clients = HttpClients::new(&service.plan.limits).expect("the machine has root certificates");
    Engine::new(clients, service.plan.limits.clone(), Arc::clone(stalls), Arc::new(Secrets::default()))
}

/// Metrics and traces of a service, every run's.
pub(crate) fn telemetry(service: &Service) -> Telemetry {
    let tracer = service.traces.as_ref().map(|traces| Tracer::start(tracer(traces)).expect("a thread can be started"));
    Telemetry::new(Metrics::new(&service.plan), tracer)
}

fn tracer(traces: &Traces) -> TracerConfig {
    TracerConfig {
        endpoint: traces.endpoint.clone(),
        headers: Vec::new(),
        timeout: traces.timeout,
        queue: traces.queue,
        sample_passed: traces.sample_passed,
        service_name: "serinus-bench".to_owned(),
        resource: Vec::new(),
    }
}
