//! What is kept of a run beside its row: the times of a passed run's steps, and everything about a run that did not pass.
//!
//! The JSON has the names that `serinus test --output json` uses, so that a reader of one reads the other.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{StepView, varint};
use crate::base::time::seconds;
use crate::outcome::{Cause, ExpectationReport, Held, RunReport, Seen, StepReport, StepResult, Transcripts, Verdict};
use crate::plan::Bodies;

/// Steps whose times are kept; loops may make many more.
const STEPS: usize = 200;

/// Bytes of JSON that are kept of one run.
const BYTES: usize = 256 << 10;

/// Names of the steps as JSON, and their times as bytes; none of a run without steps.
pub(super) fn times(report: &RunReport) -> Option<(String, Vec<u8>)> {
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
    Some((json!(names).to_string(), bytes))
}

/// Back from what [`times`] gave.
pub(super) fn steps(names: &str, mut bytes: &[u8]) -> Vec<StepView> {
    let names: Vec<String> = serde_json::from_str(names).unwrap_or_default();
    let view = |name| {
        let mut next = || varint::take(&mut bytes);
        let (started_us, duration_us, convergence) = (next()?, next()?, next()?);
        Some(StepView { name, started_us, duration_us, convergence_us: convergence.checked_sub(1) })
    };
    names.into_iter().map_while(view).collect()
}

/// Everything about a run that did not pass, bounded: where it is too much, exchanges go first, then the steps that passed.
pub(super) fn details(report: &RunReport, bodies: Bodies) -> Option<String> {
    if report.verdict == Verdict::Passed {
        return None;
    }
    let whole = json(report, |_| true, Some(bodies));
    if whole.len() <= BYTES {
        return Some(whole);
    }
    let without_exchanges = json(report, |_| true, None);
    if without_exchanges.len() <= BYTES {
        return Some(without_exchanges);
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
    Some(if failed.len() <= BYTES { failed } else { json(report, |_| false, None) })
}

fn json(report: &RunReport, mut wanted: impl FnMut(&StepReport) -> bool, exchanges: Option<Bodies>) -> String {
    let steps: Vec<Value> = report.steps.iter().filter(|each| wanted(each)).map(|each| step(each, exchanges)).collect();
    json!({
        "cause": report.cause.as_ref().map(cause),
        "vars": texts(&report.vars),
        "truncated": steps.len() < report.steps.len() || exchanges.is_none(),
        "steps": steps,
    })
    .to_string()
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX - 1)
}

fn seen(seen: &[Seen]) -> Value {
    seen.iter().map(|Seen { source, value }| json!({ "source": source, "value": value })).collect()
}

fn location(file: &Path, line: u32, column: u32) -> Value {
    json!({ "file": file.display().to_string(), "line": line, "column": column })
}

fn texts(pairs: &[(std::sync::Arc<str>, String)]) -> Value {
    pairs.iter().map(|(name, text)| (name.to_string(), json!(text))).collect::<Map<_, _>>().into()
}

pub(super) fn cause(cause: &Cause) -> Value {
    json!({
        "reason": cause.reason.as_str(),
        "message": cause.message,
        "step": cause.step.as_deref(),
        "subject": cause.subject,
        "attempts": cause.attempts,
        "expectation": cause.expectation,
        "location": cause.location.as_ref().map(|at| location(&at.path, at.line, at.column)),
        "seen": seen(&cause.seen),
    })
}

pub(super) fn step(step: &StepReport, exchanges: Option<Bodies>) -> Value {
    let (result, why) = match &step.result {
        StepResult::Passed => ("passed", None),
        StepResult::Failed(cause) => ("failed", Some(cause)),
        StepResult::NotNeeded => ("not_needed", None),
        StepResult::Blocked(cause) => ("blocked", Some(cause)),
    };
    json!({
        "name": *step.name,
        "device": *step.device,
        "round": step.round,
        "subject": step.subject,
        "span_id": step.span_id.to_string(),
        "parent_span_id": step.parent.map(|parent| parent.to_string()),
        "started_seconds": seconds(step.started),
        "duration_seconds": seconds(step.duration),
        "stalled_seconds": seconds(step.stalled),
        "convergence_seconds": step.convergence.map(seconds),
        "result": result,
        "allow_failure": step.allow_failure,
        "cause": why.map(cause),
        "attempts_made": step.attempts_made,
        "attempts": step.attempts.iter().map(|attempt| attempt.to_json(transcripts(exchanges))).collect::<Value>(),
        "expectations": step.expectations.iter().map(expectation).collect::<Value>(),
        "captures": texts(&step.captures),
    })
}

fn expectation(expectation: &ExpectationReport) -> Value {
    let (held, why) = match &expectation.held {
        Held::Yes => ("yes", None),
        Held::No => ("no", None),
        Held::NotEvaluable(why) => ("not_evaluable", Some(why)),
    };
    json!({
        "source": *expectation.source,
        "location": location(&expectation.location.path, expectation.location.line, expectation.location.column),
        "held": held,
        "why": why,
        "seen": seen(&expectation.seen),
    })
}

/// Of a body that is not kept it is still to be seen that there was one.
fn transcripts(exchanges: Option<Bodies>) -> Transcripts {
    match exchanges {
        None => Transcripts::Without,
        Some(Bodies::Never) => Transcripts::Masked,
        Some(Bodies::Failed) => Transcripts::Whole,
    }
}
