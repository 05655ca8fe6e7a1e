//! Moments, canaries and reports made by hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Failure, Moment};
use crate::outcome::{Cause, Reason, RunReport, StepReport, StepResult, Tick, Verdict};
use crate::plan::{AlertPolicy, Canary, Probe, Step, Template, testing};

pub(super) use testing::{canary, cells, location, plan};

/// Where steady time begins in these tests.
const BEGIN: Duration = Duration::from_hours(1_000);

/// So many seconds after the beginning by both clocks.
pub(super) fn moment(seconds: u64) -> Moment {
    moment_ms(seconds * 1_000, 0)
}

/// So many milliseconds after the beginning, with the wall clock set by so many hours.
pub(super) fn moment_ms(millis: u64, set_by_hours: i64) -> Moment {
    let wall = 1_763_724_828_000 + i64::try_from(millis).unwrap() + set_by_hours * 3_600_000;
    Moment {
        steady: BEGIN + Duration::from_millis(millis),
        wall: SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(wall).unwrap()),
    }
}

/// The probe `p`, every minute.
pub(super) fn probe(steps: Vec<Step>, alert: AlertPolicy) -> Probe {
    Probe { steps: steps.into(), alert, ..testing::probe("p") }
}

/// A step; with a subject, if it is a loop that has them.
pub(super) fn step(name: &str, subjects: bool) -> Step {
    Step { subject: subjects.then(|| Template::parse("{{ item }}", location()).unwrap()), ..testing::step(name) }
}

pub(super) fn cause(reason: Reason, step: &str, subject: Option<&str>) -> Cause {
    let cause = crate::outcome::testing::cause(reason, "it went wrong");
    Cause { step: Some(step.into()), subject: subject.map(str::to_owned), attempts: 1, ..cause }
}

/// A step's report.
pub(super) fn made(name: &str, subject: Option<&str>, result: StepResult) -> StepReport {
    StepReport { subject: subject.map(str::to_owned), result, ..crate::outcome::testing::step(name) }
}

/// A run that took no time.
pub(super) fn run(canary: &Arc<Canary>, order: u64, verdict: Verdict, cause: Option<Cause>, steps: Vec<StepReport>) -> RunReport {
    let report = crate::outcome::testing::run(canary, verdict, SystemTime::UNIX_EPOCH);
    RunReport { tick: Tick { order, ..report.tick }, cause, steps, ..report }
}

/// What a page tells of a failure.
pub(super) fn failure(canary: &str, cause: &Cause) -> Failure {
    Failure {
        canary: canary.to_owned(),
        run_id: String::new(),
        trace_id: String::new(),
        at_ms: 0,
        reason: cause.reason.to_string(),
        message: cause.message.clone(),
        step: None,
        attempts: 0,
        expectation: None,
        location: None,
        seen: Vec::new(),
    }
}
