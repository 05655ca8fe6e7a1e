//! What spans and events say, attribute by attribute.
//!
//! What an attempt's span says is its kind's to know (see `outcome`); everything of ours begins with `serinus.`. Pure.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::Event;
use opentelemetry::{Array, KeyValue, StringValue, Value};

use crate::base::time::rfc3339;
use crate::outcome::{AttemptDetail, Cause, ExpectationReport, FactValue, Held, RunReport, SeenValue, StepReport, StepResult};

/// Of a run's root.
pub(super) fn run_attributes(report: &RunReport) -> Vec<KeyValue> {
    let canary = &report.canary;
    let mut attributes = vec![
        text("serinus.probe", Arc::clone(&canary.probe.name)),
        text("serinus.region", Arc::clone(&canary.region.name)),
        text("serinus.canary", canary.id.to_string()),
        text("serinus.run.id", report.run_id.to_string()),
        text("serinus.verdict", report.verdict.as_str()),
        text("serinus.trigger", report.trigger.as_str()),
        text("serinus.tick", rfc3339(report.tick.due)),
        KeyValue::new("serinus.lateness", report.lateness.as_secs_f64()),
    ];
    attributes.extend(canary.cell.0.iter().map(|(key, value)| KeyValue::new(format!("serinus.cell.{key}"), value.to_string())));
    if report.is_degraded() {
        attributes.push(KeyValue::new("serinus.degraded", true));
    }
    if let Some(cause) = &report.cause {
        cause_attributes(cause, &mut attributes);
    }
    attributes
}

/// Of a step.
pub(super) fn step_attributes(step: &StepReport) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("serinus.step", Arc::clone(&step.name)),
        text("serinus.device", Arc::clone(&step.device)),
        KeyValue::new("serinus.attempts", i64::from(step.attempts_made)),
    ];
    attributes.extend(step.round.map(|round| KeyValue::new("serinus.round", i64::from(round))));
    attributes.extend(step.subject.as_ref().map(|subject| text("serinus.subject", subject.clone())));
    attributes.extend(step.convergence.map(|seconds| KeyValue::new("serinus.convergence", seconds.as_secs_f64())));
    attributes.extend(step.captures.iter().map(|(name, shown)| KeyValue::new(format!("serinus.capture.{name}"), shown.clone())));
    match &step.result {
        StepResult::Failed(cause) | StepResult::Blocked(cause) => cause_attributes(cause, &mut attributes),
        StepResult::NotNeeded => attributes.push(KeyValue::new("serinus.not_needed", true)),
        StepResult::Passed => {}
    }
    if step.allow_failure {
        attributes.push(KeyValue::new("serinus.allow_failure", true));
    }
    attributes
}

fn cause_attributes(cause: &Cause, attributes: &mut Vec<KeyValue>) {
    attributes.push(text("serinus.reason", cause.reason.as_str()));
    attributes.push(text("error.type", cause.reason.as_str()));
    attributes.extend(cause.step.as_ref().map(|step| text("serinus.cause.step", Arc::clone(step))));
    attributes.extend(cause.subject.as_ref().map(|subject| text("serinus.cause.subject", subject.clone())));
    attributes.extend(cause.expectation.as_ref().map(|source| text("serinus.expectation", source.clone())));
    attributes.extend(cause.location.as_ref().map(|location| text("serinus.expectation.location", location.to_string())));
    attributes.extend(seen(&cause.seen));
}

/// Of an attempt, added to `attributes`.
pub(super) fn attempt_attributes(detail: &AttemptDetail, attributes: &mut Vec<KeyValue>) {
    attributes.extend(detail.attributes().into_iter().map(|(name, value)| KeyValue::new(name, fact(value))));
    attributes.extend(detail.phases().map(|(phase, took)| KeyValue::new(format!("serinus.phase.{phase}"), took.as_secs_f64())));
}

fn fact(value: FactValue) -> Value {
    match value {
        FactValue::Text(text) => Value::String(text.into()),
        FactValue::Integer(number) => Value::I64(number),
        FactValue::Bool(truth) => Value::Bool(truth),
    }
}

/// The event of this name for an expectation or a warning that did not hold; those that held are many and say nothing new.
pub(super) fn did_not_hold(name: &'static str, expectation: &ExpectationReport, at: SystemTime) -> Option<Event> {
    let why = match &expectation.held {
        Held::Yes => return None,
        Held::No => None,
        Held::NotEvaluable(why) => Some(text("serinus.not_evaluable", why.clone())),
    };
    let mut attributes = vec![
        text("serinus.expectation", Arc::clone(&expectation.source)),
        text("serinus.expectation.location", expectation.location.to_string()),
    ];
    attributes.extend(expectation.say.as_ref().map(|say| text("serinus.say", Arc::clone(say))));
    attributes.extend(why);
    attributes.extend(seen(&expectation.seen));
    Some(Event::new(name, at, attributes, 0))
}

fn seen(parts: &[SeenValue]) -> Option<KeyValue> {
    if parts.is_empty() {
        return None;
    }
    let shown: Vec<StringValue> = parts.iter().map(|SeenValue { source, value }| format!("{source} = {value}").into()).collect();
    Some(KeyValue::new("serinus.seen", Value::Array(Array::String(shown))))
}

/// An attribute with a text.
pub(super) fn text(key: &'static str, value: impl Into<StringValue>) -> KeyValue {
    KeyValue::new(key, value.into())
}
