//! The numbers of one canary, and those its cells share.
//!
//! Owns what a finished run changes. Recording is atomics and one lock that only this canary's runs and a scrape ever take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::base::time::since_epoch;
use crate::outcome::{AttemptDetail, CleanupResult, Reason, RunReport, StepReport, StepResult, Verdict};
use crate::plan::Cell;

use super::alert_state::CanaryState;
use super::exposition::Exemplar;
use super::histogram::{Histogram, Summary};
use super::labels::{CanaryLabels, ExemplarLabels, RegionLabels};

/// The phases of an HTTP attempt, by the names reports use.
pub(super) const PHASES: [&str; 5] = ["dns", "connect", "tls", "first_byte", "transfer"];

/// How long the slowest run stays the one that is linked to, if no slower one comes.
const SLOWEST_FOR: Duration = Duration::from_mins(10);

/// A histogram for each of some steps.
pub(super) type ByStep = Box<[(Arc<str>, Arc<Histogram>)]>;

/// A canary's series. Cheap to make anew on reload: what must live on is shared.
#[derive(Debug)]
pub(super) struct CanarySeries {
    pub(super) cell: Arc<Cell>,
    pub(super) region: Arc<RegionSeries>,
    pub(super) counts: Arc<CanaryCounts>,
    pub(super) duration: Arc<Histogram>,
    pub(super) convergence: ByStep,
    /// Whether its runs can be degraded.
    pub(super) warns: bool,
    /// How long each of these steps is waited for, in their order.
    pub(super) within: Box<[Duration]>,
}

/// The series all cells of a probe share in a region, so that cost per canary stays small.
#[derive(Debug)]
pub(super) struct RegionSeries {
    pub(super) probe: Arc<str>,
    pub(super) region: Arc<str>,
    pub(super) steps: ByStep,
    /// Without buckets: those would mix all steps of the probe, and each has as many series as all else of a canary.
    pub(super) phases: [Arc<Summary>; PHASES.len()],
    /// Things that cleanups left behind.
    pub(super) leaked: Arc<AtomicU64>,
}

/// What a canary keeps through every reload.
#[derive(Debug, Default)]
pub(super) struct CanaryCounts {
    verdicts: [AtomicU64; Verdict::ALL.len()],
    reasons: [AtomicU64; Reason::ALL.len()],
    degraded: AtomicU64,
    /// How it stands by its facts.
    pub(super) alert_state: CanaryState,
    recent: Mutex<RecentRuns>,
}

#[derive(Debug, Default)]
struct RecentRuns {
    last_failed: Option<ExemplarRun>,
    slowest: Option<ExemplarRun>,
}

/// A run that an exemplar may link to.
#[derive(Debug, Clone, Copy)]
struct ExemplarRun {
    labels: ExemplarLabels,
    duration: Duration,
    ended: SystemTime,
}

impl CanarySeries {
    /// Counts a run of this canary.
    pub(super) fn record(&self, report: &RunReport) {
        self.counts.record(report);
        match report.verdict {
            Verdict::Passed | Verdict::Failed => self.duration.observe(report.duration),
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {}
        }
        for step in &report.steps {
            self.region.record(step);
            self.converged(step, report.verdict);
        }
    }

    /// Counts how long an `eventually` step took to hold, net of stalls, or that it never held. As for objectives it is not
    /// counted if stalls were more than half of that time.
    fn converged(&self, step: &StepReport, run: Verdict) {
        let Some(at) = self.convergence.iter().position(|(name, _)| same(name, &step.name)) else { return };
        let histogram = &self.convergence[at].1;
        match (step.convergence, &step.result) {
            (Some(took), _) if step.convergence_stalled * 2 <= took => {
                histogram.observe(took.saturating_sub(step.convergence_stalled));
            }
            (None, StepResult::Failed(cause)) if is_counted(run) && is_counted(Verdict::of(cause.reason)) => {
                histogram.observe_lost(self.within[at]);
            }
            (Some(_), _)
            | (None, StepResult::Passed | StepResult::Failed(_) | StepResult::Blocked(_) | StepResult::NotNeeded) => {}
        }
    }

    /// Probe, region and cell.
    pub(super) fn labels(&self) -> CanaryLabels<'_> {
        CanaryLabels { probe: &self.region.probe, region: &self.region.region, cell: &self.cell }
    }

    /// The last failed run and the slowest one, in the buckets they fell into; the failed one where that is the same.
    pub(super) fn exemplars(&self) -> Vec<Exemplar<ExemplarLabels>> {
        let recent = self.counts.recent();
        let noted = [recent.last_failed, recent.slowest];
        drop(recent);
        noted.into_iter().flatten().map(|noted| noted.exemplar(&self.duration)).collect()
    }
}

impl RegionSeries {
    /// Probe and region.
    pub(super) fn labels(&self) -> RegionLabels<'_> {
        RegionLabels { probe: &self.probe, region: &self.region }
    }

    /// Counts what a cleanup left behind.
    pub(super) fn record_cleanup(&self, result: &CleanupResult) {
        match result {
            CleanupResult::Clean => {}
            CleanupResult::Leaked(causes) => {
                let left = u64::try_from(causes.len()).unwrap_or(u64::MAX).max(1);
                self.leaked.fetch_add(left, Ordering::Relaxed);
            }
        }
    }

    /// Takes over what the ledger says is left behind.
    pub(super) fn set_leaked(&self, left: u64) {
        self.leaked.store(left, Ordering::Relaxed);
    }

    fn record(&self, step: &StepReport) {
        match step.result {
            StepResult::NotNeeded => return,
            StepResult::Passed | StepResult::Failed(_) | StepResult::Blocked(_) => {}
        }
        if let Some(histogram) = of_step(&self.steps, &step.name) {
            histogram.observe(step.duration);
        }
        for (phase, duration) in
            step.attempts.iter().filter_map(|attempt| attempt.detail.as_ref()).flat_map(AttemptDetail::phases)
        {
            if let Some(at) = PHASES.iter().position(|name| *name == phase) {
                self.phases[at].observe(duration);
            }
        }
    }
}

impl CanaryCounts {
    /// Runs that ended so.
    pub(super) fn ended(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize].load(Ordering::Relaxed)
    }

    /// Runs that did not pass because of this.
    pub(super) fn because_of(&self, reason: Reason) -> u64 {
        self.reasons[reason as usize].load(Ordering::Relaxed)
    }

    /// Passed runs of which a `warn` did not hold.
    pub(super) fn degraded(&self) -> u64 {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Counts ticks that did not run and have no reports.
    pub(super) fn missed(&self, reason: Reason, count: u64) {
        self.verdicts[Verdict::of(reason) as usize].fetch_add(count, Ordering::Relaxed);
        self.reasons[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    fn record(&self, report: &RunReport) {
        self.verdicts[report.verdict as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(cause) = &report.cause {
            self.reasons[cause.reason as usize].fetch_add(1, Ordering::Relaxed);
        }
        self.degraded.fetch_add(u64::from(report.is_degraded()), Ordering::Relaxed);
        let mut recent = self.recent();
        match report.verdict {
            Verdict::Passed => recent.note(report),
            Verdict::Failed => {
                recent.last_failed = Some(ExemplarRun::of(report));
                recent.note(report);
            }
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {}
        }
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, RecentRuns> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecentRuns {
    fn note(&mut self, report: &RunReport) {
        let run = ExemplarRun::of(report);
        let stands = self.slowest.is_some_and(|slowest| {
            slowest.duration > run.duration && run.ended.duration_since(slowest.ended).is_ok_and(|age| age < SLOWEST_FOR)
        });
        if !stands {
            self.slowest = Some(run);
        }
    }
}

impl ExemplarRun {
    fn of(report: &RunReport) -> Self {
        let labels = ExemplarLabels { trace_id: report.trace_id, run_id: report.run_id };
        Self { labels, duration: report.duration, ended: report.started + report.duration }
    }

    fn exemplar(self, histogram: &Histogram) -> Exemplar<ExemplarLabels> {
        Exemplar {
            bucket: histogram.edges().bucket(self.duration),
            labels: self.labels,
            value: self.duration.as_secs_f64(),
            at: since_epoch(self.ended).as_secs_f64(),
        }
    }
}

fn of_step<'a>(histograms: &'a ByStep, name: &Arc<str>) -> Option<&'a Histogram> {
    // Reports share the plan's names, so the pointers nearly always decide it.
    let found = histograms.iter().find(|(step, _)| same(step, name));
    found.map(|(_, histogram)| &**histogram)
}

fn same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Whether a run with this verdict counts.
fn is_counted(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Passed | Verdict::Failed => true,
        Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => false,
    }
}
