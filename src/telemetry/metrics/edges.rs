//! Which histograms a probe has, and with which edges.
//!
//! Owns the choice of edges: round numbers up to the largest bound a user wrote, and exactly each of those bounds, so that "how
//! many were within the deadline" is a bucket and not an interpolation. Each edge is a series of each canary, and a canary of one
//! step may have at most 40, so there are few edges, and fewer for steps. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::plan::{LatencyOf, Probe, Slo, journey};

use super::histogram::Edges;

/// Edges of runs and of convergence where nothing better is known, milliseconds.
const ROUND: [u64; 10] = [25, 100, 500, 1_000, 2_500, 5_000, 10_000, 60_000, 300_000, 3_600_000];

/// Edges of steps where nothing better is known, milliseconds.
const ROUND_OF_STEPS: [u64; 6] = [100, 500, 2_500, 10_000, 60_000, 300_000];

/// Edges of how late ticks start, microseconds.
const LATENESS: [u64; 12] = [250, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000];

/// What is measured of each canary of a probe.
#[derive(Debug)]
pub(super) struct ProbeEdges {
    /// Edges of the whole run.
    pub(super) run: Arc<Edges>,
    /// Every step with its edges, parallel entries among them.
    pub(super) steps: Vec<(Arc<str>, Arc<Edges>)>,
    /// Every `eventually` step with the edges of its convergence.
    pub(super) convergence: Vec<(Arc<str>, Arc<Edges>)>,
    /// How long each of these steps is waited for, in their order.
    pub(super) within: Vec<Duration>,
}

impl ProbeEdges {
    /// The edges of `probe`.
    pub(super) fn of(probe: &Probe) -> Self {
        let slo = probe.slo.as_ref();
        let mut steps = Vec::new();
        let (mut convergence, mut within) = (Vec::new(), Vec::new());
        for step in journey(&probe.steps) {
            let bound = step.timeout.unwrap_or(probe.deadline).min(probe.deadline);
            let bounds = [bound].into_iter().chain(promised(slo, Some(&step.name), LatencyOf::Duration));
            steps.push((Arc::clone(&step.name), with_round_numbers(&ROUND_OF_STEPS, bounds)));
            if let Some(eventually) = &step.eventually {
                let bounds = [eventually.within].into_iter().chain(promised(slo, Some(&step.name), LatencyOf::Convergence));
                convergence.push((Arc::clone(&step.name), with_round_numbers(&ROUND, bounds)));
                within.push(eventually.within);
            }
        }
        let run = with_round_numbers(&ROUND, [probe.deadline].into_iter().chain(promised(slo, None, LatencyOf::Duration)));
        Self { run, steps, convergence, within }
    }
}

/// Edges of tick lateness.
pub(super) fn lateness_edges() -> Arc<Edges> {
    Edges::new(LATENESS.map(Duration::from_micros))
}

/// The bounds an objective sets on this duration.
fn promised(slo: Option<&Slo>, step: Option<&str>, of: LatencyOf) -> impl Iterator<Item = Duration> {
    slo.and_then(|slo| slo.latency.as_ref())
        .filter(|latency| latency.step.as_deref() == step && latency.of == of)
        .into_iter()
        .flat_map(|latency| [latency.mean, latency.p95, latency.p99])
        .flatten()
}

fn with_round_numbers(round: &[u64], bounds: impl Iterator<Item = Duration>) -> Arc<Edges> {
    let bounds: Vec<Duration> = bounds.collect();
    let largest = bounds.iter().max().copied().unwrap_or_default();
    let round = round.iter().copied().map(Duration::from_millis).filter(|edge| *edge < largest);
    Edges::new(round.chain(bounds.iter().copied()))
}
