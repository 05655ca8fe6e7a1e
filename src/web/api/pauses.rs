//! Pauses outlive the process: they are kept in the store as states of the kind `pause`.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::history::{KeptState, StateRow};
use crate::plan::{CanaryId, Plan};
use crate::schedule::{Pause, PauseTarget};

const KIND: &str = "pause";

#[derive(Serialize, Deserialize)]
struct Kept {
    since_ms: u64,
    until_ms: Option<u64>,
    by: String,
    why: Option<String>,
}

/// The row that keeps a pause, or forgets it.
pub(super) fn row(target: &PauseTarget, pause: Option<&Pause>) -> StateRow {
    let kept = pause.map(|pause| Kept {
        since_ms: millis(pause.since),
        until_ms: pause.until.map(millis),
        by: pause.by.clone(),
        why: pause.why.clone(),
    });
    let json = kept.map(|kept| serde_json::to_string(&kept).expect("texts and numbers have a JSON spelling"));
    StateRow { kind: KIND, key: name(target).to_owned(), json }
}

/// The pauses that were kept and are not over. A canary or probe that is not planned any more has none.
pub fn kept_pauses(states: &[KeptState], plan: &Plan, now: SystemTime) -> Vec<Pause> {
    let pause = |state: &KeptState| {
        let kept: Kept = serde_json::from_str(&state.json).ok()?;
        let moment = |millis: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let until = kept.until_ms.map(moment);
        let target = target(plan, &state.key)?;
        let over = until.is_some_and(|until| until <= now);
        (!over).then(|| Pause { target, since: moment(kept.since_ms), until, by: kept.by, why: kept.why })
    };
    states.iter().filter(|state| state.kind == KIND).filter_map(pause).collect()
}

/// What a name means: a probe's or a canary's.
pub(super) fn target(plan: &Plan, name: &str) -> Option<PauseTarget> {
    if let Some(probe) = plan.probes.iter().find(|probe| &*probe.name == name) {
        return Some(PauseTarget::Probe(probe.name.clone()));
    }
    plan.canaries.iter().find(|canary| canary.id.as_str() == name).map(|canary| PauseTarget::Canary(canary.id.clone()))
}

/// The canaries of a target.
pub(super) fn canaries(plan: &Plan, target: &PauseTarget) -> Vec<CanaryId> {
    let is = |probe: &str, id: &CanaryId| match target {
        PauseTarget::Probe(name) => **name == *probe,
        PauseTarget::Canary(canary) => canary == id,
    };
    plan.canaries.iter().filter(|canary| is(&canary.probe.name, &canary.id)).map(|canary| canary.id.clone()).collect()
}

/// The name of a target.
pub(super) fn name(target: &PauseTarget) -> &str {
    match target {
        PauseTarget::Probe(probe) => probe,
        PauseTarget::Canary(canary) => canary.as_str(),
    }
}

/// Milliseconds since the epoch.
pub(super) fn millis(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
