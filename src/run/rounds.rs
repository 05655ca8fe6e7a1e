//! The rounds of a loop: its items, how many rounds are made side by side, and what becomes of their captures.
//!
//! Owns what a failed round means for the loop. A failed subject ends neither the loop nor the run: it is noted in `subjects`,
//! and in the lists of captures it has a value that cannot be evaluated. Any other failure ends the loop: no further round
//! begins, and those that are under way come to their ends.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use minijinja::Value;
use minijinja::value::ValueKind;

use crate::outcome::{Cause, Reason, Verdict};
use crate::plan::{Expression, Loop, Step};

use super::compute::compute;
use super::context::Context;
use super::scope::Names;
use super::shown::shown;
use super::step_context::{Captures, StepContext, record_refusal, refuse};
use super::subjects::{Allowance, Subjects};

/// Rounds a loop may have: as many as an expression may make items of its own.
const MOST_ROUNDS: usize = 10_000;

/// Makes one round of a loop.
pub(super) type MakeRound =
    for<'a> fn(&'a Context, &'a Step, &'a Names, &'a StepContext) -> BoxFuture<'a, Result<Captures, Cause>>;

/// Goes through a loop. Captures become lists.
pub(super) async fn all(
    context: &Context,
    step: &Step,
    looping: &Loop,
    names: &Names,
    outer: &StepContext,
    make_round: MakeRound,
) -> Result<Captures, Cause> {
    let rounds: Vec<Captures> = match looping {
        Loop::Repeat(rounds) => (1..=*rounds).map(|_| Vec::new()).collect(),
        Loop::ForEach { name, items } => {
            let items = list(context, step, items, names, outer)?;
            if items.is_empty() && !step.allow_empty {
                return Err(refuse(context, step, outer, Reason::Empty, "there is nothing to do it for: the list is empty"));
            }
            items.into_iter().map(|item| vec![(Arc::clone(name), item)]).collect()
        }
    };
    let subjects = (!step.allow_failure && !outer.failure_allowed).then_some(&context.log.subjects);
    let mut ended = EndedRounds { subjects, step, made: 0, failed: Vec::new() };
    let made = side_by_side((context, step, names, outer), make_round, rounds, &mut ended).await;
    drop(ended);
    match ended_by(&made) {
        Some(cause) => Err(cause.clone()),
        None => Ok(lists(step, made)),
    }
}

/// The rounds of a loop that have ended. The subjects among them that failed are noted when the loop is left, also where it is cut.
struct EndedRounds<'a> {
    /// `None` if their failures are allowed.
    subjects: Option<&'a Subjects>,
    step: &'a Step,
    made: usize,
    failed: Vec<(usize, Cause)>,
}

impl EndedRounds<'_> {
    fn add(&mut self, at: usize, result: &Result<Captures, Cause>) {
        self.made += 1;
        self.failed.extend(result.as_ref().err().filter(|cause| is_of_subject(cause)).map(|cause| (at, cause.clone())));
    }
}

impl Drop for EndedRounds<'_> {
    fn drop(&mut self) {
        self.failed.sort_by_key(|(at, _)| *at);
        let failed: Vec<&Cause> = self.failed.iter().map(|(_, cause)| cause).collect();
        if let Some(subjects) = self.subjects {
            subjects.failed(&self.step.name, self.made, &failed);
        }
    }
}

/// The items of a `for_each`; anything but a list is not evaluable.
fn list(context: &Context, step: &Step, items: &Expression, names: &Names, outer: &StepContext) -> Result<Vec<Value>, Cause> {
    let value = compute(0, || items.eval(&context.env.scope(names))).map_err(|error| {
        let cause = context.env.not_evaluable(Some(&step.name), &format!("`for_each` over `{}`", items.source()), &error);
        record_refusal(context, step, outer, cause)
    })?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if value.len().is_some_and(|items| items > MOST_ROUNDS) => {
            let message = format!("`{}` has more than {MOST_ROUNDS} items; take some of them", items.source());
            Err(refuse(context, step, outer, Reason::NotEvaluable, &message))
        }
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().map(Iterator::collect).map_err(|error| {
            refuse(context, step, outer, Reason::NotEvaluable, &format!("`{}` cannot be looped over: {error}", items.source()))
        }),
        _ => {
            let message = format!("`{}` is no list: {}", items.source(), shown(&value, context.env.redactor()));
            Err(refuse(context, step, outer, Reason::NotEvaluable, &message))
        }
    }
}

/// Makes the rounds in their order, at most `at_once` at the same time. What came of those that were begun, in their order.
async fn side_by_side(
    (context, step, names, outer): (&Context, &Step, &Names, &StepContext),
    make_round: MakeRound,
    rounds: Vec<Captures>,
    ended: &mut EndedRounds<'_>,
) -> Vec<Result<Captures, Cause>> {
    let at_once = usize::from(step.at_once.get());
    let allowance = step.subject.is_some().then(|| {
        let now = Instant::now();
        Allowance::of_loop(&context.env.canary.probe.steps, step, context.deadline(now).end(now), now)
    });
    let mut left = rounds.len();
    let mut made: Vec<Option<Result<Captures, Cause>>> = vec![None; left];
    let mut waiting = (0..).zip(rounds);
    let mut going = FuturesUnordered::new();
    let mut goes_on = true;
    loop {
        while goes_on
            && going.len() < at_once
            && let Some((at, own)) = waiting.next()
        {
            let round = u32::try_from(at + 1).unwrap_or(u32::MAX);
            let mut inside = Arc::clone(names);
            Arc::make_mut(&mut inside).extend(own.into_iter().chain([(Arc::from("round"), Value::from(round))]));
            let share = allowance.as_ref().map(|allowance| allowance.share(left.div_ceil(at_once), Instant::now()));
            let here = StepContext { round: Some(round), share, ..outer.clone() };
            left -= 1;
            going.push(async move { (at, make_round(context, step, &inside, &here).await) });
        }
        let Some((at, result)) = going.next().await else { break };
        goes_on &= result.as_ref().err().is_none_or(is_of_subject);
        ended.add(at, &result);
        made[at] = Some(result);
    }
    made.into_iter().flatten().collect()
}

/// Whether it is the failure of a subject alone.
fn is_of_subject(cause: &Cause) -> bool {
    cause.subject.is_some() && Verdict::of(cause.reason) == Verdict::Failed
}

/// What ended the loop: the first failure that is not a subject's or, without one, the first blocking guard or fault of the
/// prober.
fn ended_by(made: &[Result<Captures, Cause>]) -> Option<&Cause> {
    let ending = || made.iter().filter_map(|round| round.as_ref().err()).filter(|cause| !is_of_subject(cause));
    ending().find(|cause| Verdict::of(cause.reason) == Verdict::Failed).or_else(|| ending().next())
}

/// The captures of all rounds as lists. A round that failed has a place in each.
fn lists(step: &Step, made: Vec<Result<Captures, Cause>>) -> Captures {
    let mut lists: Vec<(Arc<str>, Vec<Value>)> = capture_names(step).into_iter().map(|name| (name, Vec::new())).collect();
    for (round, result) in (1_u32..).zip(made) {
        for (name, value) in result.unwrap_or_else(|_failed| holes(step, round)) {
            if let Some((_, list)) = lists.iter_mut().find(|(known, _)| *known == name) {
                list.push(value);
            }
        }
    }
    lists.into_iter().map(|(name, list)| (name, Value::from(list))).collect()
}

/// The values of a step's captures for a round in which it failed: errors. Undefined could be taken for a value that differs from
/// others.
pub(super) fn holes(step: &Step, round: u32) -> Captures {
    let hole = |name: Arc<str>| {
        let why = format!("`{}` failed in round {round}, so there is no `{name}` of it", step.name);
        let value = Value::from(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why));
        (name, value)
    };
    capture_names(step).into_iter().map(hole).collect()
}

/// Names a step captures, those of its parallel entries included.
fn capture_names(step: &Step) -> Vec<Arc<str>> {
    step.with_entries().flat_map(Step::captured_names).map(Arc::clone).collect()
}
