//! Reports as OpenTelemetry spans.
//!
//! Owns names, attributes, status and events of spans; ids and times are the report's own, since the target has seen them
//! already. HTTP attributes follow the semantic conventions for HTTP clients
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>); everything of ours begins with `serinus.`. Pure but for
//! the cleanup's own span id.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::outcome::{
    AttemptReport, Cause, CleanupReport, CleanupResult, ExpectationReport, Held, HttpAnswer, RunReport, Seen, SpanId, StepReport,
    StepResult, TraceId, Trigger, Verdict,
};

/// The spans of one run: its root, a child for each step, a grandchild for each attempt.
pub(super) fn of_run(report: &RunReport) -> Vec<SpanData> {
    let writer = Writer { trace: report.trace_id, began: report.started };
    let mut spans = vec![writer.root(report)];
    writer.steps(&report.steps, report.span_id, &mut spans);
    spans
}

/// The spans of one cleanup, below its run's root.
pub(super) fn of_cleanup(report: &CleanupReport) -> Vec<SpanData> {
    let writer = Writer { trace: report.run.trace_id, began: report.run.started };
    let id = SpanId::random();
    let status = match &report.result {
        CleanupResult::Clean => Status::Ok,
        CleanupResult::Leaked(causes) => {
            Status::error(causes.iter().map(|cause| cause.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    };
    let mut span =
        writer.span("cleanup".into(), id, Some(report.run.span_id), SpanKind::Internal, report.started, report.duration);
    span.attributes =
        vec![text("serinus.run.id", report.run.run_id.to_string()), text("serinus.cleanup", cleanup_word(&report.result))];
    span.status = status;
    let mut spans = vec![span];
    writer.steps(&report.steps, id, &mut spans);
    spans
}

/// What all spans of a trace have in common.
struct Writer {
    trace: TraceId,
    /// What offsets in the report count from.
    began: SystemTime,
}

impl Writer {
    fn root(&self, report: &RunReport) -> SpanData {
        let name = format!("probe {}", report.canary.probe.name);
        let mut span = self.span(name.into(), report.span_id, None, SpanKind::Internal, Duration::ZERO, report.duration);
        span.attributes = run_attributes(report);
        span.status = match (report.verdict, &report.cause) {
            (Verdict::Passed, _) => Status::Ok,
            (Verdict::Failed | Verdict::Errored, cause) => {
                Status::error(cause.as_ref().map_or_else(|| report.verdict.to_string(), |cause| cause.message.clone()))
            }
            (Verdict::Missed | Verdict::Blocked | Verdict::Skipped, _) => Status::Unset,
        };
        span
    }

    fn steps(&self, steps: &[StepReport], root: SpanId, spans: &mut Vec<SpanData>) {
        for step in steps {
            spans.push(self.step(step, step.parent.unwrap_or(root)));
            let last = step.attempts.len().saturating_sub(1);
            for (at, attempt) in step.attempts.iter().enumerate() {
                // Long polls keep their first attempts and the last, which has the number of all that were made.
                let number = if at == last { step.attempts_made.max(1) } else { u32::try_from(at + 1).unwrap_or(u32::MAX) };
                spans.push(self.attempt(attempt, number, step));
            }
        }
    }

    fn step(&self, step: &StepReport, parent: SpanId) -> SpanData {
        let name = Cow::Owned(step.name.to_string());
        let mut span = self.span(name, step.span_id, Some(parent), SpanKind::Internal, step.started, step.duration);
        span.attributes = step_attributes(step);
        span.status = match &step.result {
            StepResult::Passed => Status::Ok,
            StepResult::Failed(cause) => Status::error(cause.message.clone()),
            StepResult::NotNeeded | StepResult::Blocked(_) => Status::Unset,
        };
        let mut events = SpanEvents::default();
        events.events =
            step.expectations.iter().filter_map(|expectation| failed_expectation(expectation, span.end_time)).collect();
        span.events = events;
        span
    }

    fn attempt(&self, attempt: &AttemptReport, number: u32, step: &StepReport) -> SpanData {
        let name: Cow<'static, str> = attempt.http.as_ref().map_or("attempt".into(), |http| http.method.clone().into());
        let mut span = self.span(name, attempt.span_id, Some(step.span_id), SpanKind::Client, attempt.started, attempt.duration);
        span.attributes = vec![KeyValue::new("serinus.attempt", i64::from(number))];
        if let Some(http) = &attempt.http {
            http_attributes(http, &mut span.attributes);
        }
        if let Some((reason, message)) = &attempt.failure {
            span.attributes.push(KeyValue::new("error.type", reason.as_str()));
            span.status = Status::error(message.clone());
        }
        span
    }

    fn span(
        &self,
        name: Cow<'static, str>,
        id: SpanId,
        parent: Option<SpanId>,
        span_kind: SpanKind,
        started: Duration,
        lasting: Duration,
    ) -> SpanData {
        let trace = opentelemetry::TraceId::from_bytes(self.trace.0.to_be_bytes());
        let start_time = self.began + started;
        SpanData {
            span_context: SpanContext::new(trace, span_id(id), TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.map_or(opentelemetry::SpanId::INVALID, span_id),
            parent_span_is_remote: false,
            span_kind,
            name,
            start_time,
            end_time: start_time + lasting,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("serinus").with_version(env!("CARGO_PKG_VERSION")).build(),
        }
    }
}

fn run_attributes(report: &RunReport) -> Vec<KeyValue> {
    let canary = &report.canary;
    let due = chrono::DateTime::<chrono::Utc>::from(report.tick.due);
    let mut attributes = vec![
        text("serinus.probe", Arc::clone(&canary.probe.name)),
        text("serinus.region", Arc::clone(&canary.region.name)),
        text("serinus.canary", canary.id.to_string()),
        text("serinus.run.id", report.run_id.to_string()),
        text("serinus.verdict", report.verdict.as_str()),
        text("serinus.trigger", trigger_word(report.trigger)),
        text("serinus.tick", due.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
        KeyValue::new("serinus.lateness", report.lateness.as_secs_f64()),
    ];
    attributes.extend(canary.cell.0.iter().map(|(key, value)| KeyValue::new(format!("serinus.cell.{key}"), value.to_string())));
    if let Some(cause) = &report.cause {
        cause_attributes(cause, &mut attributes);
    }
    attributes
}

fn step_attributes(step: &StepReport) -> Vec<KeyValue> {
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

fn http_attributes(http: &HttpAnswer, attributes: &mut Vec<KeyValue>) {
    attributes.push(text("http.request.method", http.method.clone()));
    attributes.push(text("url.full", http.url.clone()));
    if let Ok(url) = url::Url::parse(&http.url) {
        attributes.extend(url.host_str().map(|host| text("server.address", host.to_owned())));
        attributes.extend(url.port_or_known_default().map(|port| KeyValue::new("server.port", i64::from(port))));
    }
    if let Some(status) = http.status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
        attributes.push(KeyValue::new("http.response.body.size", i64::try_from(http.body_bytes).unwrap_or(i64::MAX)));
    }
    if let Some(version) = http.version {
        attributes.push(text("network.protocol.name", "http"));
        attributes.push(text("network.protocol.version", version));
    }
    attributes.push(KeyValue::new("serinus.connection.reused", http.phases.reused));
    attributes
        .extend(http.phases.each().map(|(phase, took)| KeyValue::new(format!("serinus.phase.{phase}"), took.as_secs_f64())));
}

/// The event for an expectation that did not hold; those that held are many and say nothing new.
fn failed_expectation(expectation: &ExpectationReport, at: SystemTime) -> Option<Event> {
    let why = match &expectation.held {
        Held::Yes => return None,
        Held::No => None,
        Held::NotEvaluable(why) => Some(text("serinus.not_evaluable", why.clone())),
    };
    let mut attributes = vec![
        text("serinus.expectation", Arc::clone(&expectation.source)),
        text("serinus.expectation.location", expectation.location.to_string()),
    ];
    attributes.extend(why);
    attributes.extend(seen(&expectation.seen));
    Some(Event::new("expectation failed", at, attributes, 0))
}

fn seen(parts: &[Seen]) -> Option<KeyValue> {
    if parts.is_empty() {
        return None;
    }
    let shown: Vec<StringValue> = parts.iter().map(|Seen { source, value }| format!("{source} = {value}").into()).collect();
    Some(KeyValue::new("serinus.seen", Value::Array(Array::String(shown))))
}

fn text(key: &'static str, value: impl Into<StringValue>) -> KeyValue {
    KeyValue::new(key, value.into())
}

fn span_id(SpanId(id): SpanId) -> opentelemetry::SpanId {
    opentelemetry::SpanId::from_bytes(id.to_be_bytes())
}

fn trigger_word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::Confirm => "confirm",
        Trigger::Manual => "manual",
        Trigger::Test => "test",
    }
}

fn cleanup_word(result: &CleanupResult) -> &'static str {
    match result {
        CleanupResult::Clean => "clean",
        CleanupResult::Leaked(_) => "leaked",
    }
}
