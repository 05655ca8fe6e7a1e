//! Invariant 7: the heartbeat is not sent while a page has been due for long and no waking channel took it.

use std::time::Duration;

use super::super::log::{LogEntry, Sound};
use super::super::truth::CanaryState;
use super::Case;

/// How long a page may be due before the heartbeat stops, and the beat that may be in flight just then.
const DUE: Duration = Duration::from_mins(5);
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Checks every heartbeat. Canaries that may be explained are skipped, and those of incidents that rang before, since they may be
/// in a pause.
pub(in super::super) fn beats_only_while_pages_are_heard(case: &Case) -> Vec<String> {
    let beats = case.log.entries.iter().filter_map(|entry| if let LogEntry::Beat { at } = entry { Some(*at) } else { None });
    let mut wrong = Vec::new();
    for beat in beats {
        for (name, canary) in &case.truth.canaries {
            let known = canary.at(beat);
            let Some(owed) = known.owed.filter(|_| known.watched && known.state == CanaryState::Failing) else { continue };
            // A process that begins anew cannot know for how long it was due.
            let up = case.channels.iter().filter_map(|channel| up_since(case, &channel.name, beat)).max().unwrap_or_default();
            if beat.saturating_sub(owed.max(up)) <= DUE + ON_ITS_WAY || case.may_be_explained(canary, known.episode, beat) {
                continue;
            }
            let scope = format!("probe/{}", canary.probe);
            let woken = case.channels.iter().filter(|channel| channel.wakes()).any(|channel| {
                case.log.heard(&channel.name).any(|heard| heard.sound == Sound::Rang && heard.scope == scope && heard.at <= beat)
            });
            if !woken && !case.log.acknowledged(&scope, owed, beat) {
                wrong.push(format!("the heartbeat was sent at {beat:?}, and nobody was woken for {name}, due since {owed:?}"));
            }
        }
    }
    wrong
}

/// Since when the process has been up, whatever the channel does.
fn up_since(case: &Case, _channel: &str, until: Duration) -> Option<Duration> {
    let mut up = None;
    for entry in &case.log.entries {
        if let LogEntry::Up { at, up: true } = entry
            && *at <= until
        {
            up = Some(*at);
        }
    }
    up
}
