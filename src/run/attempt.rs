//! One try of an HTTP step: sent, received and judged.

use std::sync::Arc;
use std::time::Instant;

use crate::outcome::{AttemptReport, Cause, ExpectationReport, Held, Reason, SpanId, StepResult};

use super::context::held_against;
use super::exchange::Execution;
use super::judge::{self, Guarded};
use super::net;
use super::release::Release;
use super::request::Detail;
use super::stall::Bound;
use super::state::{Flight, keep_attempt};
use super::step::http::{HttpFailure, HttpResponse, RunHeaders};
use super::think::{aside, think};

/// What one try gave.
pub(super) struct Attempt {
    /// Expectations that were judged, held or not.
    pub(super) judged: usize,
    pub(super) failure: Option<Failure>,
    pub(super) response: Option<Arc<HttpResponse>>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// Why a try failed.
pub(super) struct Failure {
    pub(super) cause: Cause,
    /// Set for transport errors.
    pub(super) transport: Option<Transport>,
}

/// What matters of a transport error for whoever thinks of trying again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transport {
    /// Whether a byte of the request may have left.
    pub(super) sent: bool,
    /// Whether it was an answer all the same, which no `retry` is for: that of a token endpoint, without which the request never left.
    pub(super) answered: bool,
}

/// Makes one try and adds it to the step's report.
pub(super) async fn make(execution: &Execution<'_>, release: Option<Release>) -> Attempt {
    let context = execution.context;
    let span_id = SpanId::random();
    let headers = RunHeaders::new(context.run_id, context.trace_id, span_id, context.sampled);
    let timeout = execution.step.timeout.unwrap_or(context.limits.step_timeout);
    if let Some(release) = release {
        release.wait().await;
    }
    let redactor = context.redactor();
    if redactor.learns() {
        think(execution.request.body.len(), || redactor.learn(&execution.request.body.text()));
    }
    let began = Instant::now();
    let bound = context.bound(began, timeout);
    let (request, underway) = (Arc::clone(&execution.request), Arc::default());
    context.state.take_off(Flight {
        span_id: execution.span_id,
        attempt: span_id,
        began,
        request,
        underway: Arc::clone(&underway),
    });
    let mut sent = execution.device.send_noting(&execution.request, &headers, &bound, context.redactor(), &underway).await;
    context.state.land(execution.span_id);
    let ended = Instant::now();
    if let Ok(response) = &mut sent.result {
        net::take_out(&context.stalls, response, ended);
    }
    let (expectations, failure, response) = match &sent.result {
        Err(failure) => {
            let asked = format!("{} {}", sent.answer.method, sent.answer.url);
            let cause = transport_cause(execution, &asked, failure, &bound, ended);
            // What went on or was too large was an answer all the same.
            let answered = matches!(failure.reason, Reason::Redirects | Reason::ResponseTooLarge);
            let transport = (!answered).then_some(Transport { sent: failure.sent, answered: failure.got_byte && !failure.sent });
            (Vec::new(), Some(Failure { cause, transport }), None)
        }
        Ok(response) => {
            let (expectations, cause) = think(response.body.len(), || {
                if redactor.learns() {
                    redactor.learn(&response.text());
                }
                judged(execution, response)
            });
            (expectations, cause.map(|cause| Failure { cause, transport: None }), Some(Arc::clone(response)))
        }
    };
    let shown = failure.is_some() || context.detail == Detail::Everything;
    let exchange = shown.then(|| {
        let bytes = execution.request.body.len() + sent.result.as_ref().map_or(0, |response| response.body.len());
        think(bytes, || Box::new(sent.exchange(&execution.request, context.redactor())))
    });
    let report = AttemptReport {
        span_id,
        started: context.offset(began),
        duration: ended.duration_since(began),
        http: Some(sent.answer),
        exchange,
        failure: failure.as_ref().map(|failure| (failure.cause.reason, failure.cause.message.clone())),
    };
    let judged = expectations.len();
    record(execution, report, expectations, failure.as_ref());
    Attempt { judged, failure, response, began, ended }
}

fn record(execution: &Execution<'_>, attempt: AttemptReport, expectations: Vec<ExpectationReport>, failure: Option<&Failure>) {
    execution.context.state.update(execution.span_id, |report| {
        keep_attempt(report, attempt);
        report.expectations = expectations;
        if let Some(failure) = failure {
            // Kept while the step goes on, so that a bound that cuts it can tell what was seen last.
            report.result = StepResult::Failed(failure.cause.clone());
        }
    });
}

fn transport_cause(execution: &Execution<'_>, asked: &str, failure: &HttpFailure, bound: &Bound<'_>, ended: Instant) -> Cause {
    let context = execution.context;
    let (reason, stalled) = match failure.reason {
        // What passed before the attempt's own bound is that on connecting, which the client keeps and nobody can prolong.
        Reason::Timeout if ended < bound.end(ended) => context.ours_or(Reason::Timeout, bound.from(), ended),
        Reason::Timeout => held_against(Reason::Timeout, bound, ended),
        other => (other, String::new()),
    };
    context.cause(reason, Some(&execution.step.name), &format!("{asked}: {}{stalled}", failure.message))
}

/// Judges everything that is said about the answer. A failed expectation outweighs a guard's no, so that a guard can never
/// hide a failure.
fn judged(execution: &Execution<'_>, response: &Arc<HttpResponse>) -> (Vec<ExpectationReport>, Option<Cause>) {
    let (context, step) = (execution.context, execution.step);
    let scope = context.scope_with(execution.names, response);
    let redactor = context.redactor();
    let mut expectations = judge::judge(&step.expect, &scope, redactor, context.detail);
    if let Some(contract) = &step.contract {
        // What a schema costs is not to be known by its size.
        expectations.push(aside(|| judge::judge_contract(contract, response.json(), redactor)));
    }
    let failed = judge::first_failure(&expectations);
    let (guards, guarded) = judge::judge_guards(&step.guard, &scope, redactor, context.detail);
    expectations.extend(guards.into_iter().filter(|guard| guard.held != Held::Yes));
    let cause = failed.or(match guarded {
        Guarded::Open => None,
        Guarded::Blocked(cause) | Guarded::Failed(cause) => Some(cause),
    });
    (expectations, cause.map(|cause| adorned(execution, cause, response)))
}

/// Adds to a judge's cause what the judge cannot know: the step, that a secret is missing, that the answer is not JSON.
fn adorned(execution: &Execution<'_>, mut cause: Cause, response: &HttpResponse) -> Cause {
    let context = execution.context;
    cause.step = Some(Arc::clone(&execution.step.name));
    if cause.reason == Reason::NotEvaluable {
        if let Some(missing) = context.facts.missing_secret() {
            cause.reason = Reason::Secret;
            cause.message = format!("{}; a secret could not be had: {missing}", cause.message);
        }
        if let Some(why) = response.json_error() {
            cause.message = format!("{} (the answer, status {}, is not JSON: {why})", cause.message, response.status);
        }
    }
    cause.message = context.redactor().redact(&cause.message).into_owned();
    cause
}
