//! Names of probes and canaries, and what was likely meant by one that is none.

use std::sync::Arc;

use crate::base::did_you_mean;
use crate::plan::{Canary, Plan};
use crate::schedule::PauseTarget;

use super::Failure;
use super::runs::short;

/// What a name means: a probe's or a canary's.
pub(super) fn target(plan: &Plan, name: &str) -> Option<PauseTarget> {
    if let Some(probe) = plan.probes.iter().find(|probe| &*probe.name == name) {
        return Some(PauseTarget::Probe(probe.name.clone()));
    }
    plan.canaries.iter().find(|canary| canary.id.as_str() == name).map(|canary| PauseTarget::Canary(canary.id.clone()))
}

/// The name of a target.
pub(in crate::web) fn name(target: &PauseTarget) -> &str {
    match target {
        PauseTarget::Probe(probe) => probe,
        PauseTarget::Canary(canary) => canary.as_str(),
    }
}

/// The canaries that a probe's name or a canary's id means.
pub(in crate::web) fn canaries<'p>(plan: &'p Plan, name: &str) -> Vec<&'p Arc<Canary>> {
    plan.canaries.iter().filter(|canary| &*canary.probe.name == name || canary.id.as_str() == name).collect()
}

/// Nothing has this name.
pub(in crate::web) fn nothing(plan: &Plan, name: &str) -> Failure {
    let probes = plan.probes.iter().map(|probe| &*probe.name);
    let ids = plan.canaries.iter().map(|canary| canary.id.as_str());
    let hint = if name.contains('/') { did_you_mean(name, ids) } else { None };
    let hint = hint
        .or_else(|| did_you_mean(name.split('/').next().unwrap_or(name), probes))
        .unwrap_or_else(|| "`serinus status` counts the canaries there are; an id looks like PROBE/REGION/KEY=VALUE".to_owned());
    let name: String = name.chars().take(200).collect();
    Failure::unknown(format!("no probe and no canary is called `{name}`; {hint}"))
}

/// The probe of this name.
pub(super) fn probe(plan: &Plan, name: &str) -> Result<Arc<str>, Failure> {
    let found = plan.probes.iter().find(|probe| &*probe.name == name);
    found.map(|probe| Arc::clone(&probe.name)).ok_or_else(|| {
        let owner = name.split('/').next().unwrap_or(name);
        if plan.probes.iter().any(|probe| &*probe.name == owner) {
            let name = short(name);
            return Failure::bad(format!("`{name}` is no probe's name; what is muted is muted for the whole probe `{owner}`"));
        }
        nothing(plan, name)
    })
}
