//! A run's entries in the cleanup ledger: written before something is created, so that it is removed after a crash too.
//!
//! Owns which names of a run may be stored: never a secret, nor a value made of one. A var that is not stored is rendered again
//! for the cleanup, unless it is random; any other name that is not stored is undefined there. What a step carries is stored as it
//! is sent, so that an attempt with another value is an entry of its own (`series`). `cleanup` undoes, `sweep` says when.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use minijinja::Value;

use crate::base::time::epoch_ms;
use crate::outcome::{Cause, Ledger, LedgerEntry, Reason, Redactor, RunId, SpanId};
use crate::plan::expr::{from_json, spend_bytes, to_json_within};
use crate::plan::{Step, Unjournalled};

use super::compute::compute;
use super::environment::Environment;
use super::log::Log;
use super::scope::Names;
use super::undo::{CreationStatus, Undo};

/// The longest a run waits for its intent to be durable.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Bytes of JSON that a name's value may have to be stored: a cleanup needs ids, not bodies.
const LARGEST_VALUE: usize = 16 << 10;

const UNJOURNALLED: &str = "serinus_cleanup_unjournalled_total";

/// How long after its end a run still counts as live, so that a sweep reads what it wrote to the ledger last.
const SETTLING: Duration = Duration::from_secs(10);

/// Runs of this process that may still undo what they wrote to the ledger, or have only just done so.
#[derive(Debug, Default)]
pub(super) struct LiveRuns(Mutex<LiveRunSet>);

#[derive(Debug, Default)]
struct LiveRunSet {
    known: HashSet<RunId>,
    /// Those of them that are over, the first to end first.
    over: VecDeque<(Instant, RunId)>,
}

impl LiveRuns {
    /// Whether the run that an entry belongs to is still going, its cleanup included.
    pub(super) fn holds(&self, run_id: RunId) -> bool {
        self.settled(Instant::now()).known.contains(&run_id)
    }

    fn began(&self, run_id: RunId) {
        self.settled(Instant::now()).known.insert(run_id);
    }

    fn ended(&self, run_id: RunId) {
        let now = Instant::now();
        let mut runs = self.settled(now);
        if runs.known.contains(&run_id) {
            runs.over.push_back((now, run_id));
        }
    }

    /// The runs, without those that ended long enough before `now`.
    fn settled(&self, now: Instant) -> MutexGuard<'_, LiveRunSet> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, run_id)) = runs.over.pop_front_if(|(ended, _)| now.saturating_duration_since(*ended) > SETTLING) {
            runs.known.remove(&run_id);
        }
        runs
    }
}

/// One run's way to the ledger.
pub(super) struct RunLedger {
    ledger: Arc<dyn Ledger>,
    live: Arc<LiveRuns>,
    run_id: RunId,
}

impl RunLedger {
    /// The ledger for one run.
    pub(super) fn new(ledger: Arc<dyn Ledger>, live: Arc<LiveRuns>, run_id: RunId) -> Self {
        Self { ledger, live, run_id }
    }

    /// Where entries are kept.
    pub(super) fn entries(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// The creation behind entry `id` happened, or may have; these are its names now.
    pub(super) fn created(&self, env: &Environment, id: &str, names: &Names) {
        self.ledger.created(id, compute(0, || storable(names, env.redactor())));
    }
}

impl Drop for RunLedger {
    fn drop(&mut self) {
        self.live.ended(self.run_id);
    }
}

/// A step that has a cleanup is about to be sent: the run notes it, and the ledger, where there is one.
///
/// # Errors
/// `Resources`, where the ledger did not take it in time and the probe does not allow to go on without.
pub(super) async fn intend(
    (env, log, ledger): (&Environment, &Log, Option<&RunLedger>),
    step: &Step,
    id: SpanId,
    names: &Names,
    device: &Arc<str>,
) -> Result<(), Cause> {
    let entry = ledger.map(|_| LedgerEntry {
        id: ulid::Ulid::generate().to_string(),
        run_id: env.run_id.to_string(),
        trace_id: env.trace_id.to_string(),
        canary: env.canary.id.as_str().to_owned(),
        probe: env.canary.probe.name.to_string(),
        region: env.canary.region.name.to_string(),
        step: step.name.to_string(),
        device: device.to_string(),
        started_ms: epoch_ms(env.facts.started()),
        names: compute(0, || storable(names, env.redactor())),
        created: false,
        passed: 0,
        attempts: 0,
    });
    log.intend(Undo {
        id,
        step: Arc::clone(&step.name),
        names: Arc::clone(names),
        device: Arc::clone(device),
        made: CreationStatus::NOTHING,
        entry: entry.as_ref().map(|entry| entry.id.clone()),
    });
    let (Some(ledger), Some(entry)) = (ledger, entry) else { return Ok(()) };
    ledger.live.began(env.run_id);
    let waiting = log.waits.begin();
    let taken = tokio::time::timeout(LONGEST_WAIT, ledger.ledger.intend(entry)).await;
    drop(waiting);
    match (taken, env.canary.probe.unjournalled) {
        (Ok(Ok(())), _) => Ok(()),
        (Ok(Err(_)) | Err(_), Unjournalled::Allow) => {
            counter!(UNJOURNALLED).increment(1);
            tracing::debug!(canary = %env.canary.id, step = &*step.name, "the cleanup ledger did not take an intent in time");
            Ok(())
        }
        (Ok(Err(_)) | Err(_), Unjournalled::Refuse) => {
            let waited = humantime::format_duration(LONGEST_WAIT);
            let message = format!(
                "nothing was created: the store did not write down within {waited} what `{}` is to undo, so a crash would have left \
                 it behind; see that the store can be written, or set `cleanup.unjournalled = \"allow\"`",
                step.name
            );
            Err(env.cause(Reason::Resources, Some(&step.name), &message))
        }
    }
}

/// What of `names` is stored. A value that contains a secret, in whatever spelling, is left out as well.
fn storable(names: &Names, redactor: &Redactor) -> serde_json::Value {
    let fits = |(name, value): &(Arc<str>, Value)| {
        let json = to_json_within(value, LARGEST_VALUE).ok().filter(|_| !redactor.hides(name))?;
        let text = json.to_string();
        spend_bytes(text.len());
        (text.len() <= LARGEST_VALUE && redactor.redact(&text) == text).then(|| (name.to_string(), json))
    };
    names.iter().filter_map(fits).collect::<serde_json::Map<_, _>>().into()
}

/// The names of an entry again; vars that were not stored are rendered anew with the secrets of the day.
pub(super) fn restored_names(env: &Environment, stored: &serde_json::Value) -> Names {
    let mut stored: BTreeMap<&str, Value> =
        stored.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), from_json(value))).collect();
    let mut names = Names::default();
    for (name, template) in &env.canary.probe.vars {
        // A var that cannot be rendered stays undefined, and whatever uses it fails with that. So does a random one: rendered
        // again it would name something that was never created, and a cleanup that does not find it would count as done.
        let again = || if template.is_random() { None } else { template.value(&env.scope(&names)).ok() };
        let value = stored.remove(&**name).or_else(again);
        Arc::make_mut(&mut names).extend(value.map(|value| (Arc::clone(name), value)));
    }
    Arc::make_mut(&mut names).extend(stored.into_iter().map(|(name, value)| (Arc::from(name), value)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_as_going_until_what_it_told_the_ledger_can_be_read() {
        let (live, run) = (LiveRuns::default(), RunId(ulid::Ulid::generate()));
        live.ended(run);
        assert!(!live.holds(run), "it never wrote anything down");
        live.began(run);
        live.ended(run);
        assert!(live.holds(run));
        assert!(live.settled(Instant::now() + SETTLING * 2).known.is_empty());
    }

    #[test]
    fn a_value_that_is_too_large_or_no_json_is_left_out() {
        let names: Names = Arc::new(vec![
            ("id".into(), Value::from(1)),
            ("large".into(), Value::from("x".repeat(LARGEST_VALUE))),
            ("odd".into(), Value::from(f64::NAN)),
        ]);
        assert_eq!(storable(&names, &Redactor::default()), serde_json::json!({ "id": 1 }));
    }
}
