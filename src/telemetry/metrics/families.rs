//! The canary series as families, in the order they are shown.
//!
//! Owns the names, types and help of every family that is about canaries; those of whole probes are in [`probe`]. A new family is
//! a function here that writes all of its samples together, as both formats demand.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::{Reason, Verdict};

use super::exposition::{Exposition, MetricType};
use super::histogram::Histogram;
use super::index::SeriesIndex;
use super::labels::{
    ConvergenceLabels, ExemplarLabels, FailureLabels, MissedLabels, NoLabels, PhaseLabels, RunLabels, StepLabels,
};
use super::probe;
use super::series::PHASES;

/// No exemplars: histograms other than that of whole runs have none.
const NONE: &[super::exposition::Exemplar<ExemplarLabels>] = &[];

/// Series of the scheduler, about no canary in particular.
#[derive(Debug)]
pub(super) struct TickSeries {
    /// How late scheduled runs started.
    pub(super) lateness: Histogram,
    /// Ticks that did not run, by reason.
    pub(super) missed: [AtomicU64; Reason::ALL.len()],
}

/// Writes every canary family.
pub(super) fn write(body: &mut Exposition, index: &SeriesIndex, ticks: &TickSeries) {
    runs(body, index);
    durations(body, index);
    alert_states(body, index);
    probe::write(body, &index.probes);
    steps(body, index);
    leaked(body, index);
    scheduler(body, ticks);
}

fn runs(body: &mut Exposition, index: &SeriesIndex) {
    body.family("serinus_runs_total", MetricType::Counter, "Runs and ticks that did not run, by verdict.");
    for canary in &index.series {
        for verdict in Verdict::ALL {
            body.integer(&RunLabels { canary: canary.labels(), verdict }, canary.counts.ended(verdict));
        }
    }
    body.family("serinus_failures_total", MetricType::Counter, "Runs and ticks that did not pass, by verdict and reason.");
    for canary in &index.series {
        for &reason in Reason::ALL {
            let count = canary.counts.because_of(reason);
            if count > 0 {
                body.integer(&FailureLabels { canary: canary.labels(), reason }, count);
            }
        }
    }
    body.family("serinus_degraded_total", MetricType::Counter, "Passed runs of which a `warn` did not hold; of probes with one.");
    for canary in index.series.iter().filter(|canary| canary.warns) {
        body.integer(&canary.labels(), canary.counts.degraded());
    }
}

fn durations(body: &mut Exposition, index: &SeriesIndex) {
    body.family(
        "serinus_run_duration_seconds",
        MetricType::Histogram,
        "From the first step's start to the verdict, of passed and failed runs.",
    );
    for canary in &index.series {
        let exemplars = if body.has_exemplars() { canary.exemplars() } else { Vec::new() };
        body.histogram(&canary.labels(), &canary.duration.snapshot(), &exemplars);
    }
    body.family(
        "serinus_convergence_seconds",
        MetricType::Histogram,
        "From the end of the write to the end of the attempt that first saw it; of a step that never held as above every edge.",
    );
    for canary in &index.series {
        for (step, histogram) in &canary.convergence {
            body.histogram(&ConvergenceLabels { canary: canary.labels(), step }, &histogram.snapshot(), NONE);
        }
    }
}

fn alert_states(body: &mut Exposition, index: &SeriesIndex) {
    body.family(
        "serinus_canary_healthy",
        MetricType::Gauge,
        "1 if the last counted run passed, 0 if it failed; absent while nothing is known.",
    );
    for canary in &index.series {
        if let Some(healthy) = canary.counts.alert_state.get().healthy {
            body.integer(&canary.labels(), u64::from(healthy));
        }
    }
    body.family("serinus_consecutive_failures", MetricType::Gauge, "Failed runs in a row, in the order of their ticks.");
    for canary in &index.series {
        body.integer(&canary.labels(), canary.counts.alert_state.get().failures.into());
    }
}

fn steps(body: &mut Exposition, index: &SeriesIndex) {
    body.family("serinus_step_duration_seconds", MetricType::Histogram, "Steps with all of their attempts and pauses.");
    for region in &index.regions {
        for (step, histogram) in &region.steps {
            body.histogram(&StepLabels { region: region.labels(), step }, &histogram.snapshot(), NONE);
        }
    }
    body.family(
        "serinus_http_phase_seconds",
        MetricType::Summary,
        "Parts of attempts, of HTTP and of what shares its parts, from the first that had them on; a reused connection has no dns, connect or tls.",
    );
    for region in &index.regions {
        for (phase, summary) in PHASES.into_iter().zip(&region.phases) {
            let (count, sum) = summary.seen();
            if count > 0 {
                body.summary(&PhaseLabels { region: region.labels(), phase }, count, sum);
            }
        }
    }
}

fn leaked(body: &mut Exposition, index: &SeriesIndex) {
    body.family(
        "serinus_cleanup_leaked",
        MetricType::Gauge,
        "Things that cleanups left behind and that are not removed yet; without a store those of this process.",
    );
    for region in &index.regions {
        body.integer(&region.labels(), region.leaked.load(Ordering::Relaxed));
    }
}

fn scheduler(body: &mut Exposition, ticks: &TickSeries) {
    body.family("serinus_tick_lateness_seconds", MetricType::Histogram, "How long after their ticks scheduled runs started.");
    body.histogram(&NoLabels, &ticks.lateness.snapshot(), NONE);
    body.family("serinus_ticks_missed_total", MetricType::Counter, "Ticks that did not run.");
    for &why in Reason::ALL.iter().filter(|reason| Verdict::of(**reason) == Verdict::Missed) {
        body.integer(&MissedLabels { why }, ticks.missed[why as usize].load(Ordering::Relaxed));
    }
}
