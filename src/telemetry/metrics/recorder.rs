//! Finished runs in, one `/metrics` body out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{Counter, counter};

use crate::outcome::{AlertStateSink, CleanupReport, IncidentScope, MissedTicks, RunReport, Trigger, Verdict};
use crate::plan::{CanaryId, Plan, Severity};

use super::alert_state::AlertState;
use super::edges::lateness_edges;
use super::exposition::{Exposition, Format};
use super::families::{self, TickSeries};
use super::histogram::Histogram;
use super::incidents::Incidents;
use super::index::SeriesIndex;
use super::process::Uncounted;
use super::{process, usage};

/// How old a body may be that a scraper gets.
const FRESH: Duration = Duration::from_secs(1);

/// All metrics of the process. Recording takes a few hundred nanoseconds; rendering takes as long as it takes and belongs on
/// a thread that may block.
#[derive(Debug)]
pub struct Metrics {
    index: RwLock<Arc<SeriesIndex>>,
    ticks: TickSeries,
    incidents: Incidents,
    uncounted: [Counter; Uncounted::ALL.len()],
    bodies: [Mutex<Option<RenderedBody>>; 2],
    /// Length of the last body, so that the next is allocated once.
    length: AtomicUsize,
}

#[derive(Debug)]
struct RenderedBody {
    rendered: Instant,
    bytes: Bytes,
}

impl Metrics {
    /// Registers every series of `plan` at zero, and the process's recorder for the `metrics` façade.
    pub fn new(plan: &Plan) -> Arc<Self> {
        let _ = process::recorder();
        let ticks =
            TickSeries { lateness: Histogram::new(&lateness_edges()), missed: std::array::from_fn(|_| AtomicU64::new(0)) };
        Arc::new(Self {
            index: RwLock::new(Arc::new(SeriesIndex::new(plan, &SeriesIndex::default()))),
            ticks,
            incidents: Incidents::default(),
            uncounted: Uncounted::ALL.map(|why| counter!(process::RUNS_UNCOUNTED, "why" => why.as_str())),
            bodies: [const { Mutex::new(None) }; 2],
            length: AtomicUsize::new(0),
        })
    }

    /// Takes over a new plan: unchanged canaries keep their numbers, removed ones take theirs with them.
    pub fn apply(&self, plan: &Plan) {
        let new = SeriesIndex::new(plan, &self.index());
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// Counts a finished run, or a tick that did not run. Runs by hand never count.
    pub fn record(&self, report: &RunReport) {
        let counted = match report.trigger {
            Trigger::Schedule | Trigger::Confirm | Trigger::Needed => Ok(()),
            Trigger::Manual => Err(Uncounted::Manual),
            Trigger::Test => Err(Uncounted::Test),
        };
        let index = self.index();
        match (counted, index.get(&report.canary.id)) {
            (Ok(()), Some(series)) => {
                series.record(report);
                self.record_tick(report);
            }
            (Ok(()), None) => self.uncounted(Uncounted::Removed),
            (Err(why), _) => self.uncounted(why),
        }
    }

    /// Counts a finished cleanup; those of runs by hand too, since what they leave behind is as real.
    pub fn record_cleanup(&self, report: &CleanupReport) {
        if let Some(series) = self.index().get(&report.run.canary.id) {
            series.region.record_cleanup(&report.result);
        }
    }

    /// Sets what is left behind by probe and region, from the cleanup ledger. Nothing is left behind where `leaked` has no entry.
    pub fn set_leaked(&self, leaked: &BTreeMap<(String, String), u64>) {
        for region in &self.index().regions {
            let key = (region.probe.to_string(), region.region.to_string());
            region.set_leaked(leaked.get(&key).copied().unwrap_or_default());
        }
    }

    /// The body for a scraper, at most a second old. Scrapers that come while one is rendered wait for that one. Blocks.
    pub fn render(&self, format: Format) -> Bytes {
        let mut body = self.body(format);
        if let Some(body) = body.as_ref().filter(|body| body.rendered.elapsed() < FRESH) {
            return body.bytes.clone();
        }
        // Freed before the next is built, so that there are never two.
        *body = None;
        let bytes = Bytes::from(self.encode(format));
        *body = Some(RenderedBody { rendered: Instant::now(), bytes: bytes.clone() });
        bytes
    }

    /// The body as it is now, without looking at a former one. Blocks.
    pub fn encode(&self, format: Format) -> String {
        let length = self.length.load(Ordering::Relaxed);
        let mut body = Exposition::new(format, length + length / 16);
        families::write(&mut body, &self.index(), &self.ticks);
        self.incidents.write(&mut body, Instant::now());
        usage::write(&mut body);
        body.append_prometheus_text(&process::recorder().render());
        let text = body.finish();
        self.length.store(text.len(), Ordering::Relaxed);
        text
    }

    /// Frees bodies no scraper may get any more, and folds what the façade's histograms collected. For a housekeeping job
    /// every few seconds.
    pub fn maintain(&self) {
        process::recorder().run_upkeep();
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let mut body = self.body(format);
            if body.as_ref().is_some_and(|body| body.rendered.elapsed() >= FRESH) {
                *body = None;
            }
        }
    }

    /// Counts ticks that did not run and have no reports of their own.
    pub fn record_missed(&self, missed: &MissedTicks) {
        if let Some(series) = self.index().get(&missed.canary.id) {
            series.counts.missed(missed.reason, missed.count);
        }
        self.ticks.missed[missed.reason as usize].fetch_add(missed.count, Ordering::Relaxed);
    }

    fn record_tick(&self, report: &RunReport) {
        match report.verdict {
            Verdict::Passed | Verdict::Failed | Verdict::Errored | Verdict::Blocked => {
                if report.trigger == Trigger::Schedule {
                    self.ticks.lateness.observe(report.lateness);
                }
            }
            Verdict::Missed => {
                if let Some(cause) = &report.cause {
                    self.ticks.missed[cause.reason as usize].fetch_add(1, Ordering::Relaxed);
                }
            }
            Verdict::Skipped => {}
        }
    }

    fn uncounted(&self, why: Uncounted) {
        self.uncounted[why as usize].increment(1);
    }

    fn index(&self) -> Arc<SeriesIndex> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn body(&self, format: Format) -> MutexGuard<'_, Option<RenderedBody>> {
        self.bodies[format as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlertStateSink for Metrics {
    fn canary_state(&self, canary: &CanaryId, failures: u32, healthy: Option<bool>) {
        if let Some(series) = self.index().get(canary) {
            series.counts.alert_state.set(AlertState { failures, healthy });
        }
    }

    fn probe_severity(&self, probe: &str, severity: Option<Severity>) {
        if let Some(series) = self.index().probe(probe) {
            series.severity.set(severity);
        }
    }

    fn incident(&self, scope: IncidentScope<'_>, severity: Option<Severity>) {
        self.incidents.set(scope, severity);
    }

    fn evaluated(&self, now: Instant) {
        self.incidents.evaluated(now);
    }
}
