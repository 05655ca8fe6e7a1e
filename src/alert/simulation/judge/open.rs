//! 1, 5 and 6: after a time in which every channel was well and nothing changed, each reader believes the truth.

use std::time::Duration;

use super::super::truth::{CanaryState, CanaryTruth};
use super::{Case, Channel, ReaderKind};

/// Holds at `at`, if nothing has changed and every channel was well for 20 minutes and Alertmanager's own time.
pub(in super::super) fn believes_what_is_so(case: &Case, at: Duration) -> Vec<String> {
    case.channels
        .iter()
        .flat_map(|channel| what_fails_is_open(case, channel, at).into_iter().chain(what_is_open_fails(case, channel, at)))
        .collect()
}

fn what_fails_is_open(case: &Case, channel: &Channel, at: Duration) -> Vec<String> {
    let open = case.log.open(&channel.name, at);
    let mut wrong = Vec::new();
    for (name, canary) in &case.truth.canaries {
        let known = canary.at(at);
        let owed = known.owed.is_some() && known.watched && known.state == CanaryState::Failing;
        if !owed || case.may_be_explained(canary, known.episode, at) {
            continue;
        }
        let scope = format!("probe/{}", canary.probe);
        if !open.values().any(|heard| heard.scope == scope) {
            wrong.push(format!("{name} fails, and {}'s reader thinks that nothing is open of {scope}", channel.name));
        }
    }
    wrong
}

fn what_is_open_fails(case: &Case, channel: &Channel, at: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, heard) in case.log.open(&channel.name, at) {
        // What a lost store had told is unknown. Its alerts in an Alertmanager end by themselves, unless that lost them, too.
        let forgot = case.log.forgot(at).filter(|forgot| *forgot >= heard.made);
        if forgot.is_some_and(|_| channel.kind != ReaderKind::Alertmanager || case.log.restarted(heard.made, at)) {
            continue;
        }
        // One that starts again knows what it said, and not what is open. Where the first that it gets of a group is an end, it
        // takes all that it said of that group for over, and has no word for the next end: so with what is about no probe, which
        // is one group, and ends in the minute before all that is open is sent again.
        let lost =
            channel.kind == ReaderKind::Alertmanager && !heard.scope.starts_with("probe/") && case.log.restarted(heard.made, at);
        if !lost && !holds_open(case, &heard.scope, at) {
            wrong.push(format!("{}'s reader thinks that {key} ({}) is open since {:?}", channel.name, heard.scope, heard.at));
        }
    }
    wrong
}

/// Whether something is so that holds a scope open.
fn holds_open(case: &Case, scope: &str, at: Duration) -> bool {
    let any = |probe: Option<&str>, region: Option<&str>, is: &dyn Fn(&CanaryTruth) -> bool| {
        let of = |canary: &&super::Canary| {
            probe.is_none_or(|probe| canary.probe == probe) && region.is_none_or(|region| canary.region == region)
        };
        case.truth.canaries.values().filter(of).any(|canary| is(canary.at(at)))
    };
    let without_data = |known: &CanaryTruth| known.watched && known.blocked > 0;
    match scope.split_once('/') {
        Some(("probe", probe)) => any(Some(probe), None, &|known| known.watched && known.state == CanaryState::Failing),
        // What a region's blindness took from a probe's stays open until it is over.
        Some(("no-data", probe)) => any(Some(probe), None, &without_data),
        Some(("blind", region)) => any(None, Some(region), &without_data),
        _ => false,
    }
}
