//! One step that does something: filled in, tried, judged, and again while `eventually`, `consistently` or `retry` say so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::time::whole_millis;
use crate::outcome::{Cause, Reason, StepReport, StepResult, Verdict, is_credential};
use crate::plan::expr::{Destination as TextPlace, EvalError};
use crate::plan::{Step, StepKind};

use super::attempt::{self, JudgedAttempt};
use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::Context;
use super::context::Execution;
use super::creation;
use super::judge;
use super::ledger;
use super::polling::{self, Next};
use super::scope::Names;
use super::shown::shown_as;
use super::step::{Answer, Setting, prepare};
use super::step_context::{self, Captures, StepContext};
use super::undo::{Created, CreationStatus};
use super::window;

/// Makes a step once (one iteration of it in a loop).
pub(super) async fn once(
    context: &Context,
    step: &Step,
    names: &Names,
    outer: &StepContext,
    barrier: Option<BarrierTicket>,
) -> Result<Captures, Cause> {
    let started = Instant::now();
    let (report, execution) = match compute(0, || execution(context, step, names, outer, started)) {
        Ok(ready) => ready,
        Err(cause) => return Err(step_context::record_refusal(context, step, outer, cause)),
    };
    let (subject, device) = (report.subject.clone(), Arc::clone(&report.device));
    let mut started = started;
    context.log.open(report);
    if !step.cleanup.is_empty() {
        let intended = {
            let run = (&context.env, &context.log, context.ledger.as_ref());
            ledger::intend(run, step, execution.span_id, names, &device).await
        };
        started = Instant::now();
        context.log.update(execution.span_id, |report| report.started = context.env.offset(started));
        if let Err(cause) = intended {
            context.log.close(execution.span_id, started, Duration::ZERO, StepResult::Failed(cause.clone()));
            return Err(Cause { subject, ..cause });
        }
        // From here on the run knows that something may have to be undone.
        context.log.settle(execution.span_id, CreationStatus::SENT, None);
    }
    let mut earlier = CreationStatus::NOTHING;
    let last = attempts(&execution, barrier, &mut earlier).await;
    let result = conclude(&execution, last, earlier);
    let ended = Instant::now();
    let step_result = match &result {
        Ok(_) => StepResult::Passed,
        Err(cause) if Verdict::of(cause.reason) == Verdict::Blocked => StepResult::Blocked(cause.clone()),
        Err(cause) => StepResult::Failed(cause.clone()),
    };
    context.log.close(execution.span_id, ended, ended.duration_since(started), step_result);
    result.map_err(|cause| Cause { subject, ..cause })
}

/// Chooses the device and renders what does not change between attempts.
fn execution<'a>(
    context: &'a Context,
    step: &'a Step,
    names: &'a Names,
    outer: &StepContext,
    started: Instant,
) -> Result<(StepReport, Execution<'a>), Cause> {
    let scope = context.env.scope(names);
    let fail = |what: &str, error| context.env.not_evaluable(Some(&step.name), what, &error);
    let device_name: Arc<str> = match &step.device {
        Some(device) => device.render(&scope, TextPlace::Text).map_err(|error| fail("`device`", error))?.into(),
        None => outer.device.clone().unwrap_or_else(step_context::default_device),
    };
    let Some((device, session)) = context.env.device(&device_name) else {
        let message = format!("there is no device `{device_name}`; declare it as [devices.{device_name}]");
        return Err(context.env.cause(Reason::NotEvaluable, Some(&step.name), &message));
    };
    let subject = match &step.subject {
        Some(subject) => {
            let subject = subject.render(&scope, TextPlace::Text).map_err(|error| fail("`subject`", error))?;
            Some(context.env.redactor().redact(&subject).into_owned())
        }
        None => None,
    };
    let setting = Setting { device, session: &session, scope: &scope, limits: &context.env.limits };
    let task = prepare(&step.action, &setting)
        .map_err(|error| fail(step.action.kind().map_or("the step", StepKind::request), error))
        .map_err(|cause| Cause { subject: subject.clone(), ..cause })?;
    let outer = StepContext { device: Some(device_name), ..outer.clone() };
    let mut report = step_context::open_report(context, step, &outer, started);
    report.subject = subject;
    let span_id = report.span_id;
    let (failure_allowed, share) = (step.allow_failure || outer.failure_allowed, outer.share);
    Ok((report, Execution { context, step, names, span_id, task, failure_allowed, share }))
}

/// Attempts until one is final. `earlier` becomes what those before it may have created.
async fn attempts(execution: &Execution<'_>, mut barrier: Option<BarrierTicket>, earlier: &mut CreationStatus) -> JudgedAttempt {
    let (context, step) = (execution.context, execution.step);
    let write_end = context.log.end_of(step.eventually.as_ref().and_then(|eventually| eventually.since.as_deref()));
    let window = step.eventually.as_ref().map(|eventually| (eventually, context.env.bound(write_end, eventually.within)));
    let mut made = 0;
    loop {
        let attempt = attempt::make(execution, barrier.take()).await;
        made += 1;
        let now = attempt.ended;
        let next = match (&attempt.failure, &window, &step.retry) {
            // A blocking guard, a missing secret and a lack of resources do not improve by another attempt; a stall does.
            (Some(failure), _, _)
                if failure.cause.reason != Reason::Stall && Verdict::of(failure.cause.reason) != Verdict::Failed =>
            {
                Next::Stop
            }
            (Some(_), Some((eventually, window)), _) => {
                let next = polling::poll_again(eventually, window.end(now), now.duration_since(attempt.began), now);
                window::shared(execution, next, now)
            }
            (Some(failure), None, Some(retry)) => match failure.transport {
                Some(transport) if !transport.answered => {
                    polling::retry_again(retry, made, step.action.is_idempotent(), transport.sent, now)
                }
                Some(_) | None => Next::Stop,
            },
            (Some(_), None, None) => Next::Stop,
            (None, Some((_, window)), _) if now > window.end(now) => {
                *earlier = creation::by(execution, &attempt).and(*earlier);
                return window::held_late(execution, attempt, window);
            }
            (None, _, _) => {
                *earlier = creation::by(execution, &attempt).and(*earlier);
                return hold(execution, attempt, write_end).await;
            }
        };
        *earlier = creation::by(execution, &attempt).and(*earlier);
        match next {
            Next::Stop => return window::closed(execution, attempt, window.as_ref().map(|(_, window)| window)),
            Next::At(moment) => tokio::time::sleep_until(moment.into()).await,
        }
        // If this task was woken too late, no further attempt can be answered in time.
        if let Some((_, window)) = &window
            && Instant::now() > window.end(Instant::now())
        {
            return window::closed(execution, attempt, Some(window));
        }
    }
}

/// The attempt held. Notes the convergence and goes on with attempts for as long as `consistently` asks.
async fn hold(execution: &Execution<'_>, mut attempt: JudgedAttempt, write_end: Instant) -> JudgedAttempt {
    let step = execution.step;
    let since = attempt.ended;
    if step.eventually.is_some() {
        let convergence = since.saturating_duration_since(write_end);
        let stalled = execution.context.env.stalls.stalled_between(write_end, since);
        execution.context.log.update(execution.span_id, |report| {
            (report.convergence, report.convergence_stalled) = (Some(convergence), stalled);
        });
    }
    let Some(consistently) = &step.consistently else { return attempt };
    while let Next::At(moment) = polling::hold_again(consistently, since, Instant::now()) {
        tokio::time::sleep_until(moment.into()).await;
        attempt = attempt::make(execution, None).await;
        if let Some(failure) = &mut attempt.failure {
            let held = humantime::format_duration(whole_millis(attempt.began.saturating_duration_since(since)));
            judge::retell(&mut failure.cause, &step.expect, |then| format!("it held, and {held} later no longer did: {then}"));
            return attempt;
        }
    }
    attempt
}

/// Takes the captures of the final attempt, or its cause.
fn conclude(execution: &Execution<'_>, attempt: JudgedAttempt, earlier: CreationStatus) -> Result<Captures, Cause> {
    let context = execution.context;
    if !execution.failure_allowed {
        context.log.count_judged(attempt.judged);
    }
    let last = creation::by(execution, &attempt);
    let made = last.and(earlier);
    let result = match attempt.failure {
        Some(failure) => {
            creation::settle_failed(execution, made, attempt.answer.as_ref());
            return Err(counted(execution, failure.cause));
        }
        None => attempt.answer,
    };
    let Some(answer) = result else { return Ok(Vec::new()) };
    let (captures, show, failed) = compute(answer.bytes(), || take(execution, &answer));
    context.log.update(execution.span_id, |report| report.captures = show);
    let created = if last.created == Created::No { made.created } else { Created::Yes };
    creation::settle(execution, CreationStatus { created, ..made }, &captures);
    match failed {
        Some(cause) => Err(counted(execution, cause)),
        None => Ok(captures),
    }
}

/// Captures for people, by name.
type Shown = Vec<(Arc<str>, String)>;

/// The captures of an answer, how they are shown, and why the first that has no value has none.
fn take(execution: &Execution<'_>, answer: &Arc<dyn Answer>) -> (Captures, Shown, Option<Cause>) {
    let (context, step) = (execution.context, execution.step);
    let scope = execution.scope_with(answer);
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
                let cause = context.env.not_evaluable(Some(&step.name), &what, &error);
                let cause = Cause { expectation: Some(what), location: Some(expression.location().clone()), ..cause };
                failed.get_or_insert(cause);
            }
        }
    }
    let show = captures.iter().map(|(name, value)| {
        // `sid = "headers['set-cookie']"` is a credential by where it comes from.
        let written = step.capture.iter().find(|(known, _)| known == name).map_or("", |(_, expression)| expression.source());
        let told_by = if is_credential(written) { written } else { name };
        (Arc::clone(name), shown_as(told_by, value, context.env.redactor()))
    });
    let show = show.collect();
    (captures, show, failed)
}

fn counted(execution: &Execution<'_>, cause: Cause) -> Cause {
    let mut attempts = 0;
    execution.context.log.update(execution.span_id, |report| attempts = report.attempts_made);
    Cause { attempts, ..cause }
}
