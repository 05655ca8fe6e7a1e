//! One HTTP step: render, send, judge, and again while `eventually`, `consistently` or `retry` say so.

use std::sync::Arc;
use std::time::Instant;

use crate::outcome::{Cause, Reason, SpanId, StepResult, Verdict, is_credential};
use crate::plan::expr::{EvalError, Place as TextPlace};
use crate::plan::{HttpAction, Step};

use super::attempt::{self, Attempt};
use super::context::Context;
use super::journal;
use super::judge::shown_as;
use super::polling::{self, Next};
use super::release::Release;
use super::scope::Names;
use super::sequence::{self, Captures, Place};
use super::state::Created;
use super::step::http::{self as wire, HttpDevice, HttpRequest};
use super::think::think;

/// Everything that stays the same over the attempts of one execution of a step.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context,
    pub(super) step: &'a Step,
    pub(super) names: &'a Names,
    pub(super) span_id: SpanId,
    pub(super) device: Arc<HttpDevice>,
    pub(super) request: HttpRequest,
    /// Whether a failure is forgiven.
    pub(super) forgiven: bool,
}

/// Makes an HTTP step once (one iteration of it in a loop).
pub(super) async fn http(
    context: &Context,
    step: &Step,
    action: &HttpAction,
    names: &Names,
    place: &Place,
    release: Option<Release>,
) -> Result<Captures, Cause> {
    let started = Instant::now();
    let (mut report, execution) = match think(0, || prepare(context, step, action, names, place, started)) {
        Ok(ready) => ready,
        Err(cause) => return Err(sequence::record_refusal(context, step, place, cause)),
    };
    let subject = report.subject.clone();
    let mut started = started;
    if !step.cleanup.is_empty() {
        journal::intend(context, step, execution.span_id, names, &report.device).await;
        started = Instant::now();
        report.started = context.offset(started);
        // Whatever happens from here on, the run knows that something may have to be undone.
        context.state.settle(execution.span_id, Created::Maybe, None);
    }
    context.state.open(report);
    let mut earlier = Created::No;
    let last = attempts(&execution, release, &mut earlier).await;
    let result = conclude(&execution, last, earlier);
    let ended = Instant::now();
    let step_result = match &result {
        Ok(_) => StepResult::Passed,
        Err(cause) if Verdict::of(cause.reason) == Verdict::Blocked => StepResult::Blocked(cause.clone()),
        Err(cause) => StepResult::Failed(cause.clone()),
    };
    context.state.close(execution.span_id, ended, ended.duration_since(started), step_result);
    result.map_err(|cause| Cause { subject, ..cause })
}

/// Chooses the device and renders what does not change between attempts.
fn prepare<'a>(
    context: &'a Context,
    step: &'a Step,
    action: &HttpAction,
    names: &'a Names,
    place: &Place,
    started: Instant,
) -> Result<(crate::outcome::StepReport, Execution<'a>), Cause> {
    let scope = context.scope(names);
    let fail = |what: &str, error| context.not_evaluable(Some(&step.name), what, &error);
    let device_name: Arc<str> = match &step.device {
        Some(device) => device.render(&scope, TextPlace::Text).map_err(|error| fail("`device`", error))?.into(),
        None => place.device.clone().unwrap_or_else(sequence::default_device),
    };
    let Some((device, client)) = context.device(&device_name) else {
        let message = format!("there is no device `{device_name}`; declare it as [devices.{device_name}]");
        return Err(context.cause(Reason::NotEvaluable, Some(&step.name), &message));
    };
    let subject = match &step.subject {
        Some(subject) => {
            let subject = subject.render(&scope, TextPlace::Text).map_err(|error| fail("`subject`", error))?;
            Some(context.redactor().redact(&subject).into_owned())
        }
        None => None,
    };
    let request = wire::render(action, &device.headers, &scope, context.limits.response_bytes)
        .map_err(|error| fail("the request", error))
        .map_err(|cause| Cause { subject: subject.clone(), ..cause })?;
    let place = Place { device: Some(device_name), ..place.clone() };
    let mut report = sequence::open_report(context, step, &place, started);
    report.subject = subject;
    let span_id = report.span_id;
    let forgiven = step.allow_failure || place.forgiven;
    Ok((report, Execution { context, step, names, span_id, device: client, request, forgiven }))
}

/// Attempts until one is final. `earlier` becomes what those before it may have created.
async fn attempts(execution: &Execution<'_>, mut release: Option<Release>, earlier: &mut Created) -> Attempt {
    let step = execution.step;
    let write_end = execution.context.state.end_of(step.eventually.as_ref().and_then(|eventually| eventually.since.as_deref()));
    let mut made = 0;
    loop {
        let attempt = attempt::make(execution, release.take()).await;
        made += 1;
        let now = Instant::now();
        let next = match (&attempt.failure, &step.eventually, &step.retry) {
            // A guard's no, a missing secret or a starved prober does not get better by asking again.
            (Some(failure), _, _) if Verdict::of(failure.cause.reason) != Verdict::Failed => Next::Stop,
            (Some(_), Some(eventually), _) => polling::poll_again(eventually, write_end, now),
            (Some(failure), None, Some(retry)) => match failure.transport {
                Some(transport) if !transport.answered => {
                    polling::retry_again(retry, made, execution.request.method.is_idempotent(), transport.sent, now)
                }
                Some(_) | None => Next::Stop,
            },
            (Some(_), None, None) => Next::Stop,
            (None, _, _) => {
                *earlier = Created::Maybe;
                return hold(execution, attempt, write_end).await;
            }
        };
        *earlier = created_by(&attempt).max(*earlier);
        match next {
            Next::Stop => return window_closed(execution, attempt, write_end, now),
            Next::At(moment) => tokio::time::sleep_until(moment.into()).await,
        }
        if let Some(eventually) = &step.eventually
            && !polling::counts(eventually, write_end, Instant::now())
        {
            return window_closed(execution, attempt, write_end, Instant::now());
        }
    }
}

/// The window of an `eventually` has closed: the last attempt's reason stands, unless this process stood still meanwhile.
fn window_closed(execution: &Execution<'_>, mut attempt: Attempt, write_end: Instant, now: Instant) -> Attempt {
    let Some(eventually) = &execution.step.eventually else { return attempt };
    if let Some(failure) = &mut attempt.failure
        && Verdict::of(failure.cause.reason) == Verdict::Failed
    {
        failure.cause.reason = execution.context.blame(failure.cause.reason, write_end, now, eventually.within);
        failure.cause.message = format!(
            "it did not hold within {}; at last: {}",
            humantime::format_duration(eventually.within),
            failure.cause.message
        );
    }
    attempt
}

/// It held. Notes the convergence and goes on looking for as long as `consistently` asks.
async fn hold(execution: &Execution<'_>, mut attempt: Attempt, write_end: Instant) -> Attempt {
    let step = execution.step;
    let since = attempt.ended;
    if step.eventually.is_some() {
        let convergence = since.saturating_duration_since(write_end);
        execution.context.state.update(execution.span_id, |report| report.convergence = Some(convergence));
    }
    let Some(consistently) = &step.consistently else { return attempt };
    while let Next::At(moment) = polling::hold_again(consistently, since, Instant::now()) {
        tokio::time::sleep_until(moment.into()).await;
        attempt = attempt::make(execution, None).await;
        if let Some(failure) = &mut attempt.failure {
            let held = humantime::format_duration(whole_millis(attempt.began.saturating_duration_since(since)));
            failure.cause.message = format!("it held, and {held} later no longer did: {}", failure.cause.message);
            return attempt;
        }
    }
    attempt
}

fn whole_millis(duration: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Takes the captures of the final attempt, or its cause.
fn conclude(execution: &Execution<'_>, attempt: Attempt, earlier: Created) -> Result<Captures, Cause> {
    let context = execution.context;
    if !execution.forgiven {
        context.state.count_judged(attempt.judged);
    }
    let created = created_by(&attempt).max(earlier);
    let result = match attempt.failure {
        Some(failure) => {
            settle_failed(execution, created, attempt.response.as_ref());
            return Err(counted(execution, failure.cause));
        }
        None => attempt.response,
    };
    let Some(response) = result else { return Ok(Vec::new()) };
    let (captures, show, failed) = think(response.body.len(), || take(execution, &response));
    context.state.update(execution.span_id, |report| report.captures = show);
    settle(execution, Created::Yes, &captures);
    match failed {
        Some(cause) => Err(counted(execution, cause)),
        None => Ok(captures),
    }
}

/// Captures for people, by name.
type Shown = Vec<(Arc<str>, String)>;

/// The captures of an answer, how they are shown, and why the first that has no value has none.
fn take(execution: &Execution<'_>, response: &Arc<wire::HttpResponse>) -> (Captures, Shown, Option<Cause>) {
    let (context, step) = (execution.context, execution.step);
    let scope = context.scope_with(execution.names, response);
    let mut captures = Vec::with_capacity(step.capture.len());
    let mut failed = None;
    for (name, expression) in &step.capture {
        let value = expression.eval(&scope).and_then(|value| {
            if value.is_none() {
                // Two nulls are equal, so a null that travelled on could make later expectations hold.
                return Err(EvalError {
                    message: format!("it is null; `{} | default(…, true)` allows that", expression.source()),
                });
            }
            Ok(value)
        });
        match value {
            Ok(value) => captures.push((Arc::clone(name), value)),
            Err(error) => {
                let what = format!("capture `{name}` = `{}`", expression.source());
                let cause = context.not_evaluable(Some(&step.name), &what, &error);
                let cause = Cause { expectation: Some(what), location: Some(expression.location().clone()), ..cause };
                failed.get_or_insert(cause);
            }
        }
    }
    let show = captures.iter().map(|(name, value)| {
        // `sid = "headers['set-cookie']"` is a credential by where it comes from.
        let written = step.capture.iter().find(|(known, _)| known == name).map_or("", |(_, expression)| expression.source());
        let told_by = if is_credential(written) { written } else { name };
        (Arc::clone(name), shown_as(told_by, value, context.redactor()))
    });
    let show = show.collect();
    (captures, show, failed)
}

fn counted(execution: &Execution<'_>, cause: Cause) -> Cause {
    let mut attempts = 0;
    execution.context.state.update(execution.span_id, |report| attempts = report.attempts_made);
    Cause { attempts, ..cause }
}

/// What a failed attempt may have created.
fn created_by(attempt: &Attempt) -> Created {
    let sent = attempt.failure.as_ref().and_then(|failure| failure.transport).is_none_or(|transport| transport.sent);
    let refused = attempt.response.as_ref().is_some_and(|response| (400..500).contains(&response.status));
    if sent && !refused { Created::Maybe } else { Created::No }
}

/// After a failed creation, captures are taken where the answer allows it, so that what was made can still be undone.
fn settle_failed(execution: &Execution<'_>, created: Created, response: Option<&Arc<wire::HttpResponse>>) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut captures = Vec::new();
    if let Some(response) = response {
        captures = think(response.body.len(), || {
            let scope = execution.context.scope_with(execution.names, response);
            let captures = execution.step.capture.iter();
            captures.filter_map(|(name, expression)| Some((Arc::clone(name), expression.eval(&scope).ok()?))).collect()
        });
    }
    settle(execution, created, &captures);
}

fn settle(execution: &Execution<'_>, created: Created, captures: &Captures) {
    if execution.step.cleanup.is_empty() {
        return;
    }
    let mut names = Arc::clone(execution.names);
    Arc::make_mut(&mut names).extend(captures.iter().cloned());
    let context = execution.context;
    let entry = context.state.settle(execution.span_id, created, Some(Arc::clone(&names)));
    if let (Some(entry), Some(journal)) = (entry, &context.journal)
        && (created == Created::Yes || created == Created::Maybe && !captures.is_empty())
    {
        journal.created(context, &entry, &names);
    }
}
