//! What is known of what a plan does not have any more. A file that is written anew is gone for a moment, so everything is kept
//! for a minute: what comes back is as it was.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::evidence;
use crate::alert::FactKey;
use crate::alert::Moment;
use crate::alert::fact::Objective;
use crate::history::{KeptState, StateRow};
use crate::plan::CanaryId;

/// How long it is kept.
const KEPT: Duration = Duration::from_mins(1);

/// Kinds of rows that are of conditions, in the order in which they are read.
pub(super) const KINDS: [&str; 8] = ["canary", "across", "subject", "budget", "latency", "blind", "leak", "restarts"];

/// Rows whose owners are not in the plan.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    rows: Vec<(Duration, KeptState)>,
}

impl Orphans {
    /// Its owner is not in the plan.
    pub(super) fn put(&mut self, row: KeptState, now: Moment) {
        self.rows.push((now.steady + KEPT, row));
    }

    /// Everything, to be looked through for what is in the plan again.
    pub(super) fn take(&mut self) -> Vec<(Duration, KeptState)> {
        std::mem::take(&mut self.rows)
    }

    /// It is not in the plan yet.
    pub(super) fn put_back(&mut self, until: Duration, row: KeptState) {
        self.rows.push((until, row));
    }

    /// Forgets what was kept for long enough: rows to be deleted.
    pub(super) fn forget(&mut self, now: Moment) -> Vec<StateRow> {
        let (over, rows) = std::mem::take(&mut self.rows).into_iter().partition(|(until, _)| *until <= now.steady);
        self.rows = rows;
        let over: Vec<(Duration, KeptState)> = over;
        over.into_iter().filter_map(|(_, row)| Some(super::super::row(kind(&row.kind)?, row.key, None))).collect()
    }

    /// When the next one is to be forgotten; steady.
    pub(super) fn due(&self) -> Option<Duration> {
        self.rows.iter().map(|(until, _)| *until).min()
    }
}

/// The kind of a row as it is written.
pub(super) fn kind(kind: &str) -> Option<&'static str> {
    KINDS.into_iter().find(|known| *known == kind)
}

/// Whose facts a row says were not well. What cannot be read says nothing.
pub(super) fn failing(row: &KeptState) -> Vec<FactKey> {
    let Ok(json) = serde_json::from_str::<Value>(&row.json) else { return Vec::new() };
    let has = |value: &Value, field: &str| !matches!(value.get(field), None | Some(Value::Null | Value::Bool(false)));
    let (key, canary) = (|| Arc::<str>::from(row.key.as_str()), || CanaryId::read_back(&row.key));
    let is_canary = row.key.contains('/');
    match &*row.kind {
        "canary" if json.get("runs").is_some_and(|runs| has(runs, "paging") || has(runs, "since") || has(runs, "window")) => {
            vec![FactKey::Canary(canary())]
        }
        "blind" if is_canary && (json == Value::Bool(true) || has(&json, "failing")) => vec![FactKey::NoData(canary())],
        "across" if has(&json, "crossed") => vec![FactKey::Across(key())],
        "budget" if json["latches"].as_array().is_some_and(|latches| latches.iter().any(|latch| !latch.is_null())) => {
            vec![FactKey::Objective(key(), Objective::BurnRate)]
        }
        "latency" if has(&json, "page") || has(&json, "warn") => vec![FactKey::Objective(key(), Objective::Latency)],
        "subject" if !is_canary => {
            let subjects = json["failing"].as_object().into_iter().flatten();
            let name = |name: &String| FactKey::Subject(key(), evidence::subject_name(&name.as_str().into()));
            let others = has(&json["rest"], "summary").then(|| FactKey::OtherSubjects(key()));
            subjects.map(|(subject, _)| name(subject)).chain(others).collect()
        }
        _ => Vec::new(),
    }
}
