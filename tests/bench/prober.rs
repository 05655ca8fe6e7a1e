//! What is measured: the real configuration, engine, scheduler, telemetry, alerts and store, put together as the service does.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::alert::channel::HttpClient;
use serinus::alert::{AlertPart, AlertParts, AlertThread, Alerts};
use serinus::app::{Running, ServiceParts, Sharing, open_store};
use serinus::config;
use serinus::history::Store;
use serinus::outcome::{OutcomeSink, RunReport, Secrets};
use serinus::plan::{LogFormat, Service, Traces};
use serinus::run::step::http::HttpClients;
use serinus::run::{Engine, StallLog};
use serinus::telemetry::logs::{self, LogGuard};
use serinus::telemetry::{Metrics, Telemetry, Tracer, TracerConfig};

/// How long everything that was measured may take to end.
const END: Duration = Duration::from_mins(1);

/// Loads a configuration the benchmark wrote, and logs as the service does what is at least so important.
pub(crate) fn load(file: &Path, least: &str) -> (Service, LogGuard) {
    let guard = logs::init(LogFormat::Human, least).expect("nothing else set up logging");
    let loaded = config::load(file, []);
    let service = loaded.service.unwrap_or_else(|| panic!("the configuration is valid: {}", loaded.diagnostics.render(false)));
    (service, guard)
}

/// Opens a service's store.
pub(crate) async fn open(service: &Service) -> Arc<dyn Store> {
    let settings = service.store.as_ref().expect("a store is configured");
    open_store(settings, None).await.expect("the store can be opened").store
}

/// An engine for a service.
pub(crate) fn engine(service: &Service, stalls: &Arc<StallLog>, store: &Arc<dyn Store>) -> Engine {
    let clients = HttpClients::new(&service.plan.limits).expect("the machine has root certificates");
    Engine::new(clients, service.plan.limits.clone(), Arc::clone(stalls), Arc::new(Secrets::default())).with_ledger(store.clone())
}

/// The whole service, on the runtime it is called on. `watcher` is told of every run.
pub(crate) async fn start(service: Service, store: Arc<dyn Store>, watcher: Arc<dyn OutcomeSink>) -> Running {
    let stalls = Arc::new(StallLog::default());
    let engine = engine(&service, &stalls, &store);
    let parts = ServiceParts {
        service,
        secrets: Arc::default(),
        runner: Arc::new(engine.clone()),
        stalls,
        watchers: vec![watcher],
        jobs: Vec::new(),
        store,
        engine: Some(engine),
        self_check: None,
        sharing: Sharing::Own,
        source: None,
    };
    Running::start(parts).await.expect("the service starts")
}

/// Everything that a finished run goes through: metrics, traces, alert rules and store.
pub(crate) struct Report {
    telemetry: Telemetry,
    pub(crate) alerts: Alerts,
    thread: AlertThread,
    store: Arc<dyn Store>,
}

impl Report {
    pub(crate) fn start(service: &Service, store: Arc<dyn Store>) -> Self {
        // What opening it read is there at once.
        let remembered = futures::executor::block_on(store.start_state(SystemTime::now())).expect("the store can be read");
        let tracer = service.traces.as_ref().map(|traces| Tracer::start(tracer(traces)).expect("a thread can be started"));
        let telemetry = Telemetry::new(Metrics::new(&service.plan), tracer);
        let parts = AlertParts {
            plan: Arc::clone(&service.plan),
            alerting: Arc::clone(&service.alerting),
            secrets: Arc::default(),
            client: HttpClient::new(&[]).expect("the machine has root certificates"),
            store: store.clone(),
            remembered,
            graceful_before: true,
            paused: HashMap::new(),
            mutes: Vec::new(),
            alert_states: telemetry.metrics().clone(),
            part: AlertPart::Single,
            links: None,
        };
        let (alerts, thread) = Alerts::start(parts).expect("a thread can be started");
        Self { telemetry, alerts, thread, store }
    }

    pub(crate) fn run(&self, report: &Arc<RunReport>) {
        self.telemetry.run_finished(report);
        self.alerts.run_finished(report);
    }

    /// Until all is handled, sent and written.
    pub(crate) async fn end(self) {
        let Self { telemetry, alerts, thread, store } = self;
        drop(alerts);
        assert_eq!(thread.stop(END).await, 0, "every page arrives");
        assert!(store.shut_down(END).await, "everything is written");
        let flushed = tokio::task::block_in_place(|| telemetry.stop(END));
        assert_eq!(flushed.lost, 0, "every trace arrives");
    }
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
