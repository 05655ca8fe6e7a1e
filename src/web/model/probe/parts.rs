//! The parts that a view of a probe is made of, put together once for its page and for the API.

use std::collections::BTreeSet;

use crate::base::time::signed_millis;
use crate::history::{ProbeCounts, RunCounts};
use crate::plan::{Probe, Slo};
use crate::web::model::recent::Mark;

use super::answers::{Answers, Marks, Question};
use super::{Bins, Budget, Part, Range, budget, of_hours, of_marks, waited};

const HOUR_MS: i64 = 3_600_000;

/// The parts of a probe, as far as it is looked at.
#[derive(Debug)]
pub(in crate::web) struct Parts {
    bins: Bins,
    /// Runs of the last hour, where they are shown one by one.
    single: Option<Vec<Part>>,
    /// Hours, and days where they came instead, by time.
    hours: Vec<Part>,
    /// What they are compared with.
    pub(in crate::web) before: Vec<Part>,
    /// The step that is waited for.
    pub(in crate::web) wait: Option<String>,
    /// Every region of which something is known, also those that are not looked at.
    pub(in crate::web) regions: BTreeSet<String>,
    /// How runs of all canaries ended from when the objective's window begins up to [`Question::counted_until_ms`].
    earlier: Vec<ProbeCounts>,
    /// From here on hours count for the objective, milliseconds since the epoch.
    from_ms: i64,
}

impl Parts {
    /// Takes the hours out of the answers. Walks over all of them and over the marks; it may take milliseconds.
    pub(in crate::web) fn of(probe: Option<&Probe>, question: &Question, answers: &mut Answers, marks: &Marks) -> Self {
        let wait = waited(probe, &answers.hours);
        let all = marks.iter().flat_map(|(canary, marks)| marks.iter().map(move |mark: &Mark| (canary.as_str(), mark)));
        let mut single = of_marks(all, wait.is_some());
        let mut hours = of_hours(std::mem::take(&mut answers.hours), &single, wait.as_deref());
        let mut before = of_hours(std::mem::take(&mut answers.before), &[], wait.as_deref());
        let regions = hours.iter().map(|part| part.region().to_owned()).collect();
        for parts in [&mut single, &mut hours, &mut before] {
            parts.retain(|part| question.narrowed.admits(&part.canary));
        }
        Self {
            bins: question.bins,
            single: (question.range == Range::Hour).then_some(single),
            hours,
            before,
            wait,
            regions,
            earlier: std::mem::take(&mut answers.earlier),
            from_ms: question.counted_until_ms,
        }
    }

    /// What charts and strips show.
    pub(in crate::web) fn shown(&self) -> &[Part] {
        self.single.as_ref().unwrap_or(&self.hours)
    }

    /// The hours of the range, which know of steps.
    pub(in crate::web) fn within(&self) -> &[Part] {
        let from = self.hours.partition_point(|part| part.at_ms + HOUR_MS <= self.bins.from_ms);
        let to = self.hours.partition_point(|part| part.at_ms < self.bins.to_ms);
        &self.hours[from.min(to)..to]
    }

    /// The budget of the objective; see [`budget`](budget()).
    pub(in crate::web) fn budget(&self, slo: &Slo, left: Option<f64>, now_ms: i64) -> Option<Budget> {
        let earlier = self.earlier.iter().map(|counts| (counts.start_ms, counts.counts));
        let later = self.hours.iter().filter(|part| part.at_ms >= self.from_ms).map(|part| (part.at_ms, part.count));
        // The window begins within an hour, which counts whole.
        let from_ms = now_ms.saturating_sub(signed_millis(slo.window)) - HOUR_MS;
        let counts: Vec<(i64, RunCounts)> =
            earlier.chain(later).filter(|(at_ms, _)| *at_ms > from_ms && *at_ms <= now_ms).collect();
        budget(slo, &counts, left, now_ms)
    }
}
