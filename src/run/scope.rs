//! The names an expression of a run can see.
//!
//! One object answers all look-ups, so that nothing is copied into a map for each evaluation. Names are layered: the step's
//! own result, then loop names, captures and vars (which never shadow each other, the loader sees to that), then the
//! region's vars and the run's own facts.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::base::time::rfc3339;
use crate::outcome::{Redactor, RunId, Secrets, TraceId};
use crate::plan::expr::{DERIVED_VALUES, derived_values};
use crate::plan::{Canary, Cell, CellValue};

use super::step::Answer;

/// Values by name: vars, captures, loop names. Cheap to clone; written by copy if shared.
pub(super) type Names = Arc<Vec<(Arc<str>, Value)>>;

/// What stays the same during one run. Nothing is spelled out before an expression asks for it.
#[derive(Debug)]
pub(super) struct RunFacts {
    canary: Arc<Canary>,
    run: RunIdentity,
    secrets: Arc<Secrets>,
    missing_secret: Arc<OnceLock<String>>,
    redactor: Arc<Redactor>,
}

/// `run.id`, `run.trace_id` and `run.started`.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunIdentity {
    pub(super) id: RunId,
    pub(super) trace_id: TraceId,
    pub(super) started: SystemTime,
}

impl Object for RunIdentity {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "id" => Some(Value::from(self.id.to_string())),
            "trace_id" => Some(Value::from(self.trace_id.to_string())),
            "started" => Some(Value::from(rfc3339(self.started))),
            _ => None,
        }
    }
}

/// `cell.KEY`.
#[derive(Debug)]
struct CellScope(Arc<Cell>);

impl Object for CellScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(cell_value)
    }
}

impl RunFacts {
    /// Facts of a run of `canary`.
    pub(super) fn new(canary: &Arc<Canary>, run: RunIdentity, secrets: Arc<Secrets>) -> Self {
        let redactor = Arc::new(secrets.redactor().for_run(&canary.probe));
        Self { canary: Arc::clone(canary), run, secrets, missing_secret: Arc::default(), redactor }
    }

    /// The same facts, for expressions that decide nothing: a secret which they miss is not what anything failed for.
    pub(super) fn apart(&self) -> Self {
        let Self { canary, run, secrets, missing_secret: _, redactor } = self;
        let (canary, secrets, redactor) = (Arc::clone(canary), Arc::clone(secrets), Arc::clone(redactor));
        Self { canary, run: *run, secrets, missing_secret: Arc::default(), redactor }
    }

    /// Why a secret that some expression asked for could not be had, if that happened.
    pub(super) fn missing_secret(&self) -> Option<&str> {
        self.missing_secret.get().map(String::as_str)
    }

    /// Removes secrets, what the run makes of them, and personal data from what will be shown.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// When the run started, by the wall clock.
    pub(super) fn started(&self) -> SystemTime {
        self.run.started
    }

    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "run" => Some(Value::from_object(self.run)),
            DERIVED_VALUES => Some(derived_values(Arc::<Redactor>::clone(&self.redactor))),
            "cell" => Some(Value::from_object(CellScope(Arc::clone(&self.canary.cell)))),
            "region" => Some(Value::from(Arc::clone(&self.canary.region.name))),
            "secret" => {
                let scope = SecretScope { secrets: Arc::clone(&self.secrets), missing: Arc::clone(&self.missing_secret) };
                Some(Value::from_object(scope))
            }
            _ => self.canary.region.vars.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.clone()),
        }
    }
}

fn cell_value(value: &CellValue) -> Value {
    match value {
        CellValue::Text(text) => Value::from(&**text),
        CellValue::Integer(number) => Value::from(*number),
        CellValue::Float(number) => Value::from(*number),
        CellValue::Bool(truth) => Value::from(*truth),
    }
}

/// `secret.NAME`: reads the current secrets and notes which one was missing. A missing secret is an error and not undefined: an
/// expression could replace undefined by a `default`, and a later failure would be blamed on the secret.
#[derive(Debug)]
struct SecretScope {
    secrets: Arc<Secrets>,
    missing: Arc<OnceLock<String>>,
}

impl SecretScope {
    fn lacking(&self, why: String) -> Value {
        let error = minijinja::Error::new(minijinja::ErrorKind::UndefinedError, why.clone());
        let _ = self.missing.set(why);
        Value::from(error)
    }
}

impl Object for SecretScope {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        match self.secrets.get(name) {
            Some(Ok(secret)) => Some(Value::from(secret.expose())),
            Some(Err(why)) => Some(self.lacking(format!("secret `{name}`: {why}"))),
            None => Some(self.lacking(format!("secret `{name}` is not configured; declare it under [secrets]"))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // Listing secrets is of no use to a probe and would make leaking them easy.
        Enumerator::NonEnumerable
    }
}

/// The scope of one evaluation.
#[derive(Debug)]
pub(super) struct ExpressionScope {
    facts: Arc<RunFacts>,
    names: Names,
    /// The number of the attempt, from 1, inside of one.
    attempt: Option<u32>,
    answer: Option<Arc<dyn Answer>>,
}

impl ExpressionScope {
    /// Names without a step's result.
    pub(super) fn of_names(facts: &Arc<RunFacts>, names: &Names) -> Value {
        Value::from_object(Self { facts: Arc::clone(facts), names: Arc::clone(names), attempt: None, answer: None })
    }

    /// Names inside of an attempt of this number, and what it saw, if it has an answer.
    pub(super) fn of_attempt(facts: &Arc<RunFacts>, names: &Names, attempt: u32, answer: Option<&Arc<dyn Answer>>) -> Value {
        let (facts, names) = (Arc::clone(facts), Arc::clone(names));
        Value::from_object(Self { facts, names, attempt: Some(attempt), answer: answer.cloned() })
    }
}

impl Object for ExpressionScope {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.answer
            .as_ref()
            .and_then(|answer| answer.lookup(key))
            .or_else(|| self.names.iter().rev().find(|(name, _)| &**name == key).map(|(_, value)| value.clone()))
            .or_else(|| self.facts.get(key))
            .or_else(|| self.attempt.filter(|_| key == "attempt").map(Value::from))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
