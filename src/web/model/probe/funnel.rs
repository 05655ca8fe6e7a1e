//! How far runs came, step by step, against the same hours of last week, and how long each step took.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Part, Quantile, Spread};

/// A step of the funnel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::web) struct FunnelStep {
    /// Its name.
    pub(in crate::web) name: String,
    /// The share of the runs that passed or failed which came to it; none without any.
    pub(in crate::web) reached: Option<f64>,
    /// The same of the runs it is compared with.
    pub(in crate::web) before: Option<f64>,
    /// Runs in which it failed.
    pub(in crate::web) failed: u64,
    /// The 50th, 95th and 99th percentile of how long it took; a run in which it failed is lost.
    pub(in crate::web) took: [Option<Quantile>; 3],
    /// Whether the probe still has it.
    pub(in crate::web) is_planned: bool,
}

impl FunnelStep {
    /// By how much fewer runs come to it than before, as a share of all.
    pub(in crate::web) fn drop(&self) -> Option<f64> {
        Some(self.before? - self.reached?).filter(|drop| *drop >= 0.0005)
    }
}

#[derive(Default)]
struct Step<'a> {
    order: usize,
    name: &'a str,
    reached: u64,
    failed: u64,
    took: Spread,
}

/// The steps in the order of the plan, then those that the plan has no more.
pub(in crate::web) fn funnel(planned: &[&str], now: &[Part], before: &[Part]) -> Vec<FunnelStep> {
    let (runs, steps) = summed(planned, now);
    let (runs_before, steps_before) = summed(planned, before);
    let share = |reached: u64, runs: u64| (runs > 0).then(|| (reached as f64 / runs as f64).min(1.0));
    let mut steps: Vec<Step<'_>> = steps.into_values().collect();
    steps.sort_by_key(|step| step.order);
    steps
        .into_iter()
        .map(|step| FunnelStep {
            name: step.name.to_owned(),
            reached: share(step.reached, runs),
            // A step that is new since then was reached by nobody because it was not there.
            before: steps_before.get(step.name).filter(|step| step.reached > 0).and_then(|step| share(step.reached, runs_before)),
            failed: step.failed,
            took: super::course::PERCENTS.map(|percent| step.took.percentile(percent)),
            is_planned: planned.contains(&step.name),
        })
        .collect()
}

fn summed<'a>(planned: &[&'a str], parts: &'a [Part]) -> (u64, HashMap<&'a str, Step<'a>>) {
    let mut steps: HashMap<&str, Step<'_>> = HashMap::new();
    for (order, name) in planned.iter().enumerate() {
        steps.insert(name, Step { order, name, ..Step::default() });
    }
    for part in parts {
        for step in &part.steps {
            let order = steps.len();
            let known = steps.entry(&step.name).or_insert_with(|| Step { order, name: &step.name, ..Step::default() });
            known.reached += step.reached;
            known.failed += step.failed;
            known.took.merge(&Spread::of(step.durations.clone(), step.failed));
        }
    }
    (parts.iter().map(|part| part.stepped).sum(), steps)
}

#[cfg(test)]
mod tests {
    use super::super::of_hours;
    use super::super::part::tests::hour;
    use super::*;
    use crate::history::StepHour;

    fn parts(reached: &[(&str, u64, u64)], runs: u64) -> Vec<Part> {
        let mut hour = hour(0, runs, 0);
        let step = |(name, reached, failed): &(&str, u64, u64)| StepHour {
            name: (*name).to_owned(),
            reached: *reached,
            failed: *failed,
            ..StepHour::default()
        };
        hour.steps = reached.iter().map(step).collect();
        of_hours(vec![("p/eu".to_owned(), hour)], &[], None)
    }

    #[test]
    fn a_step_says_which_share_came_to_it_and_how_many_fewer_than_last_week() {
        let now = parts(&[("submit", 100, 8), ("pay", 92, 0), ("<script>", 92, 0)], 100);
        let before = parts(&[("submit", 200, 0), ("pay", 200, 0)], 200);
        let steps = funnel(&["submit", "pay"], &now, &before);
        let said: Vec<(&str, Option<f64>, Option<f64>, u64)> =
            steps.iter().map(|step| (step.name.as_str(), step.reached, step.before, step.failed)).collect();
        assert_eq!(said[..2], [("submit", Some(1.0), Some(1.0), 8), ("pay", Some(0.92), Some(1.0), 0)]);
        assert!(steps[1].drop().is_some_and(|drop| (drop - 0.08).abs() < 1e-9) && steps[0].drop().is_none());
        assert_eq!((said[2].0, steps[2].is_planned), ("<script>", false));
    }

    #[test]
    fn without_hours_every_planned_step_is_there_and_says_nothing() {
        let steps = funnel(&["submit", "pay"], &[], &[]);
        assert!(steps.len() == 2 && steps.iter().all(|step| step.reached.is_none() && step.took == [None; 3]));
    }
}
