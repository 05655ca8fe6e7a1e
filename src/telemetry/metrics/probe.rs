//! The series of whole probes: what their files say of them, what they promise, and how bad it is.
//!
//! Owns how much of a probe file's texts becomes a label. Those are the author's own words, as in pages; they are made visible
//! and cut here, once for each plan.

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::visible;
use crate::plan::{LatencyOf, Probe, Runbook};

use super::alert_state::ProbeSeverity;
use super::exposition::{Exposition, MetricType};
use super::labels::{BoundLabels, InfoLabels, ObjectiveLabels, ProbeLabels};

/// Longest text of a probe's file that is a label, in characters.
const LONGEST: usize = 200;

/// A probe's series. Made anew on reload; how it stands is shared.
#[derive(Debug)]
pub(super) struct ProbeSeries {
    pub(super) probe: Arc<Probe>,
    pub(super) severity: Arc<ProbeSeverity>,
    owner: Box<str>,
    summary: Box<str>,
    runbook: Box<str>,
}

impl ProbeSeries {
    /// The series of `probe`; it stands as `old` says.
    pub(super) fn new(probe: &Arc<Probe>, old: Option<&Self>) -> Self {
        let severity = old.map(|old| Arc::clone(&old.severity)).unwrap_or_default();
        let [owner, summary] = [&probe.owner, &probe.summary].map(|text| label(text.as_deref()));
        let runbook = label(probe.runbook.as_ref().and_then(Runbook::url));
        Self { probe: Arc::clone(probe), severity, owner, summary, runbook }
    }

    fn info(&self) -> InfoLabels<'_> {
        let Self { probe, owner, summary, runbook, .. } = self;
        InfoLabels { probe: &probe.name, owner, summary, runbook }
    }

    fn objective(&self, objective: &'static str) -> ObjectiveLabels<'_> {
        ObjectiveLabels { probe: &self.probe.name, objective }
    }

    /// Its bounds on a latency.
    fn bounds(&self) -> impl Iterator<Item = (BoundLabels<'_>, Duration)> {
        let latency = self.probe.slo.as_ref().and_then(|slo| slo.latency.as_ref());
        latency.into_iter().flat_map(move |latency| {
            let of = match latency.of {
                LatencyOf::Duration => "duration",
                LatencyOf::Convergence => "convergence",
            };
            let bounds = [("mean", latency.mean), ("p95", latency.p95), ("p99", latency.p99)];
            let labels = move |objective| BoundLabels { objective: self.objective(objective), of, step: latency.step.as_deref() };
            bounds.into_iter().filter_map(move |(objective, bound)| Some((labels(objective), bound?)))
        })
    }
}

fn label(text: Option<&str>) -> Box<str> {
    let text = visible(text.unwrap_or_default());
    match text.char_indices().nth(LONGEST) {
        None => text.into(),
        Some(_) => text.chars().take(LONGEST - 1).chain(['…']).collect::<String>().into(),
    }
}

/// Writes every family that is about whole probes.
pub(super) fn write(body: &mut Exposition, probes: &[ProbeSeries]) {
    body.family("serinus_probe_info", MetricType::Gauge, "1, with what the probe's file says about it as labels.");
    for probe in probes {
        body.integer(&probe.info(), 1);
    }
    body.family(
        "serinus_probe_severity",
        MetricType::Gauge,
        "The worst of what fails of the probe, unmuted and unexplained: 0 nothing, 1 warn, 2 page, 3 critical.",
    );
    for probe in probes {
        body.integer(&ProbeLabels { probe: &probe.probe.name }, probe.severity.level());
    }
    body.family(
        "serinus_slo_objective",
        MetricType::Gauge,
        "What the probe promises: the share of counted runs that pass (success), that of passed runs that may be degraded (degraded).",
    );
    for probe in probes {
        let slo = probe.probe.slo.as_ref();
        let shares = slo.map(|slo| [("success", slo.success), ("degraded", slo.degraded)]);
        for (objective, share) in shares.into_iter().flatten() {
            if let Some(share) = share {
                body.float(&probe.objective(objective), share);
            }
        }
    }
    body.family(
        "serinus_slo_latency_objective_seconds",
        MetricType::Gauge,
        "Bounds the probe promises on how long something takes.",
    );
    for (labels, bound) in probes.iter().flat_map(ProbeSeries::bounds) {
        body.float(&labels, bound.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_probes_file_is_a_label_of_one_line_and_at_most_200_characters() {
        assert_eq!(&*label(None), "");
        assert_eq!(&*label(Some("a\u{202e}b\nc")), "a\\u202eb\\nc");
        assert_eq!(&*label(Some(&"ä".repeat(200))), "ä".repeat(200));
        assert_eq!(&*label(Some(&"ä".repeat(201))), format!("{}…", "ä".repeat(199)));
    }
}
