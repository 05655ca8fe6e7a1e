//! Quantiles over time: of whole runs, and of what they waited for.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::RollupView;
use crate::plan::{LatencyOf, LatencySlo, Probe, journey};

use super::{Bins, Part, Quantile, Spread};

/// A bin of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct CourseBin {
    /// When it begins, milliseconds since the epoch.
    pub(in crate::web) start_ms: i64,
    /// The 50th, 95th and 99th percentile; none without runs.
    pub(in crate::web) quantiles: [Option<Quantile>; 3],
    /// How many runs there are, lost ones among them.
    pub(in crate::web) runs: u64,
    /// How many were lost.
    pub(in crate::web) lost: u64,
}

/// Quantiles over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Course {
    /// Every bin of the range.
    pub(in crate::web) bins: Vec<CourseBin>,
    /// The same over the whole range.
    pub(in crate::web) whole: [Option<Quantile>; 3],
}

impl Course {
    /// Whether there is nothing to show.
    pub(in crate::web) fn is_empty(&self) -> bool {
        self.bins.iter().all(|bin| bin.runs == 0)
    }
}

/// The step whose waiting is shown: that of the objective, otherwise the last that waits. Of a probe that is not configured any
/// more it is the last one of which hours tell.
pub(super) fn waited(probe: Option<&Probe>, hours: &[(String, RollupView)]) -> Option<String> {
    let Some(probe) = probe else {
        let steps = hours.iter().rev().flat_map(|(_, hour)| hour.steps.iter().rev());
        return steps.into_iter().find(|step| step.convergence.count() + step.lost > 0).map(|step| step.name.clone());
    };
    let promised = latency_of(probe, LatencyOf::Convergence).and_then(|latency| latency.step.as_deref());
    let last = journey(&probe.steps).filter(|step| step.eventually.is_some()).last().map(|step| &*step.name);
    promised.or(last).map(str::to_owned)
}

/// The bounds that a probe promises of what is waited for, or of what takes its time.
pub(in crate::web) fn latency_of(probe: &Probe, of: LatencyOf) -> Option<&LatencySlo> {
    probe.slo.as_ref()?.latency.as_ref().filter(|latency| latency.of == of)
}

/// The percentiles that are shown.
pub(super) const PERCENTS: [u64; 3] = [50, 95, 99];

/// How long whole runs took.
pub(in crate::web) fn latency(bins: Bins, parts: &[Part]) -> Course {
    course(bins, parts.iter().map(|part| (part.at_ms, &part.durations)))
}

/// How long what was waited for took.
pub(in crate::web) fn waits(bins: Bins, parts: &[Part]) -> Course {
    course(bins, parts.iter().map(|part| (part.at_ms, &part.waits)))
}

fn course<'a>(bins: Bins, parts: impl Iterator<Item = (i64, &'a Spread)>) -> Course {
    let mut spreads = vec![Spread::default(); bins.count()];
    let mut whole = Spread::default();
    for (at_ms, spread) in parts {
        if let Some(of_bin) = bins.of(at_ms).and_then(|bin| spreads.get_mut(bin)) {
            of_bin.merge(spread);
            whole.merge(spread);
        }
    }
    let quantiles = |spread: &Spread| PERCENTS.map(|percent| spread.percentile(percent));
    let bin = |(bin, spread): (usize, &Spread)| CourseBin {
        start_ms: bins.start(bin),
        quantiles: quantiles(spread),
        runs: spread.count(),
        lost: spread.lost(),
    };
    Course { bins: spreads.iter().enumerate().map(bin).collect(), whole: quantiles(&whole) }
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::hour;
    use super::super::{Range, of_hours};
    use super::*;

    #[test]
    fn an_hour_of_only_lost_runs_has_no_value_and_an_empty_one_has_nothing() {
        let bins = Range::Day.bins(3_600_000_000);
        let parts = of_hours(
            vec![("p/eu".to_owned(), hour(bins.start(0), 100, 0)), ("p/eu".to_owned(), hour(bins.start(1), 0, 4))],
            &[],
            Some("read"),
        );
        for course in [latency(bins, &parts), waits(bins, &parts)] {
            assert!(matches!(course.bins[0].quantiles, [Some(Quantile::Us(_)), Some(Quantile::Us(_)), Some(Quantile::Us(_))]));
            assert_eq!((course.bins[1].quantiles, course.bins[1].lost), ([Some(Quantile::Lost); 3], 4));
            assert_eq!((course.bins[2].quantiles, course.bins[2].runs), ([None; 3], 0));
            assert_eq!((course.whole[1], course.whole[2]), (course.bins[0].quantiles[1], Some(Quantile::Lost)));
        }
    }

    #[test]
    fn ninety_days_of_nothing_are_ninety_empty_bins() {
        let course = latency(Range::Quarter.bins(1_800_000_000_000), &[]);
        assert_eq!((course.bins.len(), course.is_empty(), course.whole), (90, true, [None; 3]));
    }
}
