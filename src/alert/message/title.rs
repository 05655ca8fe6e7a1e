//! The title of a message: what fails and for whom, or which end it is and after how long.
//!
//! The severity is not in it: that is a field of every channel's own, and is said once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::Moment;
use crate::alert::Scope;
use crate::alert::fact::{FactKey, Objective, Share};
use crate::alert::view::{End, Ended, MemberView, View};

use super::group::{NAME, Sorted, canaries, common, reasons, regions, within};
use super::saying::Flapped;
use super::words::{clock, count, lasting, line, thousands};

/// Bytes of a title.
pub(super) const TITLE: usize = 250;

/// The title of what is open.
pub(super) fn open(view: &View, sorted: &Sorted<'_>, flapped: Option<Flapped>, now: Moment) -> String {
    let told = told(sorted);
    let what = match &view.scope {
        Scope::Probe(probe) => of_probe(probe, view, sorted, &told, flapped),
        Scope::Subject(probe, subject) => {
            let fails = if sorted.failing.is_empty() { "failed, and passed since" } else { "fails" };
            format!("{}: subject {} {fails}{}", line(probe, NAME), line(subject, NAME), muted(sorted))
        }
        Scope::Subjects(probe) => format!("{} fails for further subjects, more than are told apart", line(probe, NAME)),
        Scope::NoData(probe) => {
            format!("{} has no data{}{}", line(probe, NAME), in_some(view, &told), share(view, &told, true))
        }
        Scope::Blind(region) => blind(region, view, &told, now),
        Scope::Leak(probe) => {
            let entries = count(told.len(), "entry", "entries");
            format!("{} left test data behind that cannot be removed: {entries}", line(probe, NAME))
        }
        Scope::Restarts(process) => format!("the prober in {} starts again and again", line(process, NAME)),
        Scope::Channel(name) => format!("the channel {} takes no messages", line(name, NAME)),
        Scope::Test => "this is a test, nothing is broken".to_owned(),
    };
    line(&what, TITLE)
}

/// The members that a title is about: those that fail, or the next likely ones if none does.
pub(super) fn told<'v>(sorted: &Sorted<'v>) -> Vec<&'v MemberView> {
    let groups = [&sorted.failing, &sorted.passed, &sorted.waiting];
    if let Some(group) = groups.into_iter().find(|group| !group.is_empty()) {
        return group.clone();
    }
    let quiet: Vec<_> = sorted.muted.iter().chain(&sorted.explained).copied().collect();
    if quiet.is_empty() { sorted.past() } else { quiet }
}

fn of_probe(probe: &str, view: &View, sorted: &Sorted<'_>, told: &[&MemberView], flapped: Option<Flapped>) -> String {
    let probe = line(probe, NAME);
    let canaries = canaries(told);
    let place = format!("{}{}", for_cell(view, &canaries), within(&regions(told)));
    let share = format!("{}{}", share(view, &canaries, false), muted(sorted));
    let whom = || format!("{place}{share}");
    if view.flapping {
        let runs = flapped.map(|flapped| {
            let (failed, counted) = (thousands(flapped.failed as usize), thousands(flapped.counted as usize));
            format!(": failed {failed} of {counted} runs in {}", minutes(flapped.within))
        });
        return format!("{probe} comes and goes{place}{}{share}", runs.unwrap_or_default());
    }
    if canaries.is_empty() {
        return without_canaries(&probe, told, &whom());
    }
    if sorted.failing.is_empty() && !sorted.passed.is_empty() {
        return format!("{probe} failed{}, and passed since", whom());
    }
    if let Some(together) = with_suspects(&probe, view, sorted, &canaries) {
        return together;
    }
    match of_last_runs(&canaries) {
        Some(runs) => format!("{probe}: {runs}{}", whom()),
        None if sorted.failing.is_empty()
            && sorted.waiting.is_empty()
            && sorted.muted.is_empty()
            && sorted.explained.is_empty() =>
        {
            format!("{probe} failed{}", whom())
        }
        None => format!("{probe} fails{}", whom()),
    }
}

/// `sale fails in us, and its last runs in ap and eu failed, too (9 of 9 canaries)`: a total outage is told whole at its first ring,
/// though most canaries are only suspect by then.
fn with_suspects(probe: &str, view: &View, sorted: &Sorted<'_>, failing: &[&MemberView]) -> Option<String> {
    let last_failed = |member: &&&MemberView| member.fact.last.is_some_and(|last| last.failed);
    let suspects: Vec<&MemberView> = sorted.suspect.iter().filter(last_failed).copied().collect();
    // With K of N the last run may have passed; then the title tells how many runs failed.
    let passed = failing.iter().any(|member| member.fact.last.is_some_and(|last| !last.failed));
    if suspects.is_empty() || sorted.failing.is_empty() || passed {
        return None;
    }
    let all: Vec<&MemberView> = failing.iter().chain(&suspects).copied().collect();
    let failed = regions(failing);
    let others: Vec<Arc<str>> = regions(&suspects).into_iter().filter(|region| !failed.contains(region)).collect();
    let share = share(view, &all, false);
    let place = format!("{}{}", for_cell(view, &all), within(&failed));
    Some(if others.is_empty() {
        format!("{probe} fails{place}{share}")
    } else {
        format!("{probe} fails{place}, and its last runs{} failed, too{share}", within(&others))
    })
}

/// What fails is the canaries together, or an objective.
fn without_canaries(probe: &str, told: &[&MemberView], whom: &str) -> String {
    let across = told.iter().find(|member| matches!(member.fact.key, FactKey::Across(_)));
    if let Some(across) = across {
        let shares = &across.fact.shares;
        let sum = |of: fn(&Share) -> u32| shares.values().map(of).fold(0_u32, u32::saturating_add);
        let (failed, counted) = (sum(|share| share.failed), sum(|share| share.counted));
        // All regions with failures, even if only some reach the rule's share.
        let regions: Vec<Arc<str>> =
            shares.iter().filter(|(_, share)| share.failed > 0).map(|(region, _)| Arc::clone(region)).collect();
        return match counted {
            0 => format!("{probe}: too many of its runs failed{whom}"),
            counted => format!("{probe}: {failed} of its last {counted} runs failed{}", within(&regions)),
        };
    }
    let words: BTreeSet<&str> = told.iter().filter_map(|member| member.fact.words.as_deref()).collect();
    let objectives = told.iter().filter_map(|member| match member.fact.key {
        FactKey::Objective(_, objective) => Some(objective),
        _ => None,
    });
    match (words.first(), objectives.min_by_key(|objective| *objective as u8)) {
        (Some(words), Some(_)) if told.len() == 1 => format!("{probe}: {}", line(words, TITLE)),
        (_, Some(Objective::BurnRate)) => format!("{probe} burns its error budget too fast"),
        (_, Some(Objective::Latency)) => format!("{probe} is slower than its objective"),
        (_, Some(Objective::Degraded)) => format!("{probe} is degraded more often than it may be"),
        (_, None) => format!("{probe} fails{whom}"),
    }
}

/// `6 of its last 9 runs failed`, or of several canaries together `15 of the last 27 runs failed`, where the rule is K of N; nothing
/// where one of them has another rule.
pub(super) fn of_last_runs(canaries: &[&MemberView]) -> Option<String> {
    let of_window = |member: &&&MemberView| member.fact.of > 0 && member.fact.failed <= member.fact.of;
    if canaries.is_empty() || !canaries.iter().all(|member| of_window(&member)) {
        return None;
    }
    let sum = |of: fn(&MemberView) -> u32| canaries.iter().map(|member| of(member)).fold(0_u32, u32::saturating_add);
    let (failed, of) = (sum(|member| member.fact.failed), sum(|member| member.fact.of));
    let (failed, of) = (thousands(failed as usize), thousands(of as usize));
    let whose = if canaries.len() == 1 { "its" } else { "the" };
    Some(format!("{failed} of {whose} last {of} runs failed"))
}

pub(super) fn range(least: u32, most: u32) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

fn blind(region: &str, view: &View, told: &[&MemberView], now: Moment) -> String {
    let region_name = line(region, NAME);
    if let Some(silent) = told.iter().find(|member| matches!(member.fact.key, FactKey::Region(_))) {
        let silence = now.steady.saturating_sub(silent.fact.since);
        return format!("{region_name} is not probed: no process has spoken for it for {}", lasting(silence));
    }
    let canaries = canaries(told);
    let watched = view.watched.get(region).copied().unwrap_or(0);
    if canaries.len() * 2 > watched {
        return format!("{region_name} is not probed{}", share(view, &canaries, true));
    }
    let probes: BTreeSet<&str> = canaries.iter().filter_map(|member| member.fact.key.probe()).collect();
    let reasons = reasons(&canaries);
    let reasons = if reasons.is_empty() { reasons } else { format!(" ({reasons})") };
    format!("{} in {region_name} are without data{reasons}", count(probes.len(), "probe", "probes"))
}

/// `: 9 of 9 canaries (secret 9)` or ` (9 of 9 canaries)`.
fn share(view: &View, canaries: &[&MemberView], with_reasons: bool) -> String {
    if canaries.is_empty() {
        return String::new();
    }
    let watched: usize = view.watched.values().sum();
    let share = match watched {
        1 if canaries.len() == 1 && !with_reasons => return String::new(),
        watched if watched >= canaries.len() => {
            format!("{} of {}", thousands(canaries.len()), count(watched, "canary", "canaries"))
        }
        _ => count(canaries.len(), "canary", "canaries"),
    };
    let reasons = reasons(canaries);
    match (with_reasons, reasons.is_empty()) {
        (true, false) => format!(": {share} ({reasons})"),
        (true, true) => format!(": {share}"),
        (false, _) => format!(" ({share})"),
    }
}

/// ` in eu` where not every region is in it.
fn in_some(view: &View, told: &[&MemberView]) -> String {
    let regions = regions(told);
    if regions.len() < view.watched.len() { within(&regions) } else { String::new() }
}

/// ` for platform=ios`.
fn for_cell(view: &View, canaries: &[&MemberView]) -> String {
    let common = common(canaries, view.probe.as_deref());
    let values: Vec<String> = common.iter().map(|(key, value)| format!("{}={value}", line(key, NAME))).collect();
    if values.is_empty() { String::new() } else { format!(" for {}", values.join(", ")) }
}

fn muted(sorted: &Sorted<'_>) -> &'static str {
    let loud = sorted.failing.len() + sorted.passed.len() + sorted.waiting.len();
    match (loud, sorted.muted.is_empty(), sorted.explained.is_empty()) {
        (0, false, _) => ", muted",
        (0, true, false) => ", explained",
        _ => "",
    }
}

fn minutes(within: std::time::Duration) -> String {
    match within.as_secs() {
        seconds if seconds.is_multiple_of(60) && seconds <= 7_200 => {
            count(usize::try_from(seconds / 60).unwrap_or(0), "minute", "minutes")
        }
        _ => lasting(within),
    }
}

/// The title of an end.
pub(super) fn ended(view: &View, sorted: &Sorted<'_>, end: &End, now: Moment) -> String {
    let after = lasting(end.at.saturating_sub(view.since));
    let (subject, again, failed) = names(view);
    let now_ms = now.wall_ms();
    let when = |time| clock(now.wall_ms_of(time), now_ms);
    let text = match &end.how {
        Ended::Well => {
            let whom = if sorted.removed.is_empty() && sorted.closed.is_empty() {
                whom_past(view, &sorted.past())
            } else {
                whom_past(view, &sorted.recovered)
            };
            format!("{subject} {again} after {after}{whom}")
        }
        Ended::Unwatched => {
            format!("{subject} is not watched any more (removed or disabled); {failed} for {after}, and is not known to be well")
        }
        Ended::Closed { by, why } => {
            let why = if why.is_empty() { String::new() } else { format!(": {}", line(why, NAME)) };
            format!("{subject} was closed by {} after {after}{why}", line(by, NAME))
        }
        Ended::Continues(key) => format!("{subject} is not well: it continues as {}", line(key, NAME)),
        Ended::WasWell { until, key } => {
            format!("{subject} was well from {} to {} and fails again: see {}", when(end.at), when(*until), line(key, NAME))
        }
    };
    line(&text, TITLE)
}

/// The subject of an end's title, its words for being well again, and its words for what it did before.
fn names(view: &View) -> (String, &'static str, &'static str) {
    let named = |name: &Arc<str>| line(name, NAME);
    match &view.scope {
        Scope::Probe(probe) => (named(probe), "is well again", "it failed"),
        Scope::Subject(probe, subject) => (format!("{}: subject {}", named(probe), named(subject)), "is well again", "it failed"),
        Scope::Subjects(probe) => (format!("{} for its further subjects", named(probe)), "is well again", "it failed"),
        Scope::NoData(probe) => (named(probe), "has data again", "it had none"),
        Scope::Blind(region) => (named(region), "is probed again", "it was not probed in full"),
        Scope::Leak(probe) => (format!("test data of {}", named(probe)), "was removed or forgotten", "it could not be removed"),
        Scope::Restarts(process) => (format!("the prober in {}", named(process)), "stays up again", "it started again and again"),
        Scope::Channel(name) => (format!("the channel {}", named(name)), "takes messages again or was changed", "it took none"),
        Scope::Test => ("the test".to_owned(), "is over", "it lasted"),
    }
}

/// `: it failed in eu and us (6 of 9 canaries)`.
fn whom_past(view: &View, past: &[&MemberView]) -> String {
    let Scope::Probe(_) = view.scope else { return String::new() };
    let (canaries, regions) = (canaries(past), regions(past));
    if regions.is_empty() {
        return String::new();
    }
    format!(": it failed{}{}{}", for_cell(view, &canaries), within(&regions), share(view, &canaries, false))
}
