//! The thread that turns reports into requests and sends them until they are delivered or given up.
//!
//! While a receiver is away one request waits to be made again, and what comes meanwhile waits in the queue, which has its
//! bound. What a request and its answer look like is [`otlp`](super::otlp)'s business, when it is made again that of
//! [`retry`](super::retry).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

use super::otlp::{self, ExportResult, Otlp};
use super::retry::RequestRetries;
use super::spans;
use super::state::{QueuedReport, TracerConfig, TracerState};

/// Reports taken from the queue at once.
const BATCH: usize = 256;

/// Spans in one request, give or take those of one report.
const REQUEST_SPANS: usize = 2_048;

/// How long a first report waits for others.
const LINGER: Duration = Duration::from_millis(500);

/// Failures are logged no more often than this.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// The thread. `_alive` is held until it ends.
pub(super) fn export_until_closed(
    config: &TracerConfig,
    shared: &TracerState,
    ready: &Sender<io::Result<()>>,
    _alive: Sender<()>,
) {
    let otlp = match Otlp::new(config) {
        Ok(otlp) => otlp,
        Err(error) => {
            // A receiver that is gone has stopped caring.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let endpoint = otlp::shown(&config.endpoint);
    let [lost, rejected, away] = [(); 3].map(|()| LogThrottle::default());
    let mut exporter = Exporter { otlp, shared, endpoint, lost, rejected, away };
    loop {
        let reports = shared.queue.take(BATCH, LINGER);
        if reports.is_empty() {
            return;
        }
        let mut batch = Batch::new();
        let (mut in_batch, mut spans_in_batch) = (0, 0);
        for (at, report) in reports.iter().enumerate() {
            let (region, spans) = spans_of(report);
            spans_in_batch += spans.len();
            batch.entry(region).or_default().extend(spans);
            in_batch += 1;
            if spans_in_batch >= REQUEST_SPANS || at + 1 == reports.len() {
                spans_in_batch = 0;
                exporter.export(std::mem::take(&mut batch), std::mem::take(&mut in_batch));
            }
        }
    }
}

/// Spans by region.
type Batch = BTreeMap<Arc<str>, Vec<SpanData>>;

struct Exporter<'s> {
    otlp: Otlp,
    shared: &'s TracerState,
    endpoint: String,
    /// Of reports that were given up.
    lost: LogThrottle,
    /// Of spans that were rejected, or taken with a word.
    rejected: LogThrottle,
    /// Of requests that wait to be made again.
    away: LogThrottle,
}

impl Exporter<'_> {
    fn export(&mut self, batch: Batch, reports: u64) {
        self.shared.on_its_way.store(reports, Ordering::Relaxed);
        let answer = self.deliver(batch, reports);
        if self.shared.on_its_way.swap(0, Ordering::Relaxed) == 0 {
            // They were given up, and counted, while the request was under way.
            return;
        }
        match answer {
            Ok((rejected, message)) => {
                self.shared.exported.add(reports);
                self.shared.rejected.add(rejected);
                if rejected > 0 || !message.is_empty() {
                    self.say_rejected(rejected, &message);
                }
            }
            Err(why) => {
                self.shared.dropped_failed.add(reports);
                if let Some(lost) = self.lost.due(reports, Instant::now()) {
                    let endpoint = &self.endpoint;
                    tracing::warn!(
                        endpoint,
                        lost,
                        error = why,
                        "traces could not be delivered and are lost; check that an OTLP/HTTP receiver listens at traces.endpoint"
                    );
                }
            }
        }
    }

    /// Makes the request until it is taken, refused, or given up: spans that were rejected and what was said, or why not.
    fn deliver(&mut self, batch: Batch, reports: u64) -> Result<(u64, String), String> {
        let body = self.otlp.encode(batch);
        let mut tries = RequestRetries::begin(Instant::now());
        loop {
            let (after, why) = match self.otlp.send(&body) {
                ExportResult::Taken { rejected, message } => return Ok((rejected, message)),
                ExportResult::Refused(why) => return Err(why),
                ExportResult::Later { after, why } => (after, why),
            };
            let closed = self.shared.queue.is_closed();
            let Some(pause) = tries.again(Instant::now(), after, fastrand::f64(), closed) else { return Err(why) };
            if self.away.due(0, Instant::now()).is_some() {
                let (endpoint, waiting) = (&self.endpoint, reports);
                tracing::info!(endpoint, waiting, error = why, "traces could not be delivered yet and are sent again");
            }
            if closed { std::thread::sleep(pause) } else { self.shared.queue.wait_for_the_end(pause) }
        }
    }

    fn say_rejected(&mut self, rejected: u64, message: &str) {
        if let Some(rejected) = self.rejected.due(rejected, Instant::now()) {
            let endpoint = &self.endpoint;
            tracing::warn!(
                endpoint,
                rejected,
                said = message,
                "the receiver of traces took them, but not all spans or not without a word"
            );
        }
    }
}

/// What happened since the last line of the log about it.
#[derive(Debug, Default)]
struct LogThrottle {
    last: Option<Instant>,
    count: u64,
}

impl LogThrottle {
    /// The count to log, with `more`, if it is time to.
    fn due(&mut self, more: u64, now: Instant) -> Option<u64> {
        self.count += more;
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < COMPLAIN_EVERY) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

/// The region of a report, and its spans.
fn spans_of(report: &QueuedReport) -> (Arc<str>, Vec<SpanData>) {
    let (canary, spans) = match report {
        QueuedReport::Run(report) => (&report.canary, spans::of_run(report)),
        QueuedReport::Cleanup(report) => (&report.run.canary, spans::of_cleanup(report)),
    };
    (Arc::clone(&canary.region.name), spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_of_once_a_minute_with_all_that_was_lost_since() {
        let start = Instant::now();
        let mut told = LogThrottle::default();
        assert_eq!(told.due(3, start), Some(3));
        assert_eq!(told.due(5, start + Duration::from_secs(59)), None);
        assert_eq!(told.due(7, start + Duration::from_mins(1)), Some(12));
    }
}
