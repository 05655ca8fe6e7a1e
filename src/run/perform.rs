//! One step that does something: tried, judged, and again while `eventually`, `consistently` or `retry` say so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::time::whole_millis;
use crate::outcome::{Cause, Reason, StepReport, StepResult, Verdict};
use crate::plan::expr::{Destination as TextPlace, EvalError};
use crate::plan::{Eventually, Step};

use super::attempt::JudgedAttempt;
use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::{Context, Execution, FilledIn, Sight};
use super::handed_on::HandedOn;
use super::judge;
use super::polling::{self, Next};
use super::scope::Names;
use super::series::Series;
use super::shown::shown_as;
use super::step::Answer;
use super::step_context::{self, Captures, StepContext};
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
    let (report, execution, handed_on, filled_in) = match compute(0, || execution(context, step, names, outer, started)) {
        Ok(ready) => ready,
        Err(cause) => return Err(step_context::record_refusal(context, step, outer, cause)),
    };
    let subject = report.subject.clone();
    let mut started = started;
    let mut series = Series::new(&execution, handed_on);
    context.log.open(report);
    if !step.cleanup.is_empty() {
        let intended = series.intend().await;
        started = Instant::now();
        context.log.update(execution.span_id, |report| report.started = context.env.offset(started));
        if let Err(cause) = intended {
            context.log.close(execution.span_id, started, Duration::ZERO, StepResult::Failed(cause.clone()));
            return Err(Cause { subject, ..cause });
        }
    }
    let last = attempts(&mut series, filled_in, barrier).await;
    let result = conclude(&mut series, last);
    let ended = Instant::now();
    let step_result = match &result {
        Ok(_) => StepResult::Passed,
        Err(cause) if Verdict::of(cause.reason) == Verdict::Blocked => StepResult::Blocked(cause.clone()),
        Err(cause) => StepResult::Failed(cause.clone()),
    };
    context.log.close(execution.span_id, ended, ended.duration_since(started), step_result);
    result.map_err(|cause| Cause { subject, ..cause })
}

/// What an execution begins with: its report, the state that its first attempt is handed, and that attempt.
type Ready<'a> = (StepReport, Execution<'a>, HandedOn, FilledIn);

/// Chooses the device, renders what does not change between attempts, and fills in the first of them.
fn execution<'a>(
    context: &'a Context,
    step: &'a Step,
    names: &'a Names,
    outer: &StepContext,
    started: Instant,
) -> Result<Ready<'a>, Cause> {
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
    let outer = StepContext { device: Some(Arc::clone(&device_name)), ..outer.clone() };
    let mut report = step_context::open_report(context, step, &outer, started);
    report.subject = subject;
    let span_id = report.span_id;
    let (failure_allowed, share) = (step.allow_failure || outer.failure_allowed, outer.share);
    let execution = Execution { context, step, names, span_id, device_name, device, session, failure_allowed, share };
    let of_subject = |cause| Cause { subject: report.subject.clone(), ..cause };
    let handed_on = HandedOn::first(&context.env, step, names).map_err(of_subject)?;
    let first = Sight { number: 1, names: handed_on.names(step, names) };
    let filled_in = execution.fill_in(first).map_err(of_subject)?;
    Ok((report, execution, handed_on, filled_in))
}

/// Attempts until one is final.
async fn attempts(series: &mut Series<'_, '_>, filled_in: FilledIn, barrier: Option<BarrierTicket>) -> JudgedAttempt {
    let execution = series.execution;
    let (context, step) = (execution.context, execution.step);
    let write_end = context.log.end_of(step.eventually.as_ref().and_then(|eventually| eventually.since.as_deref()));
    // The store is ours: what the step waited for it is no part of its window.
    let bound = |eventually: &Eventually| context.env.bound(write_end + series.waited, eventually.within);
    let window = step.eventually.as_ref().map(|eventually| (eventually, bound(eventually)));
    let mut attempt = series.first(filled_in, barrier).await;
    loop {
        let now = attempt.ended;
        let next = match (&attempt.failure, &window, &step.retry) {
            (Some(failure), _, _) if failure.is_lasting => return attempt,
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
                Some(transport) if !transport.is_final => {
                    polling::retry_again(retry, series.made, step.action.is_idempotent(execution.device), transport.sent, now)
                }
                Some(_) | None => Next::Stop,
            },
            (Some(_), None, None) => Next::Stop,
            (None, Some((_, window)), _) if now > window.end(now) => {
                return window::held_late(execution, attempt, window);
            }
            (None, _, _) => return hold(series, attempt, write_end + series.waited).await,
        };
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
        attempt = series.another(&attempt).await;
    }
}

/// The attempt held. Notes the convergence and goes on with attempts for as long as `consistently` asks.
async fn hold(series: &mut Series<'_, '_>, mut attempt: JudgedAttempt, write_end: Instant) -> JudgedAttempt {
    let execution = series.execution;
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
        attempt = series.another(&attempt).await;
        if let Some(failure) = &mut attempt.failure {
            let held = humantime::format_duration(whole_millis(attempt.began.saturating_duration_since(since)));
            judge::retell(&mut failure.cause, &step.expect, |then| format!("it held, and {held} later no longer did: {then}"));
            return attempt;
        }
    }
    attempt
}

/// Takes the captures of the final attempt, or its cause.
fn conclude(series: &mut Series<'_, '_>, attempt: JudgedAttempt) -> Result<Captures, Cause> {
    let execution = series.execution;
    let context = execution.context;
    if !execution.failure_allowed {
        context.log.count_judged(attempt.judged);
    }
    if attempt.failure.is_some() {
        series.failed();
    }
    if let Some(failure) = attempt.failure {
        return Err(counted(execution, failure.cause));
    }
    let Some(answer) = &attempt.answer else { return Ok(Vec::new()) };
    let (mut captures, mut show, failed) = compute(answer.bytes(), || take(execution, &attempt.sight, answer));
    let handed_on = series.handed_on.captures(execution.step);
    show.extend(shown(execution, &handed_on));
    context.log.update(execution.span_id, |report| report.captures = show);
    series.held(&captures);
    captures.extend(handed_on);
    match failed {
        Some(cause) => Err(counted(execution, cause)),
        None => Ok(captures),
    }
}

/// Captures for people, by name.
type Shown = Vec<(Arc<str>, String)>;

/// The captures of an answer, how they are shown, and why the first that has no value has none.
fn take(execution: &Execution<'_>, sight: &Sight, answer: &Arc<dyn Answer>) -> (Captures, Shown, Option<Cause>) {
    let (context, step) = (execution.context, execution.step);
    let scope = execution.scope_with(sight, answer);
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
    let show = shown(execution, &captures);
    (captures, show, failed)
}

/// Captures as people are shown them.
fn shown(execution: &Execution<'_>, captures: &Captures) -> Shown {
    let show = captures.iter().map(|(name, value)| (Arc::clone(name), shown_as(name, value, execution.context.env.redactor())));
    show.collect()
}

fn counted(execution: &Execution<'_>, cause: Cause) -> Cause {
    let mut attempts = 0;
    execution.context.log.update(execution.span_id, |report| attempts = report.attempts_made);
    Cause { attempts, ..cause }
}
