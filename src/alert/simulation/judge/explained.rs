//! 4: what was explained is never rung because evidence ended; it is rung by its own later failures.

use std::time::Duration;

use super::super::log::{Heard, Sound};
use super::super::truth::{Canary, CanaryState};
use super::{Case, ReaderKind};

/// Holds of all that rang for a probe that needs another.
pub(in super::super) fn explained_is_rung_by_its_own_failures(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for heard in case.log.all_heard().filter(|heard| heard.sound == Sound::Rang) {
        // A ring tells all that fails; one that has a reason of its own is enough for it.
        let of = |name| case.truth.canaries.get_key_value(name);
        let blamed: Vec<(&String, &Canary)> = heard.failing.iter().filter_map(of).collect();
        let is_own = |canary: &Canary| !was_explained(case, canary, heard) || failed_by_itself(case, canary, heard.made);
        if !blamed.is_empty() && !blamed.iter().any(|(_, canary)| is_own(canary)) {
            let names: Vec<&str> = blamed.iter().map(|(name, _)| name.as_str()).collect();
            wrong.push(format!(
                "{} at {:?}: {} rang, and failed only with what they need",
                heard.channel,
                heard.at,
                names.join(", ")
            ));
        }
    }
    wrong
}

/// Whether its root failed and a waking channel knew of it, from the start of the episode until it crossed.
fn was_explained(case: &Case, canary: &Canary, heard: &Heard) -> bool {
    let known = canary.at(heard.made);
    let Some(owed) = known.owed else { return false };
    // It waits so long for a channel to take the root's ring.
    let waited = (owed + Duration::from_mins(1)).min(heard.made);
    case.roots(canary).any(|root| {
        let fails = root.at(owed).state == CanaryState::Failing && !root.at(owed).muted;
        was_told(case, root, waited)
            && fails
            && root.at(owed).last.is_some_and(|(failed, started)| failed && fresh(owed, started))
    })
}

/// Whether somebody who is woken had heard of a root's episode by then.
fn was_told(case: &Case, root: &Canary, by: Duration) -> bool {
    let (scope, name) = (format!("probe/{}", root.probe), root.name.as_str());
    let covers = |ring: &Heard| {
        ring.sound == Sound::Rang
            && ring.scope == scope
            && (root.at(by).episode..=by).contains(&ring.made)
            && ring.at <= by
            && ring.tells(name, root.at(by).crossed.unwrap_or(by))
    };
    // What Alertmanager shows is newer than what it was rung for.
    let mut waking = case.channels.iter().filter(|channel| channel.wakes() && channel.kind != ReaderKind::Alertmanager);
    waking.any(|channel| case.log.heard(&channel.name).any(covers))
}

/// Whether its last failed run started after its root had passed, had not run for long, or failed and nobody had been told.
fn failed_by_itself(case: &Case, canary: &Canary, at: Duration) -> bool {
    let started = canary.at(at).last_failed;
    case.roots(canary).all(|root| match root.at(started).last {
        Some((failed, root_started)) => {
            !failed || !fresh(started, root_started) || root.at(started).muted || !was_told(case, root, started)
        }
        None => true,
    })
}

/// Whether evidence of then still counts, by the least that the contract gives it: the deadline.
fn fresh(now: Duration, started: Duration) -> bool {
    now.saturating_sub(started) <= Duration::from_mins(2)
}
