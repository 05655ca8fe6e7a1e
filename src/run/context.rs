//! What all steps of one run share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use minijinja::Value;

use crate::outcome::{Cause, Reason, Redactor, RunId, Secrets, TraceId};
use crate::plan::expr::EvalError;
use crate::plan::{Canary, Device, Limits};

use super::journal::{Journal, Waits};
use super::request::Detail;
use super::scope::{Names, RunFacts, Scope};
use super::stall::StallLog;
use super::state::RunState;
use super::step::http::{HttpClients, HttpDevice, HttpResponse};

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
            state: RunState::new(started),
            journal,
            waits: Waits::default(),
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

    /// When the run's bound passes, as far as is known at `now`: waiting for the ledger moves it.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        self.started + self.canary.probe.deadline + self.waits.total(now)
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
        Cause {
            reason,
            message: self.redactor().redact(message).into_owned(),
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

    /// `Stall` instead of a bound's reason, if this process stood still for too much of the time it bounds.
    pub(super) fn blame(&self, reason: Reason, from: Instant, to: Instant, bound: Duration) -> Reason {
        if self.stalls.excuses(from, to, bound) { Reason::Stall } else { reason }
    }
}
