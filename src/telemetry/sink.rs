//! Metrics, traces and logs behind the one port that runs leave through.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::outcome::{CleanupReport, MissedTicks, OutcomeSink, RunReport};

use super::{Flushed, Format, Metrics, Tracer, logs, runtime_stalled};

/// Everything that is told of finished runs.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Arc<Metrics>,
    tracer: Option<Tracer>,
}

impl Telemetry {
    /// Puts the ways out together; without a tracer no traces are sent. Logs go to wherever [`logs::init`] sent them.
    pub fn new(metrics: Arc<Metrics>, tracer: Option<Tracer>) -> Self {
        Self { metrics, tracer }
    }

    /// The metrics, for reloads.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The body for a scraper, at most a second old. Blocks: call it from `spawn_blocking`.
    pub fn render(&self, format: Format) -> Bytes {
        if let Some(tracer) = &self.tracer {
            tracer.maintain();
        }
        self.metrics.render(format)
    }

    /// Housekeeping, every five seconds or so. Blocks shortly.
    pub fn maintain(&self) {
        self.metrics.maintain();
    }

    /// Sends the traces that wait, for at most `deadline`. Blocks: call it from `spawn_blocking`, after the last run ended.
    pub fn stop(&self, deadline: Duration) -> Flushed {
        self.tracer.as_ref().map(|tracer| tracer.stop(deadline)).unwrap_or_default()
    }
}

impl OutcomeSink for Telemetry {
    fn run_finished(&self, report: &Arc<RunReport>) {
        self.metrics.record(report);
        if let Some(tracer) = &self.tracer {
            tracer.offer_run(report);
        }
        logs::run_finished(report);
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        self.metrics.record_cleanup(report);
        if let Some(tracer) = &self.tracer {
            tracer.offer_cleanup(report);
        }
        logs::cleanup_finished(report);
    }

    fn ticks_missed(&self, missed: &MissedTicks) {
        self.metrics.record_missed(missed);
    }

    fn stalled(&self, lasting: Duration) {
        runtime_stalled(lasting);
    }
}
