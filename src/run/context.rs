//! What all steps of one run share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use minijinja::Value;

use crate::base::time::whole_millis;
use crate::outcome::{Cause, Reason, Redactor, RunId, Secrets, TraceId};
use crate::plan::expr::EvalError;
use crate::plan::{Canary, Device, Limits};

use super::journal::{Journal, Waits};
use super::request::Detail;
use super::scope::{Names, RunFacts, Scope};
use super::stall::{Bound, StallLog};
use super::state::RunState;
use super::step::http::{HttpClients, HttpDevice, HttpResponse};
use super::subjects::Subjects;

/// Bytes of a cause's message: it is repeated in logs, spans and pages, and may quote what was rendered.
const LONGEST_MESSAGE: usize = 4 << 10;

/// One run in progress.
pub(super) struct Context {
    pub(super) canary: Arc<Canary>,
    pub(super) facts: Arc<RunFacts>,
    redactor: Redactor,
    pub(super) limits: Arc<Limits>,
    pub(super) stalls: Arc<StallLog>,
    pub(super) clients: HttpClients,
    pub(super) detail: Detail,
    pub(super) run_id: RunId,
    pub(super) trace_id: TraceId,
    /// Whether its trace will be kept for sure.
    pub(super) sampled: bool,
    pub(super) started: Instant,
    pub(super) state: RunState,
    pub(super) journal: Option<Journal>,
    pub(super) waits: Waits,
    pub(super) subjects: Subjects,
    devices: Mutex<HashMap<Arc<str>, Arc<HttpDevice>>>,
    vars: OnceLock<Names>,
}

impl Context {
    #[expect(clippy::too_many_arguments, reason = "called once, with everything a run needs")]
    pub(super) fn new(
        canary: &Arc<Canary>,
        facts: RunFacts,
        secrets: &Secrets,
        limits: &Arc<Limits>,
        stalls: &Arc<StallLog>,
        clients: &HttpClients,
        detail: Detail,
        (run_id, trace_id, sampled): (RunId, TraceId, bool),
        started: Instant,
        journal: Option<Journal>,
    ) -> Self {
        Self {
            canary: Arc::clone(canary),
            facts: Arc::new(facts),
            redactor: secrets.redactor().for_run(canary.probe.redact.as_ref()),
            limits: Arc::clone(limits),
            stalls: Arc::clone(stalls),
            clients: clients.clone(),
            detail,
            run_id,
            trace_id,
            sampled,
            started,
            state: RunState::new(started, stalls),
            journal,
            waits: Waits::default(),
            subjects: Subjects::default(),
            devices: Mutex::new(HashMap::new()),
            vars: OnceLock::new(),
        }
    }

    /// Removes secrets and personal data from what will be shown.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The run's vars have been evaluated.
    pub(super) fn remember_vars(&self, vars: &Names) {
        let _ = self.vars.set(Arc::clone(vars));
    }

    /// The run's vars, as far as they were evaluated.
    pub(super) fn vars(&self) -> Names {
        self.vars.get().cloned().unwrap_or_default()
    }

    /// How long the run has been going at `now`.
    pub(super) fn offset(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// A bound from that moment on, which stalls of this process prolong.
    pub(super) fn bound(&self, from: Instant, lasting: Duration) -> Bound<'_> {
        Bound::new(&self.stalls, from, lasting)
    }

    /// The run's bound, as far as is known at `now`: waiting for the ledger moves it.
    pub(super) fn deadline(&self, now: Instant) -> Bound<'_> {
        self.bound(self.started + self.waits.total(now), self.canary.probe.deadline)
    }

    /// The scope of an expression that looks at no result.
    pub(super) fn scope(&self, names: &Names) -> Value {
        Scope::of_names(&self.facts, names)
    }

    /// The scope of an expression that looks at what a step saw.
    pub(super) fn scope_with(&self, names: &Names, result: &Arc<HttpResponse>) -> Value {
        Scope::with_result(&self.facts, names, Arc::clone(result))
    }

    /// The device of that name and its connections, made at first use.
    pub(super) fn device(&self, name: &str) -> Option<(&Device, Arc<HttpDevice>)> {
        let (key, device) = self.canary.probe.devices.get_key_value(name)?;
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let client = devices.entry(Arc::clone(key)).or_insert_with(|| Arc::new(self.clients.device(&device.settings)));
        Some((device, Arc::clone(client)))
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

/// The reason for what had not happened when a bound passed, and what is to be added to its message: `Stall` instead of
/// `reason` if this process stood still for more than half of the prolonged bound.
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
