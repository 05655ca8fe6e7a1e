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
pub(super) const KEPT_WITHIN: Duration = Duration::from_secs(1);

const KIND: &str = "pause";

#[derive(Serialize, Deserialize)]
struct Kept {
    since_ms: i64,
    until_ms: Option<i64>,
    by: String,
    why: Option<String>,
}

/// The row that keeps a pause, or forgets it.
fn row(target: &PauseTarget, pause: Option<&Pause>) -> StateRow {
    let kept = pause.map(|pause| Kept {
        since_ms: epoch_ms(pause.since),
        until_ms: pause.until.map(epoch_ms),
        by: pause.by.clone(),
        why: pause.why.clone(),
    });
    let json = kept.map(|kept| serde_json::to_string(&kept).expect("texts and numbers have a JSON spelling"));
    StateRow { kind: KIND, key: names::name(target).to_owned(), json }
}

/// The pauses that were kept and are not over. A canary or probe that is not planned any more has none.
pub fn kept_pauses(states: &[RestoredState], plan: &Plan, now: SystemTime) -> Vec<Pause> {
    let pause = |state: &RestoredState| {
        let kept: Kept = serde_json::from_str(&state.json).ok()?;
        let until = kept.until_ms.map(from_epoch_ms);
        let target = names::target(plan, &state.key)?;
        let over = until.is_some_and(|until| until <= now);
        (!over).then(|| Pause { target, since: from_epoch_ms(kept.since_ms), until, by: kept.by, why: kept.why })
    };
    states.iter().filter(|state| state.kind == KIND).filter_map(pause).collect()
}

/// What alerting was told is paused.
#[derive(Debug, Default)]
pub struct ToldPauses(Mutex<HashMap<CanaryId, Paused>>);

impl Api {
    /// Tells alerting which canaries are paused now, if that changed: somebody paused or resumed, a pause ended by
    /// itself, or a reload brought canaries of a probe that is paused.
    pub fn tell_pauses(&self) {
        let mut told = self.told_pauses.0.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = paused(&self.plan(), &self.scheduler.pauses().list());
        if *told != paused {
            self.alerts.event(Event::Paused(paused.clone()));
            *told = paused;
        }
    }

    /// Keeps a pause, or forgets it. Returns whether that is durable; where the store is away it is tried on until it is.
    pub(super) async fn keep_pause(&self, target: &PauseTarget, pause: Option<&Pause>) -> bool {
        self.keep(row(target, pause)).await
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
