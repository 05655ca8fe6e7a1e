//! The queue to the exporting thread: what runs see of tracing.
//!
//! Owns which reports are worth a trace, and the end. What is in the queue is the exporting thread's business.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use crate::outcome::{CleanupReport, CleanupResult, RunReport, Verdict};

use super::exporter;
use super::state::{QueuedReport, TracerConfig, TracerState};
use crate::telemetry::metrics::process;

/// What became of the reports that still waited when the tracer was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Delivered before the deadline.
    pub exported: u64,
    /// Not delivered.
    pub lost: u64,
}

/// Sends finished runs to an OTLP receiver. Offering never waits.
#[derive(Debug)]
pub struct Tracer {
    shared: Arc<TracerState>,
    /// Disconnected once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Tracer {
    /// Starts the exporting thread. The receiver need not be there yet.
    ///
    /// # Errors
    /// If the endpoint is no URL, a header is none, or the thread cannot be started.
    pub fn start(config: TracerConfig) -> io::Result<Self> {
        let _ = process::recorder();
        // The client wants one even for plain HTTP. An error means that there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shared = Arc::new(TracerState::new(&config));
        let (alive, ended) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        thread::Builder::new().name("traces".into()).spawn({
            let shared = Arc::clone(&shared);
            move || exporter::export_until_closed(&config, &shared, &ready, alive)
        })?;
        started.recv().map_err(|_| io::Error::other("the traces thread ended before it was ready"))??;
        Ok(Self { shared, ended: Mutex::new(ended) })
    }

    /// Hands over a finished run, if its trace is wanted. Dropped and counted if the queue is full.
    pub fn offer_run(&self, report: &Arc<RunReport>) {
        if exports_run(report, self.shared.sample_passed) {
            self.shared.offer(QueuedReport::Run(Arc::clone(report)));
        }
    }

    /// Hands over a finished cleanup, under the same rule.
    pub fn offer_cleanup(&self, report: &Arc<CleanupReport>) {
        if exports_cleanup(report, self.shared.sample_passed) {
            self.shared.offer(QueuedReport::Cleanup(Arc::clone(report)));
        }
    }

    /// Reports delivered so far.
    pub fn exported(&self) -> u64 {
        self.shared.exported.get()
    }

    /// Reports dropped so far, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }

    /// Brings the gauge of waiting reports up to date.
    pub fn maintain(&self) {
        #[expect(clippy::cast_precision_loss, reason = "the queue is far shorter than 2^52")]
        self.shared.queued.set(self.shared.queue.len() as f64);
    }

    /// Takes nothing more, and waits up to `deadline` for what waits to be delivered. Blocks. Past the deadline the thread is
    /// left to the end of its request, which has a bound of its own.
    pub fn stop(&self, deadline: Duration) -> Flushed {
        let before = (self.shared.exported.get(), self.shared.dropped());
        self.shared.queue.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(deadline);
        match ended {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                let waiting = u64::try_from(self.shared.queue.clear()).unwrap_or(u64::MAX);
                self.shared.dropped_shutdown.add(waiting + self.shared.on_its_way.swap(0, Ordering::Relaxed));
            }
        }
        Flushed { exported: self.shared.exported.get() - before.0, lost: self.shared.dropped() - before.1 }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// Whether a run's trace is exported: always if it was made and did not pass, by the trace id if it passed, never if
/// it was not made. `sample_passed` is the share of passed runs, 0 ≤ share ≤ 1. `traceparent` follows the same rule, as if each
/// run passed.
fn exports_run(report: &RunReport, sample_passed: f64) -> bool {
    match report.verdict {
        Verdict::Passed => report.trace_id.is_in_share(sample_passed),
        Verdict::Failed | Verdict::Errored | Verdict::Blocked => true,
        Verdict::Missed | Verdict::Skipped => false,
    }
}

/// Whether a cleanup's spans are exported: with its run's, and always if something was left behind.
fn exports_cleanup(report: &CleanupReport, sample_passed: f64) -> bool {
    match report.result {
        CleanupResult::Clean => exports_run(&report.run, sample_passed),
        CleanupResult::Leaked(_) => true,
    }
}
