//! What a page of a probe is made of: the runs of a canary in an hour, or one run of the last hour.
//!
//! Hours come from the store as of its last housekeeping. Of the hour that goes on, the marks may know more runs than the store
//! has counted: of the two counts the greater one stands.

use std::collections::{BTreeMap, HashMap};

use crate::history::{RollupView, RunCounts, Sketch, StepHour};
use crate::web::model::recent::{Mark, MarkKind};

use super::Spread;

const HOUR_MS: i64 = 3_600_000;

fn of_kind(kind: MarkKind) -> RunCounts {
    let mut count = RunCounts::default();
    match kind {
        MarkKind::Passed => count.passed = 1,
        MarkKind::Degraded => (count.passed, count.degraded) = (1, 1),
        MarkKind::Failed => count.failed = 1,
        MarkKind::Errored => count.errored = 1,
        MarkKind::Missed => count.missed = 1,
        MarkKind::Blocked => count.blocked = 1,
        MarkKind::Skipped => count.skipped = 1,
    }
    count
}

/// The runs of a canary in an hour, or one of the last hour.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Part {
    /// The canary's id.
    pub(in crate::web) canary: String,
    /// When it begins, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// How they ended.
    pub(in crate::web) count: RunCounts,
    /// How long whole runs took; a failed one is lost.
    pub(in crate::web) durations: Spread,
    /// How long what was waited for took; a failed run is lost. Nothing where nothing is waited for.
    pub(in crate::web) waits: Spread,
    /// Why they did not pass, as far as it is counted.
    pub(in crate::web) reasons: BTreeMap<String, u64>,
    /// Runs of which it is counted how far they came.
    pub(in crate::web) stepped: u64,
    /// How far those came.
    pub(in crate::web) steps: Vec<StepHour>,
}

impl Part {
    /// The name of its region, which is a part of the canary's id.
    pub(in crate::web) fn region(&self) -> &str {
        self.canary.split('/').nth(1).unwrap_or_default()
    }
}

/// The parts of single runs, but for those that count for nothing. Whether failed runs waited in vain is known of those that wait for something at all.
pub(in crate::web) fn of_marks<'a>(marks: impl IntoIterator<Item = (&'a str, &'a Mark)>, waits: bool) -> Vec<Part> {
    marks.into_iter().filter(|(_, mark)| !mark.is_uncounted()).map(|(canary, mark)| of_mark(canary, mark, waits)).collect()
}

fn of_mark(canary: &str, mark: &Mark, waits: bool) -> Part {
    let lost = || if waits { Spread::lost_one() } else { Spread::default() };
    let (durations, waited) = match mark.kind {
        MarkKind::Passed | MarkKind::Degraded => {
            let waited = mark.convergence_us.map(|us| Spread::one(us.into())).unwrap_or_default();
            (Spread::one(mark.duration_us.into()), waited)
        }
        MarkKind::Failed => (Spread::lost_one(), lost()),
        MarkKind::Skipped | MarkKind::Blocked | MarkKind::Missed | MarkKind::Errored => Default::default(),
    };
    let count = of_kind(mark.kind);
    let canary = canary.to_owned();
    Part { canary, at_ms: mark.due_ms, count, durations, waits: waited, ..Part::default() }
}

/// The parts of hours, the newest of them completed by marks. `wait` is the step that is waited for.
pub(in crate::web) fn of_hours(hours: Vec<(String, RollupView)>, marks: &[Part], wait: Option<&str>) -> Vec<Part> {
    let mut newest: HashMap<i64, HashMap<&str, Part>> = HashMap::new();
    for mark in marks {
        let hour = mark.at_ms.div_euclid(HOUR_MS) * HOUR_MS;
        let known = newest.entry(hour).or_default().entry(&mark.canary).or_insert_with(|| Part {
            canary: mark.canary.clone(),
            at_ms: hour,
            ..Part::default()
        });
        known.count.add(mark.count);
        known.durations.merge(&mark.durations);
        known.waits.merge(&mark.waits);
    }
    let mut parts = Vec::with_capacity(hours.len() + newest.len());
    for (canary, hour) in hours {
        let followed = newest.get_mut(&hour.start_ms).and_then(|hour| hour.remove(canary.as_str()));
        let mut part = of_hour(canary, hour, wait);
        if let Some(followed) = followed.filter(|followed| followed.count.total() > part.count.total()) {
            (part.count, part.durations, part.waits) = (followed.count, followed.durations, followed.waits);
        }
        parts.push(part);
    }
    parts.extend(newest.into_values().flat_map(HashMap::into_values));
    parts.sort_by(|one, other| (one.at_ms, &one.canary).cmp(&(other.at_ms, &other.canary)));
    parts
}

fn of_hour(canary: String, hour: RollupView, wait: Option<&str>) -> Part {
    let count = hour.counts;
    let waited = wait.and_then(|wait| hour.steps.iter().find(|step| step.name == wait));
    let waits = match (wait, waited) {
        (None, _) => Spread::default(),
        // Where no run came to the step, all that failed were lost before it.
        (Some(_), None) => Spread::of(Sketch::default(), count.failed),
        (Some(_), Some(step)) => Spread::of(step.convergence.clone(), count.failed),
    };
    let durations = Spread::of(hour.durations, count.failed);
    // An earlier version counted no steps.
    let stepped = if hour.steps.is_empty() { 0 } else { count.counted() };
    Part { canary, at_ms: hour.start_ms, count, durations, waits, reasons: hour.reasons, stepped, steps: hour.steps }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Quantile;
    use super::*;
    use crate::web::model::{recent::worst, words};

    /// An hour of a canary in which so many passed after a second and so many failed.
    pub(in super::super) fn hour(hour_ms: i64, passed: u64, failed: u64) -> RollupView {
        let mut durations = Sketch::default();
        (0..passed).for_each(|_| durations.add(1_000_000));
        let step = StepHour {
            name: "read".into(),
            reached: passed + failed,
            failed,
            lost: failed,
            convergence: durations.clone(),
            durations: durations.clone(),
        };
        RollupView {
            start_ms: hour_ms,
            counts: RunCounts { passed, failed, ..RunCounts::default() },
            durations,
            reasons: BTreeMap::from([("expectation".to_owned(), failed)]),
            steps: vec![step],
        }
    }

    pub(in super::super) fn mark(due_ms: i64, kind: MarkKind) -> Mark {
        Mark { due_ms, duration_us: 2_000_000, convergence_us: Some(1_500_000), kind, counted: true }
    }

    #[test]
    fn a_failed_run_is_lost_in_what_it_took_and_in_what_it_waited_for() {
        let parts = of_hours(vec![("p/eu".into(), hour(0, 0, 3))], &[], Some("read"));
        assert_eq!(parts[0].durations.percentile(50), Some(Quantile::Lost));
        assert_eq!(parts[0].waits.percentile(50), Some(Quantile::Lost));
        let parts = of_hours(vec![("p/eu".into(), hour(0, 0, 3))], &[], Some("a step that nothing came to"));
        assert_eq!(parts[0].waits.percentile(50), Some(Quantile::Lost));
        let failed = mark(5, MarkKind::Failed);
        let parts = of_marks([("p/eu", &failed)], false);
        assert_eq!((parts[0].waits.percentile(50), parts[0].durations.percentile(50)), (None, Some(Quantile::Lost)));
    }

    #[test]
    fn of_the_hour_that_goes_on_the_greater_count_stands() {
        let marks: Vec<Mark> = [1, 2, 3].map(|minute| mark(HOUR_MS + minute * 60_000, MarkKind::Passed)).to_vec();
        let marks = of_marks(marks.iter().map(|mark| ("p/eu", mark)), true);
        let counts = |hours: Vec<(String, RollupView)>| -> Vec<(i64, u64)> {
            of_hours(hours, &marks, Some("read")).iter().map(|part| (part.at_ms, part.count.passed)).collect()
        };
        assert_eq!(counts(vec![("p/eu".into(), hour(0, 9, 0)), ("p/eu".into(), hour(HOUR_MS, 2, 0))]), [(0, 9), (HOUR_MS, 3)]);
        assert_eq!(counts(vec![("p/eu".into(), hour(HOUR_MS, 5, 0))]), [(HOUR_MS, 5)]);
        assert_eq!(counts(Vec::new()), [(HOUR_MS, 3)]);
    }

    #[test]
    fn the_worst_of_a_bin_is_a_failure_where_there_is_one() {
        let count = RunCounts { passed: 50, failed: 1, errored: 3, ..RunCounts::default() };
        assert_eq!((worst(count), worst(RunCounts::default())), (Some(MarkKind::Failed), None));
        assert_eq!(words::counts(count), "1 failed, 3 errored, 50 passed");
        assert_eq!((count.success(), RunCounts::default().success()), (Some(50.0 / 51.0), None));
    }
}
