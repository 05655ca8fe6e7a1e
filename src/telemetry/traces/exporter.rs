//! The thread that turns reports into requests.
//!
//! The exporter blocks, so it is built and used on a thread of its own without a tokio runtime: a blocking client inside a
//! runtime panics, and an asynchronous one outside of it too.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use super::spans;
use super::tracer::{Report, Shared, TracerConfig};

/// Reports taken from the queue at once.
const BATCH: usize = 256;

/// Spans in one request, give or take those of one report.
const REQUEST_SPANS: usize = 2_048;

/// How long a first report waits for company.
const LINGER: Duration = Duration::from_millis(500);

/// Failures are logged no more often than this.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// The thread. `_alive` is held until it ends.
pub(super) fn export_until_closed(config: &TracerConfig, shared: &Shared, ready: &Sender<io::Result<()>>, _alive: Sender<()>) {
    let exporter = match exporter(config) {
        Ok(exporter) => exporter,
        Err(error) => {
            // A receiver that is gone has stopped caring.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let mut complaints = Complaints::default();
    loop {
        let reports = shared.queue.take(BATCH, LINGER);
        if reports.is_empty() {
            return;
        }
        let mut batch = Vec::new();
        let mut in_batch = 0;
        let last = reports.len() - 1;
        for (at, report) in reports.iter().enumerate() {
            batch.extend(spans_of(report));
            in_batch += 1;
            if batch.len() >= REQUEST_SPANS || at == last {
                export(&exporter, std::mem::take(&mut batch), std::mem::take(&mut in_batch), shared, &mut complaints, config);
            }
        }
    }
}

fn export(
    exporter: &SpanExporter,
    batch: Vec<SpanData>,
    reports: u64,
    shared: &Shared,
    complaints: &mut Complaints,
    config: &TracerConfig,
) {
    shared.on_its_way.store(reports, Ordering::Relaxed);
    let result = futures::executor::block_on(exporter.export(batch));
    if shared.on_its_way.swap(0, Ordering::Relaxed) == 0 {
        // They were given up, and counted, while they were on their way.
        return;
    }
    match result {
        Ok(()) => shared.exported.add(reports),
        Err(error) => {
            shared.dropped_failed.add(reports);
            if let Some(lost) = complaints.due(reports, Instant::now()) {
                let endpoint = without_secrets(&config.endpoint);
                tracing::warn!(
                    endpoint,
                    lost,
                    %error,
                    "traces could not be delivered and are lost; check that an OTLP/HTTP receiver listens at traces.endpoint"
                );
            }
        }
    }
}

/// Failures since the last time somebody was told.
#[derive(Debug, Default)]
struct Complaints {
    told: Option<Instant>,
    lost: u64,
}

impl Complaints {
    /// How many lost reports to tell of, if it is time to.
    fn due(&mut self, lost: u64, now: Instant) -> Option<u64> {
        self.lost += lost;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < COMPLAIN_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.lost))
    }
}

fn exporter(config: &TracerConfig) -> io::Result<SpanExporter> {
    let headers: HashMap<String, String> = config.headers.iter().cloned().collect();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(config.endpoint.clone())
        .with_headers(headers)
        .with_timeout(config.timeout)
        .with_protocol(Protocol::HttpBinary)
        .build()
        .map_err(|error| invalid(format!("traces cannot be sent to `{}`: {error}", without_secrets(&config.endpoint))))?;
    let further = config.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let resource = Resource::builder()
        .with_service_name(config.service_name.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(further)
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

/// The endpoint for people: user information and query are left out.
fn without_secrets(endpoint: &str) -> String {
    url::Url::parse(endpoint).map_or_else(
        |_| "(not a URL)".to_owned(),
        |url| format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()),
    )
}

fn spans_of(report: &Report) -> Vec<SpanData> {
    match report {
        Report::Run(report) => spans::of_run(report),
        Report::Cleanup(report) => spans::of_cleanup(report),
    }
}

/// An error about the configuration.
pub(super) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_of_once_a_minute_with_all_that_was_lost_since() {
        let start = Instant::now();
        let mut complaints = Complaints::default();
        assert_eq!(complaints.due(3, start), Some(3));
        assert_eq!(complaints.due(5, start + Duration::from_secs(59)), None);
        assert_eq!(complaints.due(7, start + Duration::from_mins(1)), Some(12));
    }

    #[test]
    fn an_endpoint_is_told_without_user_information_and_query() {
        assert_eq!(without_secrets("https://me:secret@otlp.example/v1/traces?key=secret"), "https://otlp.example/v1/traces");
    }
}
