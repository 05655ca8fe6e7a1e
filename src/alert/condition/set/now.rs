//! The current state of canaries and probes, for display. It is cheap. Counts of the last hour begin anew with a process.

use std::sync::Arc;
use std::time::Duration;

use super::Conditions;
use crate::alert::Moment;
use crate::alert::State;
use crate::alert::condition::ratio::histogram::Histogram;
use crate::alert::condition::ratio::{Buckets, Tally, buckets};
use crate::alert::condition::{Condition, Runs};
use crate::alert::fact::{LastRun, Share};
use crate::outcome::{RunReport, StepResult, Verdict};
use crate::plan::{CanaryId, Step, journey, warns};

/// How finely the last hour is divided.
const SLOTS: u64 = 12;

/// The state of a canary. Times are steady. A canary that is not watched has the default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CanarySnapshot {
    /// Whether it had a counted run that is not forgotten.
    pub known: bool,
    /// How it stands by its runs.
    pub state: State,
    /// Since when it has not been well.
    pub since: Option<Duration>,
    /// Failures in a row, up to its newest counted run.
    pub failures: u32,
    /// Its last counted run, also one before this process began.
    pub counted: Option<LastRun>,
    /// The verdict of its last run, and when that ended; none since this process began.
    pub last: Option<(&'static str, Duration)>,
    /// Failed and counted runs of the last hour.
    pub hour: Share,
    /// Since when it is without data, if it is.
    pub without_data: Option<Duration>,
}

/// How a probe keeps what it promises.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ObjectivesNow {
    /// The 95th percentile of convergence in the last hour, in seconds; infinite if it is a lost one, none without any.
    pub convergence_1h: Option<f64>,
    /// Degraded runs and passed ones of the last hour; none where no step warns.
    pub degraded_1h: Option<Share>,
    /// The share of the error budget that is left, over the recorded part of the objective's window, from 0 to 1. Only with
    /// `slo.success`.
    pub budget_left: Option<f64>,
}

impl Conditions {
    /// How every canary stands, in no order.
    pub fn canaries(&self, now: Moment) -> impl Iterator<Item = (&CanaryId, CanarySnapshot)> {
        self.canaries.iter().map(move |(id, runs)| (id, self.snapshot(runs, now)))
    }

    /// How a canary stands.
    pub fn canary(&self, id: &CanaryId, now: Moment) -> CanarySnapshot {
        self.canaries.get(id).map(|runs| self.snapshot(runs, now)).unwrap_or_default()
    }

    fn snapshot(&self, runs: &Runs, now: Moment) -> CanarySnapshot {
        let id = &runs.canary().id;
        let without_data = self.process.iter().find_map(|condition| match condition {
            Condition::NoData(no_data) => no_data.since(id),
            _ => None,
        });
        let memory = self.probes.get(&runs.canary().probe.name).map_or(Duration::ZERO, |of| of.rule.memory);
        let counted = runs.last();
        CanarySnapshot {
            known: counted.is_some_and(|last| now.steady.saturating_sub(last.started) <= memory),
            state: runs.state(),
            since: runs.since(),
            failures: runs.failures(),
            counted,
            last: runs.latest().map(|(verdict, at)| (verdict.as_str(), at)),
            hour: runs.hour().share(now),
            without_data,
        }
    }

    /// How a probe keeps what it promises.
    pub fn objectives(&self, probe: &str, now: Moment) -> ObjectivesNow {
        let Some(of) = self.probes.get(probe) else { return ObjectivesNow::default() };
        let budget_left = of.conditions.iter().find_map(|condition| match condition {
            Condition::BurnRate(burn) => burn.left(now),
            _ => None,
        });
        let degraded_1h = of.degraded.share(now).filter(|_| warns(&of.probe.steps));
        ObjectivesNow { convergence_1h: of.convergence.p95(now), degraded_1h, budget_left }
    }
}

/// How long convergence took in the last hour, over all of a probe's canaries.
#[derive(Debug)]
pub(super) struct Convergence(Buckets<Histogram, ()>);

impl Default for Convergence {
    fn default() -> Self {
        Self(Buckets::of(Duration::from_hours(1), SLOTS))
    }
}

impl Convergence {
    /// Counts the steps of a run that waited for something: how long it took, or that it never came.
    pub(super) fn take(&mut self, report: &RunReport, now: Moment) {
        if !matches!(report.verdict, Verdict::Passed | Verdict::Failed) {
            return;
        }
        for step in &report.steps {
            match (step.convergence, &step.result) {
                (Some(took), _) => {
                    let own = took.saturating_sub(step.convergence_stalled);
                    self.0.at(now.steady).0.add(own);
                }
                (None, StepResult::Failed(cause)) if Verdict::of(cause.reason) == Verdict::Failed => {
                    if waits(&report.canary.probe.steps, &step.name) {
                        self.0.at(now.steady).0.add_lost();
                    }
                }
                (None, _) => {}
            }
        }
    }

    fn p95(&self, now: Moment) -> Option<f64> {
        let upto = self.0.number(now.steady);
        let hour = buckets::sum(self.0.ratio.window(upto, SLOTS));
        let any = hour.count() > 0 || hour.lost() > 0;
        any.then(|| hour.quantile(0.95).map_or(f64::INFINITY, |took| took.as_secs_f64()))
    }
}

/// Degraded runs and passed ones of the last hour, over all of a probe's canaries.
#[derive(Debug)]
pub(super) struct Degraded(Buckets<DegradedRuns, ()>);

#[derive(Debug, Clone, Copy, Default)]
struct DegradedRuns {
    degraded: u32,
    passed: u32,
}

impl Tally for DegradedRuns {
    fn merge(&mut self, other: &Self) {
        self.degraded = self.degraded.saturating_add(other.degraded);
        self.passed = self.passed.saturating_add(other.passed);
    }

    fn is_empty(&self) -> bool {
        self.passed == 0
    }
}

impl Default for Degraded {
    fn default() -> Self {
        Self(Buckets::of(Duration::from_hours(1), SLOTS))
    }
}

impl Degraded {
    /// Counts a passed run.
    pub(super) fn take(&mut self, report: &RunReport, now: Moment) {
        if report.verdict == Verdict::Passed {
            let degraded = u32::from(report.is_degraded());
            self.0.at(now.steady).0.merge(&DegradedRuns { degraded, passed: 1 });
        }
    }

    /// None without any passed run.
    fn share(&self, now: Moment) -> Option<Share> {
        let hour = buckets::sum(self.0.ratio.window(self.0.number(now.steady), SLOTS));
        (hour.passed > 0).then_some(Share { failed: hour.degraded, counted: hour.passed, reaches: false })
    }
}

/// Whether the step of that name waits for something to come.
fn waits(steps: &[Step], name: &Arc<str>) -> bool {
    journey(steps).any(|step| step.name == *name && step.eventually.is_some())
}
