//! A run for programs: one JSON object, whose shape is promised.
//!
//! ```text
#![doc = include_str!("json_shape.txt")]
//! ```
//!
//! Absent is `null`, never a missing key. Starts of steps and attempts count from the run's start. Keys may be added in later
//! versions; none changes its meaning.

use serde_json::{Map, Value, json};

use crate::base::time::seconds;
use crate::outcome::{
    Cause, CleanupReport, CleanupResult, ExpectationReport, Held, Seen, StepReport, StepResult, Transcripts, Trigger,
};
use crate::plan::{Cell, CellValue};
use crate::source::Location;

use super::{Done, rfc3339};

/// The run as one object.
pub(crate) fn json(done: &Done) -> Value {
    let report = &done.report;
    json!({
        "run_id": report.run_id.to_string(),
        "trace_id": report.trace_id.to_string(),
        "span_id": report.span_id.to_string(),
        "canary": report.canary.id.as_str(),
        "probe": *report.canary.probe.name,
        "region": *report.canary.region.name,
        "cell": cell(&report.canary.cell),
        "trigger": trigger(report.trigger),
        "due": rfc3339(report.tick.due),
        "started": rfc3339(report.started),
        "lateness_seconds": seconds(report.lateness),
        "duration_seconds": seconds(report.duration),
        "stalled_seconds": seconds(report.stalled),
        "verdict": report.verdict.as_str(),
        "cause": report.cause.as_ref().map(cause),
        "vars": texts(&report.vars),
        "steps": report.steps.iter().map(step).collect::<Value>(),
        "cleanup": done.cleanup.as_deref().map(cleanup),
    })
}

/// The matrix values with their types.
pub(crate) fn cell(cell: &Cell) -> Value {
    let value = |value: &CellValue| match value {
        CellValue::Text(text) => json!(**text),
        CellValue::Integer(number) => json!(number),
        CellValue::Float(number) => json!(number),
        CellValue::Bool(truth) => json!(truth),
    };
    cell.0.iter().map(|(key, of)| (key.to_string(), value(of))).collect::<Map<_, _>>().into()
}

/// Parts of an expectation and what they were.
pub(crate) fn seen(seen: &[Seen]) -> Value {
    seen.iter().map(|Seen { source, value }| json!({ "source": source, "value": value })).collect()
}

/// Where something is written.
pub(crate) fn location(location: &Location) -> Value {
    json!({ "file": location.path.display().to_string(), "line": location.line, "column": location.column })
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::Confirm => "confirm",
        Trigger::Needed => "needed",
        Trigger::Manual => "manual",
        Trigger::Test => "test",
    }
}

fn texts(pairs: &[(std::sync::Arc<str>, String)]) -> Value {
    pairs.iter().map(|(name, text)| (name.to_string(), json!(text))).collect::<Map<_, _>>().into()
}

fn cause(cause: &Cause) -> Value {
    json!({
        "reason": cause.reason.as_str(),
        "message": cause.message,
        "step": cause.step.as_deref(),
        "subject": cause.subject,
        "attempts": cause.attempts,
        "expectation": cause.expectation,
        "location": cause.location.as_ref().map(location),
        "seen": seen(&cause.seen),
    })
}

fn step(step: &StepReport) -> Value {
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
        "attempts": step.attempts.iter().map(|attempt| attempt.to_json(Transcripts::Whole)).collect::<Value>(),
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
        "location": location(&expectation.location),
        "held": held,
        "why": why,
        "seen": seen(&expectation.seen),
    })
}

fn cleanup(cleanup: &CleanupReport) -> Value {
    let (result, leaks) = match &cleanup.result {
        CleanupResult::Clean => ("clean", [].as_slice()),
        CleanupResult::Leaked(causes) => ("leaked", causes.as_slice()),
    };
    json!({
        "result": result,
        "leaks": leaks.iter().map(cause).collect::<Value>(),
        "started_seconds": seconds(cleanup.started),
        "duration_seconds": seconds(cleanup.duration),
        "steps": cleanup.steps.iter().map(step).collect::<Value>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;

    #[test]
    fn a_run_has_the_promised_shape() {
        let runs: Vec<Value> = [passed(), silent_registration(), missed()].iter().map(json).collect();
        assert_snapshot("runs.json", &format!("{:#}\n", Value::from(runs)));
    }

    #[test]
    fn a_run_is_one_line() {
        assert!(!json(&silent_registration()).to_string().contains('\n'));
    }
}
