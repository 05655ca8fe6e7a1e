//! What the store keeps of a run beside its row, as types.
//!
//! It is the JSON that `outcome` writes and describes. Whoever reads it may be older or newer than whoever wrote it: keys that
//! are not known are passed over, and those that are absent or null have their default. What is of another version, or of
//! another shape, is no [`Details`], and is shown as the JSON it is.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::history::StepView;
use crate::outcome::REPORT_VERSION;

/// A run beside its row.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Details {
    pub(super) version: u32,
    pub(super) cause: Option<Cause>,
    pub(super) vars: Map<String, Value>,
    pub(super) truncated: bool,
    pub(super) steps: Vec<Step>,
    pub(super) degraded_by: Vec<Expectation>,
    pub(super) cleanup: Option<Cleanup>,
}

/// Why something did not pass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) step: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) expectation: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) seen: Vec<Seen>,
}

/// Where something is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Location {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A part of an expectation and what it was.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    pub(super) source: String,
    pub(super) value: String,
}

/// An expectation, or a warning; that of a degraded run says of which step it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expectation {
    pub(super) source: String,
    pub(super) say: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) held: String,
    pub(super) why: Option<String>,
    pub(super) seen: Vec<Seen>,
    pub(super) step: Option<String>,
    pub(super) message: Option<String>,
}

/// A step, or a round of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) device: String,
    pub(super) round: Option<u64>,
    pub(super) subject: Option<String>,
    pub(super) parent_span_id: Option<String>,
    pub(super) started_seconds: f64,
    pub(super) duration_seconds: f64,
    pub(super) stalled_seconds: f64,
    pub(super) convergence_seconds: Option<f64>,
    pub(super) result: String,
    pub(super) allow_failure: bool,
    pub(super) cause: Option<Cause>,
    pub(super) attempts_made: u64,
    pub(super) attempts: Vec<Attempt>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) warnings: Vec<Expectation>,
    pub(super) captures: Map<String, Value>,
}

/// One try of a step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attempt {
    pub(super) started_seconds: f64,
    pub(super) duration_seconds: f64,
    pub(super) failure: Option<Failure>,
    pub(super) alike: u64,
    pub(super) http: Option<Http>,
    pub(super) exchange: Option<Exchange>,
    pub(super) observed: Option<Observed>,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) message: String,
}

/// What HTTP tells of an attempt.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: Option<u64>,
    pub(super) version: Option<String>,
    pub(super) body_bytes: u64,
    pub(super) reused: bool,
    pub(super) phases_seconds: Map<String, Value>,
    pub(super) withheld: Vec<Withheld>,
}

/// What a redirect was not given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Withheld {
    pub(super) redirect: u64,
    pub(super) to: String,
    pub(super) headers: Vec<String>,
}

/// Request and answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Exchange {
    pub(super) request_headers: Vec<(String, String)>,
    pub(super) request_body: String,
    pub(super) response_headers: Vec<(String, String)>,
    pub(super) response_body: String,
    pub(super) truncated: bool,
}

/// What another kind than HTTP tells of an attempt.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Observed {
    pub(super) asked: String,
    pub(super) answered: bool,
    pub(super) facts: Map<String, Value>,
    pub(super) phases_seconds: Map<String, Value>,
    pub(super) transcript: Option<Transcript>,
}

/// What was sent and received.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Transcript {
    pub(super) sent: String,
    pub(super) received: String,
    pub(super) truncated: bool,
}

/// What became of what the run created.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cleanup {
    pub(super) result: String,
    pub(super) leaks: Vec<Cause>,
    pub(super) duration_seconds: f64,
    pub(super) steps: Vec<Step>,
}

impl Details {
    /// What the JSON says, if it is of the version that is known here. What a run's cleanup left is kept without a version where
    /// nothing else is kept of the run.
    pub(in crate::web) fn read(json: &Value) -> Option<Self> {
        let details: Self = serde_json::from_value(without_nulls(json)).ok()?;
        let is_known = details.version == REPORT_VERSION || (json["version"].is_null() && details.cleanup.is_some());
        is_known.then_some(details)
    }
}

impl Step {
    /// What is kept of a step of a passed run.
    pub(super) fn passed(step: &StepView) -> Self {
        let seconds = |us: u64| Duration::from_micros(us).as_secs_f64();
        Self {
            name: step.name.clone(),
            started_seconds: seconds(step.started_us),
            duration_seconds: seconds(step.duration_us),
            convergence_seconds: step.convergence_us.map(seconds),
            result: "passed".to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn started(&self) -> Duration {
        duration(self.started_seconds)
    }

    pub(super) fn took(&self) -> Duration {
        duration(self.duration_seconds)
    }
}

impl Attempt {
    pub(super) fn started(&self) -> Duration {
        duration(self.started_seconds)
    }

    pub(super) fn took(&self) -> Duration {
        duration(self.duration_seconds)
    }

    /// Where the time went, in order.
    pub(super) fn phases(&self) -> impl Iterator<Item = (&str, Duration)> {
        let of = match (&self.http, &self.observed) {
            (Some(http), _) => Some(&http.phases_seconds),
            (None, Some(observed)) => Some(&observed.phases_seconds),
            (None, None) => None,
        };
        of.into_iter().flatten().map(|(name, took)| (name.as_str(), duration(took.as_f64().unwrap_or_default())))
    }
}

/// Seconds as a duration; nothing where there is no such duration.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The same without keys of objects that are null, so that these have their default.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_null_or_unknown_is_no_hindrance_and_another_version_is() {
        let details = Details::read(&json!({
            "version": 1, "cause": null, "news": [1], "steps": [{ "name": "s", "round": null, "attempts": [{ "http": null }] }],
        }));
        let details = details.unwrap();
        assert_eq!((details.steps[0].name.as_str(), details.steps[0].attempts.len()), ("s", 1));
        assert!(details.cause.is_none());
        for other in [json!({ "version": 2 }), json!({}), json!(null), json!("text"), json!({ "version": 1, "steps": "none" })] {
            assert!(Details::read(&other).is_none(), "{other}");
        }
        assert!(Details::read(&json!({ "cleanup": { "result": "clean" } })).is_some());
    }

    #[test]
    fn a_time_that_is_none_is_nothing() {
        assert_eq!([duration(-1.0), duration(f64::NAN), duration(1e300)], [Duration::ZERO; 3]);
    }
}
