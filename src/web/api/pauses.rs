//! Pauses outlive the process: they are kept in the store as states of the kind `pause`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::alert::{Event, Paused};
use crate::base::time::{epoch_ms, from_epoch_ms};
use crate::history::{RestoredState, StateRow};
use crate::plan::{CanaryId, Plan};
use crate::schedule::{Pause, PauseTarget};

use super::{Api, names};

/// How long an answer waits for a pause to be durable.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(1);

const KIND: &str = "pause";

#[derive(Serialize, Deserialize)]
struct StoredPause {
    since_ms: i64,
    until_ms: Option<i64>,
    by: String,
    why: Option<String>,
}

/// The row that keeps a pause, or forgets it.
fn row(target: &PauseTarget, pause: Option<&Pause>) -> StateRow {
    let stored = pause.map(|pause| StoredPause {
        since_ms: epoch_ms(pause.since),
        until_ms: pause.until.map(epoch_ms),
        by: pause.by.clone(),
        why: pause.why.clone(),
    });
    let json = stored.map(|stored| serde_json::to_string(&stored).expect("texts and numbers have a JSON spelling"));
    StateRow { kind: KIND, key: names::name(target).to_owned(), json }
}

/// The pauses that were kept and are not over. A canary or probe that is not planned any more has none.
pub fn restored_pauses(states: &[RestoredState], plan: &Plan, now: SystemTime) -> Vec<Pause> {
    let pause = |state: &RestoredState| {
        let stored: StoredPause = serde_json::from_str(&state.json).ok()?;
        let until = stored.until_ms.map(from_epoch_ms);
        let target = names::target(plan, &state.key)?;
        let over = until.is_some_and(|until| until <= now);
        (!over).then(|| Pause { target, since: from_epoch_ms(stored.since_ms), until, by: stored.by, why: stored.why })
    };
    states.iter().filter(|state| state.kind == KIND).filter_map(pause).collect()
}

/// The pauses that alerting was last told.
#[derive(Debug, Default)]
pub struct SyncedPauses(Mutex<HashMap<CanaryId, Paused>>);

/// Pauses and mutes of this process that the store of the fleet has by now: kinds, keys, and what was written, if anything. What the store
/// has instead afterwards is somebody else's change.
#[derive(Debug, Clone, Default)]
pub struct WrittenStates(Arc<Mutex<Vec<FollowedRow>>>);

/// The kind and the key of a state that is followed, and what it says, if it is there.
pub(crate) type FollowedRow = (String, String, Option<String>);

impl WrittenStates {
    pub(super) fn note(&self, StateRow { kind, key, json }: StateRow) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((kind.to_owned(), key, json));
    }

    /// Takes them out, in the order in which they were written.
    pub fn take(&self) -> Vec<FollowedRow> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Api {
    /// Takes what was changed on another process of the fleet: kinds, keys, and what holds now, if anything. Returns the pauses of what
    /// this process does not know yet, which are to be told again: its probes may be those of before a roll-out.
    pub(crate) fn take_followed(&self, changed: Vec<FollowedRow>) -> Vec<(String, String)> {
        let plan = self.plan();
        let mut unknown = Vec::new();
        for (kind, key, json) in changed {
            if kind != KIND {
                self.mutes.take(&key, json.as_deref());
            } else if !self.take_pause(&plan, &key, json) {
                unknown.push((kind, key));
            }
        }
        self.sync_pauses();
        self.sync_mutes();
        unknown
    }

    /// Returns whether it is known what is paused.
    fn take_pause(&self, plan: &Plan, key: &str, json: Option<String>) -> bool {
        let pauses = self.scheduler.pauses();
        let Some(target) = names::target(plan, key) else { return false };
        let state = json.map(|json| RestoredState { kind: KIND.to_owned(), key: key.to_owned(), json });
        match state.and_then(|state| restored_pauses(&[state], plan, SystemTime::now()).pop()) {
            // It may be this process's own.
            Some(pause) if pauses.list().iter().any(|known| known.target == target && known.until == pause.until) => {}
            Some(pause) => pauses.pause(pause),
            None => {
                pauses.resume(&target);
            }
        }
        true
    }

    /// Tells alerting which canaries are paused now, if that changed: somebody paused or resumed, a pause ended by
    /// itself, or a reload brought canaries of a probe that is paused.
    pub fn sync_pauses(&self) {
        let mut synced = self.synced_pauses.0.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = paused(&self.plan(), &self.scheduler.pauses().list());
        if *synced != paused {
            self.alerts.event(Event::Paused(paused.clone()));
            *synced = paused;
        }
    }

    /// Keeps a pause, or forgets it. Returns whether that is durable; where the store is away it is tried on until it is.
    pub(in crate::web) async fn store_pause(&self, target: &PauseTarget, pause: Option<&Pause>) -> bool {
        self.store_state(row(target, pause)).await
    }
}

/// The canaries that pauses are about.
pub fn paused(plan: &Plan, pauses: &[Pause]) -> HashMap<CanaryId, Paused> {
    let mut canaries = HashMap::new();
    for pause in pauses {
        let one = Paused {
            by: pause.by.as_str().into(),
            why: pause.why.as_deref().map(Arc::from),
            until_ms: pause.until.map(epoch_ms),
        };
        let meant = plan.canaries.iter().filter(|canary| pause.target.is(canary));
        canaries.extend(meant.map(|canary| (canary.id.clone(), one.clone())));
    }
    canaries
}
