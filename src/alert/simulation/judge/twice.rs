//! 6: the same thing rings twice only if its answer was lost or its sender died, and then with the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::log::{Heard, Sound};
use super::super::truth::CanaryState;
use super::{Case, Channel, ReaderKind};
use crate::plan::Severity;

/// Holds of all that rang for a probe.
pub(in super::super) fn nothing_rings_twice(case: &Case) -> Vec<String> {
    case.channels.iter().flat_map(|channel| same_id(case, channel).into_iter().chain(no_news(case, channel))).collect()
}

/// Where each message is read, an id is read once.
fn same_id(case: &Case, channel: &Channel) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut read: BTreeMap<(&str, &str), &Heard> = BTreeMap::new();
    for heard in case.log.heard(&channel.name).filter(|heard| heard.sound == Sound::Rang && channel.kind == ReaderKind::Chat) {
        let before = read.insert((&heard.id, &heard.key), heard);
        if let Some(before) = before.filter(|before| !case.log.is_excused(&channel.name, &heard.id, before.at, heard.at)) {
            wrong.push(format!("{} rang twice in {}, at {:?} and {:?}", heard.id, channel.name, before.at, heard.at));
        }
    }
    wrong
}

/// A further ring of an incident tells something that none before did: an episode, or a higher severity. Alertmanager's texts are
/// those of now, so that an earlier ring may tell there what a later one was made for.
fn no_news(case: &Case, channel: &Channel) -> Vec<String> {
    let mut wrong = Vec::new();
    if channel.kind == ReaderKind::Alertmanager {
        return wrong;
    }
    let mut told: BTreeMap<&str, (Vec<&Heard>, u8)> = BTreeMap::new();
    for heard in case.log.heard(&channel.name).filter(|heard| heard.sound == Sound::Rang && heard.scope.starts_with("probe/")) {
        let (before, severity) = told.entry(&heard.incident).or_default();
        let first = before.is_empty() || before.iter().any(|ring| ring.id == heard.id);
        let from = before.last().map_or(heard.at, |ring| ring.at);
        let worse = heard.severity > *severity || is_critical_anew(case, heard, from);
        let news = first || heard.reminder || worse || tells_an_episode(case, heard, before);
        // A try of unknown outcome is repeated with a fresher text, which may tell more than the log says.
        let repeated = before.iter().any(|ring| case.log.is_excused(&channel.name, &ring.id, ring.at, heard.at));
        if !news && !repeated && !case.log.is_excused(&channel.name, &heard.id, from, heard.at) {
            let names: BTreeSet<&String> = heard.failing.iter().collect();
            wrong.push(format!("{} rang in {} at {:?} and tells nothing new: {names:?}", heard.id, channel.name, heard.at));
        }
        *severity = heard.severity.max(*severity);
        before.push(heard);
    }
    wrong
}

/// Whether it may be critical for another time: in between fewer than two regions failed, for as long as that ends it.
fn is_critical_anew(case: &Case, heard: &Heard, from: Duration) -> bool {
    let Some(probe) = heard.scope.strip_prefix("probe/").filter(|_| heard.severity == Severity::Critical as u8) else {
        return false;
    };
    let until = heard.made.saturating_sub(Duration::from_mins(10));
    let regions = |at: Duration| {
        let fails = |canary: &&super::Canary| {
            let known = canary.at(at);
            known.state == CanaryState::Failing && !known.muted || known.last.is_some_and(|(failed, _)| failed)
        };
        case.truth.of(probe).filter(fails).map(|canary| &canary.region).collect::<BTreeSet<_>>().len()
    };
    let changes = case.truth.of(probe).flat_map(|canary| canary.all().iter().map(|(at, _)| *at));
    changes.filter(|at| (from..=until).contains(at)).any(|at| regions(at) < 2)
}

/// Whether it names a canary whose episode none of the earlier ones can have named.
fn tells_an_episode(case: &Case, heard: &Heard, before: &[&Heard]) -> bool {
    heard.failing.iter().any(|name| {
        let Some(canary) = case.truth.canaries.get(name) else { return true };
        let known = canary.at(heard.made);
        // An explanation that ended begins a new episode, which judges do not see.
        if case.may_be_explained(canary, known.episode, heard.made) {
            return true;
        }
        let crossed = known.crossed.unwrap_or(heard.made);
        let names = |ring: &&&Heard| ring.made >= known.episode && ring.tells(name, crossed);
        !before.iter().any(|ring| names(&ring))
    })
}
