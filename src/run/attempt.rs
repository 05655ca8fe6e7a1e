//! One try of a step: made, judged and reported. What it does is known to its kind alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::{AttemptReport, Cause, ExpectationReport, Held, Reason, SpanId, StepResult};
use crate::plan::Step;

use super::barrier::BarrierTicket;
use super::compute::{compute, offload};
use super::context::{Context, Execution, FilledIn, Sight};
use super::environment::{Environment, held_against};
use super::handed_on::{HandedOn, Lost};
use super::judge::{self, Guarded};
use super::log::{OpenAttempt, keep_attempt};
use super::request::Detail;
use super::scope::Names;
use super::stall::Bound;
use super::step::{Answer, Terms, TransportError};

/// What one try gave.
pub(super) struct JudgedAttempt {
    /// Expectations that were judged, held or not.
    pub(super) judged: usize,
    pub(super) failure: Option<Failure>,
    pub(super) answer: Option<Arc<dyn Answer>>,
    /// What its expressions see.
    pub(super) sight: Sight,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// Why a try failed.
pub(super) struct Failure {
    pub(super) cause: Cause,
    /// Whether every further attempt would fail by it as well.
    pub(super) is_lasting: bool,
    /// Set for transport errors.
    pub(super) transport: Option<Transport>,
}

/// What decides whether a transport error is retried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transport {
    /// Whether a byte of the request may have left.
    pub(super) sent: bool,
    /// Whether `retry` does not apply: an answer came all the same, that of a token endpoint without which the request never left;
    /// or there was no request.
    pub(super) is_final: bool,
}

/// A try that nothing was sent for: it could not be filled in.
pub(super) fn refused(execution: &Execution<'_>, sight: Sight, cause: Cause) -> JudgedAttempt {
    let now = Instant::now();
    let transport = Some(Transport { sent: false, is_final: true });
    let failure = Some(Failure { cause, is_lasting: false, transport });
    let report = AttemptReport {
        span_id: SpanId::random(),
        started: execution.context.env.offset(now),
        duration: Duration::ZERO,
        detail: None,
        failure: failure.as_ref().map(|failure| (failure.cause.reason, failure.cause.message.clone())),
        alike: 0,
        certificate: None,
    };
    record(execution, report, Judgements::default(), failure.as_ref());
    JudgedAttempt { judged: 0, failure, answer: None, sight, began: now, ended: now }
}

/// Makes one try and adds it to the step's report.
pub(super) async fn make(
    execution: &Execution<'_>,
    FilledIn { mut sight, task }: FilledIn,
    handed_on: &mut HandedOn,
    barrier: Option<BarrierTicket>,
) -> JudgedAttempt {
    let Context { env, log, .. } = execution.context;
    let span_id = SpanId::random();
    let timeout = execution.step.timeout.unwrap_or(env.limits.step_timeout);
    if let Some(barrier) = barrier {
        barrier.wait().await;
    }
    let redactor = env.redactor();
    if redactor.learns() {
        compute(task.sent_bytes(), || redactor.learn(&task.sent_text()));
    }
    let began = Instant::now();
    let terms = Terms {
        run_id: env.run_id,
        trace_id: env.trace_id,
        span_id,
        sampled: env.sampled,
        bound: env.bound(began, timeout),
        redactor,
        stalls: &env.stalls,
    };
    let of_kind = task.attempt();
    log.attempt_started(OpenAttempt { span_id: execution.span_id, attempt: span_id, began, of_kind: Arc::clone(&of_kind) });
    let result = of_kind.make(&terms).await;
    log.attempt_ended(execution.span_id);
    let ended = Instant::now();
    let (judgements, failure, answer) = match result {
        Err(error) => {
            let cause = transport_cause(execution, &of_kind.detail(false, redactor).asked(), &error, &terms.bound, ended);
            // Too many redirects and a too large body are answers all the same.
            let answered = matches!(error.reason, Reason::Redirects | Reason::ResponseTooLarge);
            let transport = (!answered).then_some(Transport { sent: error.sent, is_final: error.got_byte && !error.sent });
            (Judgements::default(), Some(Failure { cause, is_lasting: false, transport }), None)
        }
        Ok(answer) => {
            let looked = compute(answer.bytes(), || {
                if redactor.learns() {
                    redactor.learn(&answer.text());
                }
                looked_at(execution, &sight, handed_on, &answer)
            });
            if let Some(names) = looked.names {
                sight.names = names;
            }
            if let Some(next) = looked.handed_on {
                *handed_on = next;
            }
            (looked.judgements, looked.failure, Some(answer))
        }
    };
    let shown = failure.is_some() || env.detail == Detail::Everything;
    let report = AttemptReport {
        span_id,
        started: env.offset(began),
        duration: ended.duration_since(began),
        detail: Some(of_kind.detail(shown, redactor)),
        failure: failure.as_ref().map(|failure| (failure.cause.reason, failure.cause.message.clone())),
        alike: 0,
        certificate: of_kind.certificate(redactor).map(Arc::new),
    };
    let judged = judgements.expectations.len();
    record(execution, report, judgements, failure.as_ref());
    JudgedAttempt { judged, failure, answer, sight, began, ended }
}

fn record(execution: &Execution<'_>, attempt: AttemptReport, judgements: Judgements, failure: Option<&Failure>) {
    execution.context.log.update(execution.span_id, |report| {
        keep_attempt(report, attempt);
        report.expectations = judgements.expectations;
        report.warnings = judgements.warnings;
        if let Some(failure) = failure {
            // It is kept while the step goes on, so that a step that is cut reports what was seen last.
            report.result = StepResult::Failed(failure.cause.clone());
        }
    });
}

fn transport_cause(execution: &Execution<'_>, asked: &str, error: &TransportError, bound: &Bound<'_>, ended: Instant) -> Cause {
    let env = &execution.context.env;
    let (reason, stalled) = match error.reason {
        // A timeout before the attempt's own bound is the one on connecting, which the client keeps and nobody can prolong.
        Reason::Timeout if ended < bound.end(ended) => env.ours_or(Reason::Timeout, bound.from(), ended),
        Reason::Timeout => held_against(Reason::Timeout, bound, ended),
        other => (other, String::new()),
    };
    env.cause(reason, Some(&execution.step.name), &format!("{asked}: {}{stalled}", error.message))
}

/// What was said about an answer.
#[derive(Default)]
struct Judgements {
    expectations: Vec<ExpectationReport>,
    /// They decide nothing.
    warnings: Vec<ExpectationReport>,
}

/// What was found in an answer.
struct Found {
    judgements: Judgements,
    failure: Option<Failure>,
    /// The attempt's names, where the answer added to them.
    names: Option<Names>,
    /// What the next attempt is handed, where that is something else.
    handed_on: Option<HandedOn>,
}

/// Collects, judges and carries on. What the expectations say outweighs what could not be handed on, unless no attempt could any more;
/// that outweighs a guard.
fn looked_at(execution: &Execution<'_>, sight: &Sight, handed_on: &HandedOn, answer: &Arc<dyn Answer>) -> Found {
    let (env, step) = (&execution.context.env, execution.step);
    if step.carry.is_empty() && step.collect.is_empty() {
        let (judgements, failed, guarded) = judged(execution, sight, answer);
        let failure = failed.or(guarded).map(|cause| Failure { cause, is_lasting: false, transport: None });
        return Found { judgements, failure, names: None, handed_on: None };
    }
    let (collected, lost, never_had) = match handed_on.collected(env, step, &execution.scope_with(sight, answer)) {
        Ok(collected) => (collected.next, None, collected.never_had),
        Err(lost) => (None, Some(lost), None),
    };
    let names = collected.as_ref().map(|collected| collected.names(step, execution.names));
    let sight = Sight { names: names.as_ref().unwrap_or(&sight.names).clone(), ..sight.clone() };
    let (judgements, failed, guarded) = judged(execution, &sight, answer);
    // The cursor passes what was collected, or neither changes: a batch is not left out and not taken in twice.
    let state = collected.as_ref().unwrap_or(handed_on);
    let (next, stuck) = match &lost {
        Some(_) => (None, None),
        None => match state.moved_on(env, step, &execution.scope_with(&sight, answer)) {
            Ok(next) => (Some(next), None),
            Err(cause) => (None, Some(cause)),
        },
    };
    let told = |cause: Cause| adorned(env, step, cause, &**answer);
    let failure = match (failed, lost) {
        (failed, Some(Lost { cause, is_full: true })) => {
            let besides = failed.map_or_else(String::new, |failed| format!("; and of this answer: {}", failed.message));
            let cause = Cause { message: cause.message.clone() + &besides, ..cause };
            Some(Failure { cause: told(cause), is_lasting: true, transport: None })
        }
        (failed, lost) => {
            let not_handed_on = lost.map(|lost| lost.cause).or(stuck).or(never_had);
            let cause = failed.or_else(|| not_handed_on.map(told)).or(guarded);
            cause.map(|cause| Failure { cause, is_lasting: false, transport: None })
        }
    };
    Found { judgements, failure, names, handed_on: next }
}

/// Judges everything that is said about the answer: the reports, what failed, and what a guard said. The first outweighs the second, so
/// that a guard can never hide a failure.
fn judged(execution: &Execution<'_>, sight: &Sight, answer: &Arc<dyn Answer>) -> (Judgements, Option<Cause>, Option<Cause>) {
    let (env, step) = (&execution.context.env, execution.step);
    let scope = execution.scope_with(sight, answer);
    let redactor = env.redactor();
    let mut expectations = judge::judge(&step.expect, &scope, redactor, env.detail);
    if let Some(contract) = &step.contract {
        // The size of a document does not tell what checking a schema costs.
        expectations.push(offload(|| judge::judge_contract(contract, answer.document(), redactor)));
    }
    let failed = judge::first_failure(&expectations);
    let (guards, guarded) = judge::judge_guards(&step.guard, &scope, redactor, env.detail);
    expectations.extend(guards.into_iter().filter(|guard| guard.held != Held::Yes));
    let guarded = match guarded {
        Guarded::Open => None,
        Guarded::Blocked(cause) | Guarded::Failed(cause) => Some(cause),
    };
    let warnings = if step.warn.is_empty() {
        Vec::new()
    } else {
        judge::judge(&step.warn, &env.scope_apart(&sight.names, sight.number, answer), redactor, env.detail)
    };
    let told = |cause| adorned(env, step, cause, &**answer);
    (Judgements { expectations, warnings }, failed.map(told), guarded.map(told))
}

/// Adds to a judge's cause what the judge does not know: the step, a missing secret, a remark of the answer.
fn adorned(env: &Environment, step: &Step, mut cause: Cause, answer: &dyn Answer) -> Cause {
    cause.step = Some(Arc::clone(&step.name));
    if cause.reason == Reason::NotEvaluable {
        if let Some(missing) = env.facts.missing_secret() {
            cause.reason = Reason::Secret;
            cause.message = format!("{}; a secret could not be had: {missing}", cause.message);
        }
        if let Some(remark) = answer.remark() {
            cause.message = format!("{} ({remark})", cause.message);
        }
    }
    cause.message = env.redactor().redact(&cause.message).into_owned();
    cause
}
