//! Steps in order and barriers: what is made when, and which captures live how long.
//!
//! `Err(cause)` from anything here ends the run (an allowed failure has been swallowed before that, and a failed subject noted).
//! `rounds` makes loops, `perform` the steps that do something.

use std::sync::Arc;
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt as _, join_all};

use crate::outcome::{Cause, Reason, StepResult, Verdict};
use crate::plan::{Condition, Loop, Step};

use super::barrier::BarrierTicket;
use super::compute::compute;
use super::context::Context;
use super::perform;
use super::rounds;
use super::scope::Names;
use super::step_context::{Captures, StepContext, open_report, record_refusal};

/// Makes steps one after the other; `names` grows by their captures.
pub(super) async fn steps(context: &Context, steps: &[Step], names: &mut Names, outer: &StepContext) -> Result<(), Cause> {
    for step in steps {
        let captures = one(context, step, names, outer, None).await?;
        Arc::make_mut(names).extend(captures);
    }
    Ok(())
}

/// Makes one step with its loop. An allowed failure counts as done.
pub(super) fn one<'a>(
    context: &'a Context,
    step: &'a Step,
    names: &'a Names,
    outer: &'a StepContext,
    barrier: Option<BarrierTicket>,
) -> BoxFuture<'a, Result<Captures, Cause>> {
    async move {
        match looped(context, step, names, outer, barrier).await {
            Err(cause) if step.allow_failure && Verdict::of(cause.reason) == Verdict::Failed => {
                Ok(outer.round.map_or_else(Vec::new, |round| rounds::holes(step, round)))
            }
            other => other,
        }
    }
    .boxed()
}

async fn looped(
    context: &Context,
    step: &Step,
    names: &Names,
    outer: &StepContext,
    barrier: Option<BarrierTicket>,
) -> Result<Captures, Cause> {
    let Some(looping) = &step.looping else {
        return iteration(context, step, names, outer, barrier).await;
    };
    // A `when` that does not look at the loop decides about the loop as a whole, list and all.
    for when in step.when.iter().filter(|when| !mentions(when, looping)) {
        if !wanted(context, step, when, names, outer)? {
            not_needed(context, step, outer);
            return Ok(Vec::new());
        }
    }
    rounds::all(context, step, looping, names, outer, round).await
}

fn mentions(when: &Condition, looping: &Loop) -> bool {
    let names = when.names();
    let item = match looping {
        Loop::Repeat(_) => None,
        Loop::ForEach { name, .. } => Some(&**name),
    };
    names.iter().any(|name| name == "round" || Some(name.as_str()) == item)
}

/// Makes one round of a loop.
fn round<'a>(
    context: &'a Context,
    step: &'a Step,
    names: &'a Names,
    outer: &'a StepContext,
) -> BoxFuture<'a, Result<Captures, Cause>> {
    iteration(context, step, names, outer, None).boxed()
}

/// Makes a step once.
async fn iteration(
    context: &Context,
    step: &Step,
    names: &Names,
    outer: &StepContext,
    barrier: Option<BarrierTicket>,
) -> Result<Captures, Cause> {
    for when in step.when.iter().filter(|when| step.looping.as_ref().is_none_or(|looping| mentions(when, looping))) {
        if !wanted(context, step, when, names, outer)? {
            not_needed(context, step, outer);
            return Ok(Vec::new());
        }
    }
    match step.action.kind() {
        Some(_) => perform::once(context, step, names, outer, barrier).await,
        None => parallel(context, step, step.action.entries(), names, outer).await,
    }
}

/// Starts several steps together and waits for all of them. The step's cause is the first failure in their order or, without one,
/// the first blocking guard or fault of the prober.
async fn parallel(
    context: &Context,
    step: &Step,
    entries: &[Step],
    names: &Names,
    outer: &StepContext,
) -> Result<Captures, Cause> {
    let started = Instant::now();
    let report = open_report(context, step, outer, started);
    let span_id = report.span_id;
    context.log.open(report);
    let inside = StepContext { parent: Some(span_id), failure_allowed: step.allow_failure, ..outer.clone() };
    let tickets = BarrierTicket::for_parties(entries.len());
    let made =
        join_all(entries.iter().zip(tickets).map(|(entry, barrier)| one(context, entry, names, &inside, Some(barrier)))).await;
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
    context.log.close(span_id, ended, ended.duration_since(started), step_result);
    result.map(|captures| captures.into_iter().flatten().collect())
}

/// Whether `when` holds. What cannot be evaluated is a failure, not a no.
fn wanted(context: &Context, step: &Step, when: &Condition, names: &Names, outer: &StepContext) -> Result<bool, Cause> {
    compute(0, || when.judge(&context.env.scope(names))).held.map_err(|why| {
        let error = crate::plan::expr::EvalError { message: why };
        let cause = context.env.not_evaluable(Some(&step.name), &format!("`when = \"{}\"`", when.source()), &error);
        let cause = Cause { expectation: Some(when.source().to_owned()), location: Some(when.location().clone()), ..cause };
        record_refusal(context, step, outer, cause)
    })
}

fn not_needed(context: &Context, step: &Step, outer: &StepContext) {
    let now = Instant::now();
    let report = open_report(context, step, outer, now);
    let span_id = report.span_id;
    context.log.open(report);
    context.log.close(span_id, now, std::time::Duration::ZERO, StepResult::NotNeeded);
}
