//! 3: no message says of a region or canary what its last counted results contradict, nor "well" of what is not.

use std::time::Duration;

use super::super::log::{EndHeard, Heard, Sound};
use super::super::truth::CanaryState;
use super::Case;

/// Holds of all that was heard, by the time at which its words were made.
pub(in super::super) fn says_what_is_so(case: &Case) -> Vec<String> {
    case.log.all_heard().flat_map(|heard| wrong(case, heard)).collect()
}

fn wrong(case: &Case, heard: &Heard) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(probe) = heard.scope.strip_prefix("probe/") else { return wrong };
    let said = |what: String| format!("{} at {:?}, «{}»: {what}", heard.channel, heard.made, heard.title);
    // What the file watch found to be gone keeps its state for a minute, and for a minute after a start.
    let gone = |canary: &super::Canary| {
        let minute_ago = heard.made.saturating_sub(Duration::from_mins(1));
        let found_at = if case.log.started(minute_ago, heard.made) { Duration::ZERO } else { minute_ago };
        let was = canary.all().iter().filter(|(at, _)| (found_at..=heard.made).contains(at)).map(|(_, known)| known);
        !canary.at(heard.made).watched && was.chain([canary.at(found_at)]).any(|known| known.watched)
    };
    let fails = |canary: &super::Canary| canary.at(heard.made).state == CanaryState::Failing || gone(canary);
    if heard.sound != Sound::Ended && heard.over.is_none() {
        for name in &heard.failing {
            if !case.truth.canaries.get(name).is_some_and(fails) {
                wrong.push(said(format!("{name} does not fail")));
            }
        }
        for region in &heard.regions {
            if !case.truth.of(probe).any(|canary| canary.region == *region && fails(canary)) {
                wrong.push(said(format!("nothing fails in {region}")));
            }
        }
        for (name, _) in heard.apart.iter().filter(|(_, how)| how.as_str() == "recovered") {
            if case.truth.canaries.get(name).is_some_and(|canary| fails(canary) && !gone(canary)) {
                wrong.push(said(format!("{name} has not recovered")));
            }
        }
    }
    if heard.over == Some(EndHeard::Well) {
        for (name, canary) in case.truth.canaries.iter().filter(|(_, canary)| canary.probe == probe) {
            let known = canary.at(heard.made);
            if known.state == CanaryState::Failing && known.watched {
                wrong.push(said(format!("{name} is not well")));
            }
        }
        // Who was well before it was removed is well again, and one failure alone makes nobody a member.
        let last_seen = |canary: &super::Canary| {
            let before = canary.all().iter().rev().find(|(at, known)| *at <= heard.made && known.watched);
            before.map_or(CanaryState::Well, |(_, known)| known.state)
        };
        let unseen = case.truth.of(probe).any(|canary| last_seen(canary) == CanaryState::Failing);
        if unseen && case.truth.of(probe).all(|canary| !canary.at(heard.made).watched) {
            wrong.push(said("nobody looks at it any more".to_owned()));
        }
    }
    wrong
}
