//! What all steps of one run read: whose run it is, what it may use, and how what happened is put into words.
//!
//! Only the sessions of its devices change while the run goes on. What a run writes down is in `log`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minijinja::Value;

use crate::base::time::whole_millis;
use crate::outcome::{Cause, Reason, Redactor, RunId, Secrets, TraceId};
use crate::plan::expr::EvalError;
use crate::plan::{Canary, Device, Limits};

use super::request::Detail;
use super::scope::{ExpressionScope, Names, RunFacts, RunIdentity};
use super::stall::{Bound, StallLog};
use super::step::{Answer, Pool, Session, Sessions};

/// Bytes of a cause's message: it is repeated in logs, spans and pages, and may quote what was rendered.
const LONGEST_MESSAGE: usize = 4 << 10;

/// What a run reads.
pub(super) struct Environment {
    pub(super) canary: Arc<Canary>,
    pub(super) facts: Arc<RunFacts>,
    pub(super) limits: Arc<Limits>,
    pub(super) stalls: Arc<StallLog>,
    sessions: Sessions,
    pub(super) detail: Detail,
    pub(super) run_id: RunId,
    pub(super) trace_id: TraceId,
    /// Whether its trace will be kept for sure.
    pub(super) sampled: bool,
    pub(super) started: Instant,
}

impl Environment {
    /// Of a run that starts now. `kept_traces` is the share of traces that are kept for sure.
    pub(super) fn new(
        canary: &Arc<Canary>,
        run: RunIdentity,
        detail: Detail,
        kept_traces: f64,
        (limits, stalls, pool): (&Arc<Limits>, &Arc<StallLog>, &Pool),
        secrets: &Arc<Secrets>,
    ) -> Self {
        Self {
            canary: Arc::clone(canary),
            facts: Arc::new(RunFacts::new(canary, run, Arc::clone(secrets))),
            limits: Arc::clone(limits),
            stalls: Arc::clone(stalls),
            sessions: Sessions::new(pool),
            detail,
            run_id: run.id,
            trace_id: run.trace_id,
            sampled: run.trace_id.is_in_share(kept_traces),
            started: Instant::now(),
        }
    }

    /// Removes secrets and personal data from what will be shown.
    pub(super) fn redactor(&self) -> &Redactor {
        self.facts.redactor()
    }

    /// How long the run has been going at `now`.
    pub(super) fn offset(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// A bound from that moment on, which stalls of this process prolong.
    pub(super) fn bound(&self, from: Instant, lasting: Duration) -> Bound<'_> {
        Bound::new(&self.stalls, from, lasting)
    }

    /// The scope of an expression that looks at no result.
    pub(super) fn scope(&self, names: &Names) -> Value {
        ExpressionScope::of_names(&self.facts, names)
    }

    /// The scope of an expression inside of an attempt of this number, which may look at its answer.
    pub(super) fn scope_of(&self, names: &Names, attempt: u32, answer: Option<&Arc<dyn Answer>>) -> Value {
        ExpressionScope::of_attempt(&self.facts, names, attempt, answer)
    }

    /// The same of an expression that decides nothing.
    pub(super) fn scope_apart(&self, names: &Names, attempt: u32, answer: &Arc<dyn Answer>) -> Value {
        ExpressionScope::of_attempt(&Arc::new(self.facts.apart()), names, attempt, Some(answer))
    }

    /// The device of that name, and its session.
    pub(super) fn device(&self, name: &str) -> Option<(&Device, Arc<Session>)> {
        let (name, device) = self.canary.probe.devices.get_key_value(name)?;
        Some((device, self.sessions.of(name, device)))
    }

    /// A cause with this reason; the message is redacted here.
    pub(super) fn cause(&self, reason: Reason, step: Option<&Arc<str>>, message: &str) -> Cause {
        let mut message = self.redactor().redact(message).into_owned();
        if message.len() > LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
            message.push('…');
        }
        Cause {
            reason,
            message,
            step: step.cloned(),
            subject: None,
            attempts: 0,
            expectation: None,
            location: None,
            seen: Vec::new(),
        }
    }

    /// The cause of an expression without a value: a missing secret is the prober's fault, anything else the probe's or target's.
    pub(super) fn not_evaluable(&self, step: Option<&Arc<str>>, what: &str, error: &EvalError) -> Cause {
        match self.facts.missing_secret() {
            Some(missing) => self.cause(Reason::Secret, step, &format!("{what} needs a secret that could not be had: {missing}")),
            None => self.cause(Reason::NotEvaluable, step, &format!("{what} could not be evaluated: {error}")),
        }
    }

    /// Like [`held_against`], for a bound that could not be prolonged: `Stall` if this process stood still for more than half of
    /// that time.
    pub(super) fn ours_or(&self, reason: Reason, from: Instant, to: Instant) -> (Reason, String) {
        let stalled = self.stalls.stalled_between(from, to);
        if stalled * 2 > to.saturating_duration_since(from) {
            let told = humantime::format_duration(whole_millis(stalled));
            (Reason::Stall, format!("; but the prober itself stood still for {told} of that time"))
        } else {
            (reason, String::new())
        }
    }
}

/// The reason of a bound that passed, and what is added to its message: `Stall` instead of `reason` if this process stood still
/// for more than half of the prolonged bound.
pub(super) fn held_against(reason: Reason, bound: &Bound<'_>, now: Instant) -> (Reason, String) {
    let stalled = bound.stalled(now);
    let told = humantime::format_duration(whole_millis(stalled));
    if stalled > bound.lasting() {
        let had = humantime::format_duration(bound.lasting() * 2);
        (Reason::Stall, format!("; but the prober itself stood still for {told} of the {had} to which that was prolonged"))
    } else if stalled > Duration::ZERO {
        (reason, format!("; the prober stood still for {told} meanwhile, by which the time was prolonged"))
    } else {
        (reason, String::new())
    }
}
