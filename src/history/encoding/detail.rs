//! What is kept of a run beside its row: the times of a passed run's steps and what it is degraded by, everything about a run that did
//! not pass, and what became of its cleanup. The cleanup is reported later than its run and separately, so that it may come before the run's row is
//! written; the writer then holds it back.
//!
//! The JSON is the one shape of a run, as `outcome` writes it.

use std::time::Duration;

use serde_json::{Value, json};

use super::varint;
use crate::base::time::epoch_ms;
use crate::history::{PassView, StepView};
use crate::outcome::{CleanupReport, CleanupResult, RunReport, SloCount, StepReport, StepResult, Transcripts, Verdict};
use crate::plan::{Bodies, find};

/// Steps whose times are kept; loops may make many more.
const STEPS: usize = 200;

/// Bytes of JSON that are kept of one run.
const BYTES: usize = 256 << 10;

/// No step takes fewer bytes of JSON than this. It spares a run with thousands of rounds to be written in full only to be measured.
const LEAST_STEP_BYTES: usize = 300;

/// Bytes of JSON that are kept of one cleanup.
const CLEANUP_BYTES: usize = 64 << 10;

/// Leaks that are kept where that is too much.
const FIRST_LEAKS: usize = 20;

/// How a step ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::history) enum StepEnd {
    /// It was not needed.
    NotNeeded,
    /// All that was expected held.
    Passed,
    /// A guard said no.
    Blocked,
    /// It failed.
    Failed,
    /// It was an `eventually` step, and was waited for in vain.
    Lost,
}

impl StepEnd {
    /// How it is written where it did not pass. Never changed: files have it.
    const CODES: [(u64, Self); 4] = [(1, Self::Failed), (2, Self::Lost), (3, Self::NotNeeded), (4, Self::Blocked)];

    fn of(report: &RunReport, step: &StepReport) -> Self {
        match &step.result {
            StepResult::Passed => Self::Passed,
            StepResult::NotNeeded => Self::NotNeeded,
            StepResult::Blocked(_) => Self::Blocked,
            StepResult::Failed(cause) => {
                let counts = |verdict: Verdict| verdict.slo() != SloCount::Not;
                let in_vain = step.convergence.is_none() && counts(report.verdict) && counts(Verdict::of(cause.reason));
                let planned = || find(&report.canary.probe.steps, &step.name);
                if in_vain && planned().is_some_and(|step| step.eventually.is_some()) { Self::Lost } else { Self::Failed }
            }
        }
    }
}

/// The times of a step, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::history) struct StepTime {
    started_us: u64,
    pub(in crate::history) duration_us: u64,
    pub(in crate::history) convergence_us: Option<u64>,
    pub(in crate::history) end: StepEnd,
}

/// Names of the steps as JSON, and their times as bytes; none of a run without steps. After the times comes which steps did not pass.
pub(in crate::history) fn times(report: &RunReport) -> Option<(String, Vec<u8>)> {
    if report.steps.is_empty() {
        return None;
    }
    let steps = &report.steps[..report.steps.len().min(STEPS)];
    let names: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
    let mut bytes = Vec::with_capacity(steps.len() * 8);
    for step in steps {
        varint::put(&mut bytes, micros(step.started));
        varint::put(&mut bytes, micros(step.duration));
        varint::put(&mut bytes, step.convergence.map_or(0, |convergence| micros(convergence) + 1));
    }
    for (at, step) in (0..).zip(steps) {
        let end = StepEnd::of(report, step);
        if let Some((code, _)) = StepEnd::CODES.iter().find(|(_, each)| *each == end) {
            varint::put(&mut bytes, at);
            varint::put(&mut bytes, *code);
        }
    }
    Some((json!(names).to_string(), bytes))
}

/// The names of steps, back from what [`times`] gave.
pub(in crate::history) fn names(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// The times of so many steps in what [`times`] gave. Earlier versions did not write which steps did not pass.
pub(in crate::history) fn step_times(count: usize, mut bytes: &[u8]) -> Vec<StepTime> {
    let mut next = || varint::take(&mut bytes);
    let mut read = || {
        let (started_us, duration_us, convergence) = (next()?, next()?, next()?);
        Some(StepTime { started_us, duration_us, convergence_us: convergence.checked_sub(1), end: StepEnd::Passed })
    };
    let mut times: Vec<StepTime> = (0..count).map_while(|_| read()).collect();
    while let (Some(at), Some(code)) = (varint::take(&mut bytes), varint::take(&mut bytes)) {
        let time = usize::try_from(at).ok().and_then(|at| times.get_mut(at));
        if let (Some(time), Some((_, end))) = (time, StepEnd::CODES.iter().find(|(each, _)| *each == code)) {
            time.end = *end;
        }
    }
    times
}

/// How long until all that was waited for held, microseconds; none where nothing was, or something in vain.
pub(in crate::history) fn longest_convergence(times: &[StepTime]) -> Option<u64> {
    let in_vain = times.iter().any(|time| time.end == StepEnd::Lost);
    times.iter().filter_map(|time| time.convergence_us).max().filter(|_| !in_vain)
}

/// The steps in what [`times`] gave, for readers.
pub(in crate::history) fn steps(json: &str, bytes: &[u8]) -> Vec<StepView> {
    let names = names(json);
    let times = step_times(names.len(), bytes);
    let view = |(name, time): (String, StepTime)| {
        let StepTime { started_us, duration_us, convergence_us, end: _ } = time;
        StepView { name, started_us, duration_us, convergence_us }
    };
    names.into_iter().zip(times).map(view).collect()
}

/// Everything about a run that did not pass, bounded: where it is too much, exchanges are left out first, then the steps that
/// passed. Of a degraded run what it is degraded by.
pub(in crate::history) fn details(report: &RunReport, bodies: Bodies) -> Option<String> {
    match report.verdict {
        Verdict::Passed => report.is_degraded().then(|| report.degraded_to_json().to_string()).filter(|json| json.len() <= BYTES),
        Verdict::Failed | Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Some(whole(report, bodies)),
    }
}

/// A passed run as readers get it.
pub(in crate::history) fn pass(report: &RunReport, bodies: Bodies) -> PassView {
    PassView {
        run_id: report.run_id.to_string(),
        canary: report.canary.id.to_string(),
        due_ms: epoch_ms(report.tick.due),
        details: serde_json::from_str(&whole(report, bodies)).unwrap_or_default(),
    }
}

/// Everything about a run, bounded likewise.
pub(in crate::history) fn whole(report: &RunReport, bodies: Bodies) -> String {
    if report.steps.len() <= BYTES / LEAST_STEP_BYTES {
        let whole = json(report, |_| true, Some(bodies));
        if whole.len() <= BYTES {
            return whole;
        }
        let without_exchanges = json(report, |_| true, None);
        if without_exchanges.len() <= BYTES {
            return without_exchanges;
        }
    }
    // The first ones tell the most.
    let mut left = 20;
    let failed = json(
        report,
        |step| {
            let wanted = left > 0 && matches!(step.result, StepResult::Failed(_) | StepResult::Blocked(_));
            left -= usize::from(wanted);
            wanted
        },
        None,
    );
    if failed.len() <= BYTES { failed } else { json(report, |_| false, None) }
}

fn json(report: &RunReport, wanted: impl FnMut(&StepReport) -> bool, exchanges: Option<Bodies>) -> String {
    report.details_to_json(wanted, transcripts(exchanges)).to_string()
}

pub(in crate::history) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX - 1)
}

/// What is kept of transcripts. A body that is not kept is masked, so that readers see that there was one.
fn transcripts(exchanges: Option<Bodies>) -> Transcripts {
    match exchanges {
        None => Transcripts::Without,
        Some(Bodies::Never) => Transcripts::Masked,
        Some(Bodies::Failed) => Transcripts::Whole,
    }
}

/// The cleanup as it is written, bounded. If it left nothing behind, only the results and times of its steps are written.
pub(in crate::history) fn cleanup(report: &CleanupReport, bodies: Bodies) -> String {
    let steps = |exchanges: Option<Bodies>, attempts: bool| -> Vec<Value> {
        let bare = |made: &StepReport| StepReport { attempts: Vec::new(), expectations: Vec::new(), ..made.clone() };
        let json = |made: &StepReport| {
            if attempts { made.to_json(transcripts(exchanges)) } else { bare(made).to_json(Transcripts::Without) }
        };
        report.steps.iter().map(json).collect()
    };
    let leaks = match &report.result {
        CleanupResult::Clean => return report.to_json_of(&[], &steps(None, false)).to_string(),
        CleanupResult::Leaked(causes) => causes.as_slice(),
    };
    let first = &leaks[..leaks.len().min(FIRST_LEAKS)];
    let most = [(leaks, (Some(bodies), true)), (leaks, (None, true)), (first, (None, false))];
    let mut drawn =
        most.into_iter().map(|(leaks, (exchanges, attempts))| report.to_json_of(leaks, &steps(exchanges, attempts)).to_string());
    drawn.find(|text| text.len() <= CLEANUP_BYTES).unwrap_or_else(|| report.to_json_of(&[], &[]).to_string())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::outcome::testing;
    use crate::plan::testing::{canary, probe};

    #[test]
    fn a_run_that_has_too_many_steps_for_its_bound_is_known_by_their_number() {
        let mut report = testing::run(&canary(&probe("p").into(), "eu"), Verdict::Passed, SystemTime::UNIX_EPOCH);
        let least = testing::step("").to_json(Transcripts::Without).to_string().len();
        assert!(least >= LEAST_STEP_BYTES, "{least}");
        report.steps = vec![testing::step("each"); BYTES / LEAST_STEP_BYTES + 1];
        let kept: Value = serde_json::from_str(&whole(&report, Bodies::Failed)).unwrap();
        assert_eq!((&kept["steps"], &kept["truncated"]), (&json!([]), &json!(true)));
        report.steps.truncate(100);
        let kept: Value = serde_json::from_str(&whole(&report, Bodies::Failed)).unwrap();
        assert_eq!((kept["steps"].as_array().map(Vec::len), &kept["truncated"]), (Some(100), &json!(false)));
    }
}
