//! What runs and the exporting thread share: the configuration, the queue with its bound, and the counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use crate::outcome::{CleanupReport, RunReport};

use crate::telemetry::metrics::process;
use crate::telemetry::queue::BoundedQueue;

/// Where and how traces are sent.
#[derive(Clone)]
pub struct TracerConfig {
    /// Full URL, such as `http://127.0.0.1:4318/v1/traces`. For `https` the process's rustls provider is used.
    pub endpoint: String,
    /// Request headers, rendered; their values may be secrets and are shown nowhere.
    pub headers: Vec<(String, String)>,
    /// Bound on one request; one that fails for now is made again for up to five minutes.
    pub timeout: Duration,
    /// Reports that may wait before newer ones are dropped and counted.
    pub queue: usize,
    /// Share of passed runs that are exported, 0 ≤ share ≤ 1.
    pub sample_passed: f64,
    /// `service.name` of the resource.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
}

impl fmt::Debug for TracerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracerConfig").field("endpoint", &self.endpoint).field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// What the two threads have in common.
#[derive(Debug)]
pub(super) struct TracerState {
    pub(super) queue: BoundedQueue<QueuedReport>,
    pub(super) sample_passed: f64,
    /// Reports in the request that is on its way.
    pub(super) on_its_way: AtomicU64,
    pub(super) exported: SharedCounter,
    /// Spans, not reports.
    pub(super) rejected: SharedCounter,
    dropped_full: SharedCounter,
    pub(super) dropped_failed: SharedCounter,
    pub(super) dropped_shutdown: SharedCounter,
    pub(super) queued: Gauge,
}

/// What waits to be told.
#[derive(Debug)]
pub(super) enum QueuedReport {
    Run(Arc<RunReport>),
    Cleanup(Arc<CleanupReport>),
}

/// A count that is both read here and shown as a metric.
pub(super) struct SharedCounter {
    count: AtomicU64,
    shown: Counter,
}

impl TracerState {
    pub(super) fn new(config: &TracerConfig) -> Self {
        let dropped = |why: &'static str| SharedCounter::new(counter!(process::TRACES_DROPPED, "why" => why));
        Self {
            queue: BoundedQueue::new(config.queue),
            sample_passed: config.sample_passed,
            on_its_way: AtomicU64::new(0),
            exported: SharedCounter::new(counter!(process::TRACES_EXPORTED)),
            rejected: SharedCounter::new(counter!(process::SPANS_REJECTED)),
            dropped_full: dropped("queue_full"),
            dropped_failed: dropped("export_failed"),
            dropped_shutdown: dropped("shutdown"),
            queued: gauge!(process::TRACES_QUEUED),
        }
    }

    pub(super) fn offer(&self, report: QueuedReport) {
        if self.queue.push(report).is_err() {
            self.dropped_full.add(1);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped_full.get() + self.dropped_failed.get() + self.dropped_shutdown.get()
    }
}

impl SharedCounter {
    fn new(shown: Counter) -> Self {
        shown.absolute(0);
        Self { count: AtomicU64::new(0), shown }
    }

    /// Counts so many more.
    pub(super) fn add(&self, more: u64) {
        self.count.fetch_add(more, Ordering::Relaxed);
        self.shown.increment(more);
    }

    pub(super) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for SharedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count.fmt(f)
    }
}
