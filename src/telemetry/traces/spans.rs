//! Reports as OpenTelemetry spans.
//!
//! Owns names, parents, times, kind and status of spans; ids and times are the report's own, since the target has seen them
//! already. Pure but for the cleanup's own span id.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::outcome::{
    AttemptDetail, AttemptReport, CleanupReport, CleanupResult, RunReport, SpanId, StepReport, StepResult, TraceId, Verdict,
};

use super::attributes::{attempt_attributes, did_not_hold, run_attributes, step_attributes, text};

/// The spans of one run: its root, a child for each step, a grandchild for each attempt.
pub(super) fn of_run(report: &RunReport) -> Vec<SpanData> {
    let builder = SpanBuilder { trace: report.trace_id, began: report.started };
    let mut spans = vec![builder.root(report)];
    builder.steps(&report.steps, report.span_id, &mut spans);
    spans
}

/// The spans of one cleanup, below its run's root.
pub(super) fn of_cleanup(report: &CleanupReport) -> Vec<SpanData> {
    let builder = SpanBuilder { trace: report.run.trace_id, began: report.run.started };
    let id = SpanId::random();
    let status = match &report.result {
        CleanupResult::Clean => Status::Ok,
        CleanupResult::Leaked(causes) => {
            Status::error(causes.iter().map(|cause| cause.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    };
    let mut span =
        builder.span("cleanup".into(), id, Some(report.run.span_id), SpanKind::Internal, report.started, report.duration);
    span.attributes =
        vec![text("serinus.run.id", report.run.run_id.to_string()), text("serinus.cleanup", report.result.as_str())];
    span.status = status;
    let mut spans = vec![span];
    builder.steps(&report.steps, id, &mut spans);
    spans
}

/// What all spans of a trace have in common.
struct SpanBuilder {
    trace: TraceId,
    /// What offsets in the report count from.
    began: SystemTime,
}

impl SpanBuilder {
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
        let failed = step.expectations.iter().map(|expectation| ("expectation failed", expectation));
        let all = failed.chain(step.warnings.iter().map(|warning| ("warning", warning)));
        events.events = all.filter_map(|(name, judged)| did_not_hold(name, judged, span.end_time)).collect();
        span.events = events;
        span
    }

    fn attempt(&self, attempt: &AttemptReport, number: u32, step: &StepReport) -> SpanData {
        let name: Cow<'static, str> = attempt.detail.as_ref().map_or("attempt".into(), AttemptDetail::span_name);
        let mut span = self.span(name, attempt.span_id, Some(step.span_id), SpanKind::Client, attempt.started, attempt.duration);
        span.attributes = vec![KeyValue::new("serinus.attempt", i64::from(number))];
        if let Some(detail) = &attempt.detail {
            attempt_attributes(detail, &mut span.attributes);
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

fn span_id(SpanId(id): SpanId) -> opentelemetry::SpanId {
    opentelemetry::SpanId::from_bytes(id.to_be_bytes())
}
