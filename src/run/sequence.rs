//! Steps in order, loops and barriers: what is made when, and which captures live how long.
//!
//! `Err(cause)` from anything here ends the run (an allowed failure has been swallowed before that). Sending requests is the
//! business of `exchange`, judging them that of `judge`.

use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt as _, join_all};
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::outcome::{Cause, Reason, SpanId, StepReport, StepResult, Verdict};
use crate::plan::{Action, Condition, Expression, Loop, Step};

use super::context::Context;
use super::judge::shown;
use super::release::Release;
use super::scope::Names;

/// Captures of one step or iteration.
pub(super) type Captures = Vec<(Arc<str>, Value)>;

/// Where a step stands: what surrounds it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The span above, if that is not the run's root.
    pub(super) parent: Option<SpanId>,
    /// The device where the step names none.
    pub(super) device: Option<Arc<str>>,
    /// Iteration, inside a loop.
    pub(super) round: Option<u32>,
    /// Whether what surrounds it forgives a failure, so that what holds here is no reason to pass.
    pub(super) forgiven: bool,
}

/// Makes steps one after the other; `names` grows by their captures.
pub(super) async fn steps(context: &Context, steps: &[Step], names: &mut Names, place: &Place) -> Result<(), Cause> {
    for step in steps {
        let captures = one(context, step, names, place, None).await?;
        Arc::make_mut(names).extend(captures);
    }
    Ok(())
}

/// Makes one step with its loop, and forgives it if it may fail.
pub(super) fn one<'a>(
    context: &'a Context,
    step: &'a Step,
    names: &'a Names,
    place: &'a Place,
    release: Option<Release>,
) -> BoxFuture<'a, Result<Captures, Cause>> {
    async move {
        match looped(context, step, names, place, release).await {
            Err(cause) if step.allow_failure && Verdict::of(cause.reason) == Verdict::Failed => Ok(Vec::new()),
            other => other,
        }
    }
    .boxed()
}

async fn looped(
    context: &Context,
    step: &Step,
    names: &Names,
    place: &Place,
    release: Option<Release>,
) -> Result<Captures, Cause> {
    let Some(looping) = &step.looping else {
        return iteration(context, step, names, place, release).await;
    };
    // A `when` that does not look at the loop decides about the loop as a whole, list and all.
    if let Some(when) = step.when.as_ref().filter(|when| !mentions(when, looping))
        && !wanted(context, step, when, names, place)?
    {
        not_needed(context, step, place);
        return Ok(Vec::new());
    }
    match looping {
        Loop::Repeat(rounds) => {
            let rounds = (1..=*rounds).map(|round| (round, vec![(Arc::from("round"), Value::from(round))]));
            iterations(context, step, names, place, rounds).await
        }
        Loop::ForEach { name, items } => {
            let items = list(context, step, items, names, place)?;
            if items.is_empty() && !step.allow_empty {
                return Err(refuse(context, step, place, Reason::Empty, "there is nothing to do it for: the list is empty"));
            }
            let rounds = (1..)
                .zip(items)
                .map(|(round, item)| (round, vec![(Arc::clone(name), item), (Arc::from("round"), Value::from(round))]));
            iterations(context, step, names, place, rounds).await
        }
    }
}

fn mentions(when: &Condition, looping: &Loop) -> bool {
    let names = when.names();
    let item = match looping {
        Loop::Repeat(_) => None,
        Loop::ForEach { name, .. } => Some(&**name),
    };
    names.iter().any(|name| name == "round" || Some(name.as_str()) == item)
}

/// The items of a `for_each`; anything but a list is not evaluable.
fn list(context: &Context, step: &Step, items: &Expression, names: &Names, place: &Place) -> Result<Vec<Value>, Cause> {
    let value = items.eval(&context.scope(names)).map_err(|error| {
        let cause = context.not_evaluable(Some(&step.name), &format!("`for_each` over `{}`", items.source()), &error);
        record_refusal(context, step, place, cause)
    })?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().map(Iterator::collect).map_err(|error| {
            refuse(context, step, place, Reason::NotEvaluable, &format!("`{}` cannot be looped over: {error}", items.source()))
        }),
        _ => {
            let message = format!("`{}` is no list: {}", items.source(), shown(&value, context.redactor()));
            Err(refuse(context, step, place, Reason::NotEvaluable, &message))
        }
    }
}

/// Goes through the rounds of a loop. Captures become lists; failed subjects are gathered instead of ending it.
async fn iterations(
    context: &Context,
    step: &Step,
    names: &Names,
    place: &Place,
    rounds: impl Iterator<Item = (u32, Captures)> + Send,
) -> Result<Captures, Cause> {
    let mut lists: Vec<(Arc<str>, Vec<Value>)> = capture_names(step).into_iter().map(|name| (name, Vec::new())).collect();
    let mut failed: Vec<Cause> = Vec::new();
    let mut made = 0_u32;
    for (round, own) in rounds {
        let mut inside = Arc::clone(names);
        Arc::make_mut(&mut inside).extend(own);
        let here = Place { round: Some(round), ..place.clone() };
        made += 1;
        match iteration(context, step, &inside, &here, None).await {
            Ok(captures) => {
                for (name, value) in captures {
                    if let Some((_, list)) = lists.iter_mut().find(|(known, _)| *known == name) {
                        list.push(value);
                    }
                }
            }
            Err(cause) if cause.subject.is_some() && Verdict::of(cause.reason) == Verdict::Failed => failed.push(cause),
            // What ends the loop without being a failure, such as a guard's no, hides none of the failures before it.
            Err(cause) if failed.is_empty() || Verdict::of(cause.reason) == Verdict::Failed => return Err(cause),
            Err(_) => break,
        }
    }
    match failed.first().cloned() {
        None => Ok(lists.into_iter().map(|(name, list)| (name, Value::from(list))).collect()),
        Some(first) => Err(subjects_failed(&failed, first, made)),
    }
}

fn subjects_failed(failed: &[Cause], first: Cause, made: u32) -> Cause {
    const NAMED: usize = 10;
    let mut subjects: Vec<&str> = failed.iter().filter_map(|cause| cause.subject.as_deref()).take(NAMED).collect();
    if failed.len() > NAMED {
        subjects.push("…");
    }
    let message = format!("{} of {made} subjects failed ({}); the first: {}", failed.len(), subjects.join(", "), first.message);
    Cause { reason: Reason::Subject, message, ..first }
}

/// Names a step captures, those of its parallel entries included.
fn capture_names(step: &Step) -> Vec<Arc<str>> {
    let own = step.capture.iter().map(|(name, _)| Arc::clone(name));
    let inner: Vec<Arc<str>> = match &step.action {
        Action::Http(_) => Vec::new(),
        Action::Parallel(entries) => entries.iter().flat_map(capture_names).collect(),
    };
    own.chain(inner).collect()
}

/// Makes a step once.
async fn iteration(
    context: &Context,
    step: &Step,
    names: &Names,
    place: &Place,
    release: Option<Release>,
) -> Result<Captures, Cause> {
    if let Some(when) = step.when.as_ref().filter(|when| step.looping.as_ref().is_none_or(|looping| mentions(when, looping)))
        && !wanted(context, step, when, names, place)?
    {
        not_needed(context, step, place);
        return Ok(Vec::new());
    }
    match &step.action {
        Action::Http(action) => super::exchange::http(context, step, action, names, place, release).await,
        Action::Parallel(entries) => parallel(context, step, entries, names, place).await,
    }
}

/// Releases several steps together and waits for all of them; the first failure in their order is the step's. A guard's no or
/// a fault of the prober is, only if none has failed.
async fn parallel(context: &Context, step: &Step, entries: &[Step], names: &Names, place: &Place) -> Result<Captures, Cause> {
    let started = Instant::now();
    let report = open_report(context, step, place, started);
    let span_id = report.span_id;
    context.state.open(report);
    let inside = Place { parent: Some(span_id), forgiven: step.allow_failure, ..place.clone() };
    let places = Release::for_parties(entries.len());
    let made =
        join_all(entries.iter().zip(places).map(|(entry, release)| one(context, entry, names, &inside, Some(release)))).await;
    let ended = Instant::now();
    let failed = made.iter().filter_map(|one| one.as_ref().err()).find(|cause| Verdict::of(cause.reason) == Verdict::Failed);
    let result = match failed.cloned() {
        Some(cause) => Err(cause),
        None => made.into_iter().collect::<Result<Vec<Captures>, Cause>>(),
    };
    let step_result = match &result {
        Ok(_) => StepResult::Passed,
        Err(cause) if cause.reason == Reason::Guard => StepResult::Blocked(cause.clone()),
        Err(cause) => StepResult::Failed(cause.clone()),
    };
    context.state.close(span_id, ended, ended.duration_since(started), step_result);
    result.map(|captures| captures.into_iter().flatten().collect())
}

/// Whether `when` holds. What cannot be evaluated is a failure, not a no.
fn wanted(context: &Context, step: &Step, when: &Condition, names: &Names, place: &Place) -> Result<bool, Cause> {
    when.judge(&context.scope(names)).held.map_err(|why| {
        let error = crate::plan::expr::EvalError { message: why };
        let cause = context.not_evaluable(Some(&step.name), &format!("`when = \"{}\"`", when.source()), &error);
        let cause = Cause { expectation: Some(when.source().to_owned()), location: Some(when.location().clone()), ..cause };
        record_refusal(context, step, place, cause)
    })
}

fn not_needed(context: &Context, step: &Step, place: &Place) {
    let now = Instant::now();
    let report = open_report(context, step, place, now);
    let span_id = report.span_id;
    context.state.open(report);
    context.state.close(span_id, now, std::time::Duration::ZERO, StepResult::NotNeeded);
}

/// A step that fails before anything was sent: recorded, and returned as the cause.
fn refuse(context: &Context, step: &Step, place: &Place, reason: Reason, message: &str) -> Cause {
    record_refusal(context, step, place, context.cause(reason, Some(&step.name), message))
}

pub(super) fn record_refusal(context: &Context, step: &Step, place: &Place, cause: Cause) -> Cause {
    let now = Instant::now();
    let report = open_report(context, step, place, now);
    let span_id = report.span_id;
    context.state.open(report);
    context.state.close(span_id, now, std::time::Duration::ZERO, StepResult::Failed(cause.clone()));
    cause
}

/// The report of a step that begins at `now`.
pub(super) fn open_report(context: &Context, step: &Step, place: &Place, now: Instant) -> StepReport {
    StepReport {
        name: Arc::clone(&step.name),
        span_id: SpanId::random(),
        parent: place.parent,
        device: place.device.clone().unwrap_or_else(default_device),
        round: place.round,
        subject: None,
        started: context.offset(now),
        duration: std::time::Duration::ZERO,
        stalled: std::time::Duration::ZERO,
        convergence: None,
        convergence_stalled: std::time::Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 0,
        expectations: Vec::new(),
        captures: Vec::new(),
        result: StepResult::NotNeeded,
        allow_failure: step.allow_failure,
    }
}

/// The device of steps that name none.
pub(super) fn default_device() -> Arc<str> {
    static NAME: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from("default"));
    Arc::clone(&NAME)
}
