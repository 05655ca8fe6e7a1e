//! Reports as JSON: the one shape of a run, which the store keeps, the API answers and `--output json` prints.
//!
//! ```text
#![doc = include_str!("json_shape.txt")]
//! ```
//!
//! Absent is `null`, never a missing key. Starts of steps and attempts count from the run's start. Keys may be added in later
//! versions without another [`REPORT_VERSION`]; none changes its meaning.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::time::{rfc3339, seconds};
use crate::plan::{Cell, CellValue};
use crate::source::Location;

use super::{
    Cause, CleanupReport, CleanupResult, ExpectationReport, Held, RunReport, SeenValue, StepReport, StepResult, Transcripts,
};

/// The version of the shape. A reader that knows it knows every key of it.
pub const REPORT_VERSION: u32 = 1;

/// Warnings that are listed of a degraded run; its steps have them all. A loop may have thousands.
const DEGRADED_BY: usize = 20;

impl RunReport {
    /// The run as one object, with its cleanup, if it had anything to clean up.
    pub fn to_json(&self, cleanup: Option<&CleanupReport>) -> Value {
        json!({
            "version": REPORT_VERSION,
            "run_id": self.run_id.to_string(),
            "trace_id": self.trace_id.to_string(),
            "span_id": self.span_id.to_string(),
            "canary": self.canary.id.as_str(),
            "probe": *self.canary.probe.name,
            "region": *self.canary.region.name,
            "cell": cell_to_json(&self.canary.cell),
            "trigger": self.trigger.as_str(),
            "due": rfc3339(self.tick.due),
            "started": rfc3339(self.started),
            "lateness_seconds": seconds(self.lateness),
            "duration_seconds": seconds(self.duration),
            "stalled_seconds": seconds(self.stalled),
            "verdict": self.verdict.as_str(),
            "degraded": self.is_degraded(),
            "degraded_by": self.degraded_by_json(),
            "cause": self.cause.as_ref().map(Cause::to_json),
            "vars": texts(&self.vars),
            "steps": self.steps.iter().map(|step| step.to_json(Transcripts::Whole)).collect::<Value>(),
            "cleanup": cleanup.map(CleanupReport::to_json),
        })
    }

    /// What is kept of the run beside its row: its cause, its vars and those of its steps that are `wanted`.
    pub fn details_to_json(&self, mut wanted: impl FnMut(&StepReport) -> bool, transcripts: Transcripts) -> Value {
        let steps = self.steps.iter().filter(|step| wanted(step));
        let steps: Vec<Value> = steps.map(|step| step.to_json(transcripts)).collect();
        json!({
            "version": REPORT_VERSION,
            "cause": self.cause.as_ref().map(Cause::to_json),
            "vars": texts(&self.vars),
            "truncated": steps.len() < self.steps.len() || transcripts == Transcripts::Without,
            "steps": steps,
        })
    }
}

impl RunReport {
    /// What is kept of a degraded run beside its row.
    pub fn degraded_to_json(&self) -> Value {
        json!({ "version": REPORT_VERSION, "degraded_by": self.degraded_by_json() })
    }

    fn degraded_by_json(&self) -> Value {
        let of = |(step, warning): (&StepReport, &ExpectationReport)| {
            let mut said = expectation(warning);
            said["step"] = json!(*step.name);
            said["round"] = json!(step.round);
            said["subject"] = json!(step.subject);
            said["message"] = json!(warning.message());
            said
        };
        self.degraded_by().take(DEGRADED_BY).map(of).collect()
    }
}

impl Cause {
    /// CAUSE of the shape.
    pub fn to_json(&self) -> Value {
        json!({
            "reason": self.reason.as_str(),
            "message": self.message,
            "step": self.step.as_deref(),
            "subject": self.subject,
            "attempts": self.attempts,
            "expectation": self.expectation,
            "location": self.location.as_ref().map(location_to_json),
            "seen": seen_to_json(&self.seen),
        })
    }
}

impl StepReport {
    /// STEP of the shape.
    pub fn to_json(&self, transcripts: Transcripts) -> Value {
        let (result, why) = match &self.result {
            StepResult::Passed => ("passed", None),
            StepResult::Failed(cause) => ("failed", Some(cause)),
            StepResult::NotNeeded => ("not_needed", None),
            StepResult::Blocked(cause) => ("blocked", Some(cause)),
        };
        json!({
            "name": *self.name,
            "device": *self.device,
            "round": self.round,
            "subject": self.subject,
            "span_id": self.span_id.to_string(),
            "parent_span_id": self.parent.map(|parent| parent.to_string()),
            "started_seconds": seconds(self.started),
            "duration_seconds": seconds(self.duration),
            "stalled_seconds": seconds(self.stalled),
            "convergence_seconds": self.convergence.map(seconds),
            "result": result,
            "allow_failure": self.allow_failure,
            "cause": why.map(Cause::to_json),
            "attempts_made": self.attempts_made,
            "attempts": self.attempts.iter().map(|attempt| attempt.to_json(transcripts)).collect::<Value>(),
            "expectations": self.expectations.iter().map(expectation).collect::<Value>(),
            "warnings": self.warnings.iter().map(expectation).collect::<Value>(),
            "captures": texts(&self.captures),
        })
    }
}

impl CleanupReport {
    /// The cleanup of the shape.
    pub fn to_json(&self) -> Value {
        let leaks = match &self.result {
            CleanupResult::Clean => [].as_slice(),
            CleanupResult::Leaked(causes) => causes.as_slice(),
        };
        let steps: Vec<Value> = self.steps.iter().map(|step| step.to_json(Transcripts::Whole)).collect();
        self.to_json_of(leaks, &steps)
    }

    /// The same with these of its leaks, and these steps.
    pub fn to_json_of(&self, leaks: &[Cause], steps: &[Value]) -> Value {
        json!({
            "result": self.result.as_str(),
            "leaks": leaks.iter().map(Cause::to_json).collect::<Value>(),
            "started_seconds": seconds(self.started),
            "duration_seconds": seconds(self.duration),
            "steps": steps,
        })
    }
}

/// The matrix values with their types.
pub fn cell_to_json(cell: &Cell) -> Value {
    let value = |value: &CellValue| match value {
        CellValue::Text(text) => json!(**text),
        CellValue::Integer(number) => json!(number),
        CellValue::Float(number) => json!(number),
        CellValue::Bool(truth) => json!(truth),
    };
    cell.0.iter().map(|(key, of)| (key.to_string(), value(of))).collect::<Map<_, _>>().into()
}

/// Parts of an expectation and what they were.
pub fn seen_to_json(seen: &[SeenValue]) -> Value {
    seen.iter().map(|SeenValue { source, value }| json!({ "source": source, "value": value })).collect()
}

/// Where something is written.
pub fn location_to_json(location: &Location) -> Value {
    json!({ "file": location.path.display().to_string(), "line": location.line, "column": location.column })
}

fn texts(pairs: &[(Arc<str>, String)]) -> Value {
    pairs.iter().map(|(name, text)| (name.to_string(), json!(text))).collect::<Map<_, _>>().into()
}

fn expectation(expectation: &ExpectationReport) -> Value {
    let (held, why) = match &expectation.held {
        Held::Yes => ("yes", None),
        Held::No => ("no", None),
        Held::NotEvaluable(why) => ("not_evaluable", Some(why)),
    };
    json!({
        "source": *expectation.source,
        "say": expectation.say.as_deref(),
        "location": location_to_json(&expectation.location),
        "held": held,
        "why": why,
        "seen": seen_to_json(&expectation.seen),
    })
}
