//! 2: every episode that crosses is told in time.

use std::time::Duration;

use super::super::log::{Heard, Sound};
use super::super::truth::{Canary, CanaryState, CanaryTruth};
use super::{Case, Channel};

/// The longest pause between rings, and the minute that a storm may add.
const OTHERS: Duration = Duration::from_mins(16);

/// The first of an incident: at once, but for the network's time; with `needs` it may wait for what explains it.
const FIRST: Duration = Duration::from_secs(5);
const FIRST_WITH_NEEDS: Duration = Duration::from_secs(65);

/// A channel or a process that comes back is told within this time more.
const COMES_BACK: Duration = Duration::from_secs(75);

/// A canary that fails, and since when somebody ought to know.
struct Owed<'a> {
    name: &'a str,
    canary: &'a Canary,
    known: &'a CanaryTruth,
    from: Duration,
    until: Duration,
}

/// Holds until `end`. A canary that something else may have explained meanwhile is judged by the fourth alone.
pub(in super::super) fn tells_in_time(case: &Case, end: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, canary) in &case.truth.canaries {
        for owed in owed(name, canary, end) {
            if case.may_be_explained(canary, owed.known.episode, owed.until) {
                continue;
            }
            wrong.extend(case.channels.iter().filter_map(|channel| late(case, channel, &owed)));
        }
    }
    wrong
}

/// The times in which a canary's episode ought to be told.
fn owed<'a>(name: &'a str, canary: &'a Canary, end: Duration) -> Vec<Owed<'a>> {
    let mut all: Vec<Owed<'a>> = Vec::new();
    for (at, known) in canary.all().iter().filter(|(at, _)| *at <= end) {
        let same = all
            .last()
            .is_some_and(|last| last.until == end && Some(last.from) == known.owed && known.state == CanaryState::Failing);
        if same && known.watched {
            continue;
        }
        if let Some(last) = all.last_mut().filter(|last| last.until == end) {
            last.until = *at;
        }
        if let Some(from) = known.owed.filter(|_| known.watched && known.state == CanaryState::Failing) {
            all.push(Owed { name, canary, known, from, until: end });
        }
    }
    all
}

fn late(case: &Case, channel: &Channel, owed: &Owed<'_>) -> Option<String> {
    let scope = format!("probe/{}", owed.canary.probe);
    let tells = |heard: &&Heard| {
        heard.sound == Sound::Rang
            && heard.scope == scope
            && heard.made >= owed.known.episode
            && (heard.tells(owed.name, owed.known.crossed.unwrap_or(owed.from)) || heard.tells_recovered(owed.name))
    };
    let told = case.log.heard(&channel.name).find(tells).map(|heard| heard.at);
    let by = told.unwrap_or(owed.until).min(owed.until);
    // Only what was owed without a break until it was told, or was over, can be late.
    let since = case.log.reachable_since(&channel.name, by)?;
    let before = case.log.reachable_since(&channel.name, owed.from);
    let needs = case.needs.iter().any(|(probe, _)| *probe == owed.canary.probe);
    let first = if needs { FIRST_WITH_NEEDS } else { FIRST };
    // Another one may have been the first.
    let was_open = case.log.open(&channel.name, by.min(owed.from + first)).values().any(|heard| heard.scope == scope);
    let allowed = if was_open { OTHERS } else { first } + case.late(channel);
    let begins = if before == Some(since) { owed.from } else { owed.from.max(since) + COMES_BACK };
    let waited = by.saturating_sub(begins);
    (waited > allowed && !case.log.acknowledged(&scope, owed.from, by)).then(|| {
        let heard = if told.is_some_and(|at| at <= owed.until) { "only then" } else { "not even then" };
        format!("{}: {} ought to be told from {:?} on; by {by:?} {heard} was it ({waited:?})", channel.name, owed.name, owed.from)
    })
}
