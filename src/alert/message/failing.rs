//! The lines of a message for what fails: one for each region, objective, reason or entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Moment;
use crate::alert::Scope;
use crate::alert::fact::{FactKey, Objective, Share};
use crate::alert::view::{MemberView, View};
use crate::outcome::Reason;

use super::MOST;
use super::group::{NAME, NAMED, canaries, reason, regions, why, within};
use super::saying::MessageContext;
use super::title::{of_last_runs, range};
use super::words::{clock, count, line, some, thousands, times};

/// Bytes of a line.
const LINE: usize = 300;

/// The lines for these members, at most [`MOST`].
pub(super) fn lines(view: &View, members: &[&MemberView], context: &MessageContext<'_>, now: Moment) -> Vec<String> {
    let canaries = canaries(members);
    let mut lines = match &view.scope {
        Scope::NoData(_) => by_reason(view, &canaries),
        Scope::Blind(_) => [by_reason(view, &canaries), by_probe(&canaries, context)].concat(),
        _ => by_region(view, &canaries, now),
    };
    let others = members.iter().filter(|member| !matches!(member.fact.key, FactKey::Canary(_) | FactKey::NoData(_)));
    lines.extend(others.filter_map(|member| other(member, now)));
    let mut lines = capped(lines.into_iter().map(|text| line(&text, LINE)).collect(), MOST - 1);
    if let Scope::Leak(_) = view.scope {
        lines.push("`serinus sweep` tries again; `serinus sweep --forget ID` forgets what somebody has removed".to_owned());
    }
    lines
}

/// At most so many lines; the last one counts those that have no room.
pub(super) fn capped(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("and {} more", thousands(more)));
    }
    lines
}

fn by_region(view: &View, canaries: &[&MemberView], now: Moment) -> Vec<String> {
    let mut by_region: BTreeMap<&Arc<str>, Vec<&MemberView>> = BTreeMap::new();
    for member in canaries {
        by_region.entry(&member.fact.region).or_default().push(member);
    }
    regions(canaries).iter().filter_map(|region| Some(one_region(view, region, by_region.get(region)?, now))).collect()
}

/// `eu: 3 of 3 canaries since 02:10:04 UTC, 2 failed runs each (expectation)`, and which where not all of them fail.
fn one_region(view: &View, region: &Arc<str>, members: &[&MemberView], now: Moment) -> String {
    let watched = view.watched.get(region).copied().unwrap_or(0);
    let share = match watched {
        1 if members.len() == 1 => String::new(),
        watched if watched >= members.len() => {
            format!("{} of {} ", thousands(members.len()), count(watched, "canary", "canaries"))
        }
        _ => format!("{} ", count(members.len(), "canary", "canaries")),
    };
    let since = members.iter().map(|member| member.fact.since).min().unwrap_or_default();
    let since = clock(now.wall_ms_of(since), now.wall_ms());
    let runs = failed_runs(members).map(|runs| format!(", {runs}")).unwrap_or_default();
    // If all fail, they need not be named.
    let is_all = members.len() == watched && watched > 1;
    let named = members.iter().filter(|member| !is_all && !member.fact.cell.is_empty());
    let cells: BTreeSet<String> = named.map(|member| line(&member.fact.cell, NAME)).collect();
    let cells: Vec<String> = cells.into_iter().collect();
    let cells = if cells.is_empty() { String::new() } else { format!(": {}", some(&cells, NAMED)) };
    format!("{}: {share}since {since}{runs}{}{cells}", line(region, NAME), why(members))
}

/// `2 failed runs each`, or for K of N `4 to 6 of their last 10 runs failed`; nothing where nothing is counted.
fn failed_runs(members: &[&MemberView]) -> Option<String> {
    if let Some(runs) = of_last_runs(members) {
        return Some(runs);
    }
    let least = members.iter().map(|member| member.fact.failed).min().filter(|least| *least > 0)?;
    let most = members.iter().map(|member| member.fact.failed).max()?;
    let each = if members.len() > 1 { " each" } else { "" };
    Some(if (least, most) == (1, 1) {
        format!("1 failed run{each}")
    } else {
        format!("{} failed runs{each}", range(least, most))
    })
}

/// `secret, 9 canaries: a secret is missing …`.
fn by_reason(view: &View, canaries: &[&MemberView]) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<&MemberView>> = BTreeMap::new();
    for member in canaries {
        by_reason.entry(reason(member).unwrap_or_else(|| "unknown".to_owned())).or_default().push(member);
    }
    let mut groups: Vec<(String, Vec<&MemberView>)> = by_reason.into_iter().collect();
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let each = groups.into_iter().map(|(word, members)| {
        let place = if let Scope::Blind(_) = view.scope { String::new() } else { within(&regions(&members)) };
        let hint = what_to_do(&word).map(|hint| format!(": {hint}")).unwrap_or_default();
        format!("{word}, {}{place}{hint}", count(members.len(), "canary", "canaries"))
    });
    each.collect()
}

/// `cart: 3 canaries (secret), owner shop, https://…`, those with the most canaries first.
fn by_probe(canaries: &[&MemberView], context: &MessageContext<'_>) -> Vec<String> {
    let mut by_probe: BTreeMap<&str, Vec<&MemberView>> = BTreeMap::new();
    for member in canaries {
        by_probe.entry(member.fact.key.probe().unwrap_or_default()).or_default().push(member);
    }
    let mut groups: Vec<(&str, Vec<&MemberView>)> = by_probe.into_iter().collect();
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let each = groups.into_iter().map(|(name, members)| {
        let probe = context.probes.and_then(|probes| probes.get(name));
        let owner = probe.and_then(|probe| probe.owner.as_deref()).map(|owner| format!(", owner {}", line(owner, NAME)));
        let runbook = probe.and_then(|probe| probe.runbook.as_ref()?.url()).map(|runbook| format!(", {}", line(runbook, 200)));
        let canaries = count(members.len(), "canary", "canaries");
        format!("{}: {canaries}{}{}{}", line(name, NAME), why(&members), owner.unwrap_or_default(), runbook.unwrap_or_default())
    });
    each.collect()
}

/// What somebody can do about ticks without a counted run, by their reason.
fn what_to_do(word: &str) -> Option<&'static str> {
    match word.parse::<Reason>().ok()? {
        Reason::Guard => Some("a guard said no; see the guards of the probe and what they look at"),
        Reason::Secret => Some("a secret is missing or unreadable; `serinus status` names it"),
        Reason::SelfCheck => Some("the prober's own network is down; see its [self_check] endpoints"),
        Reason::Stall | Reason::Resources | Reason::Overload => {
            Some("the prober has too little CPU, memory or files for what it runs")
        }
        Reason::Overlap => Some("runs take longer than their interval; see the probe's deadline and `every`"),
        Reason::Slept => Some("the prober's machine slept or stood still"),
        Reason::Down | Reason::Crashed | Reason::Shutdown => Some("the prober was not running; see its log"),
        Reason::Internal => Some("a defect of the prober; see its log"),
        Reason::Expectation
        | Reason::NotEvaluable
        | Reason::Empty
        | Reason::Subject
        | Reason::Contract
        | Reason::Deadline
        | Reason::Timeout
        | Reason::Dns
        | Reason::Connect
        | Reason::Tls
        | Reason::Protocol
        | Reason::Redirects
        | Reason::ResponseTooLarge
        | Reason::Maintenance
        | Reason::Paused => None,
    }
}

/// The line of a member that is no canary.
fn other(member: &MemberView, now: Moment) -> Option<String> {
    let fact = &member.fact;
    let since = clock(now.wall_ms_of(fact.since), now.wall_ms());
    let words = fact.words.as_deref().map(|words| line(words, LINE));
    match &fact.key {
        FactKey::Canary(_) | FactKey::NoData(_) => None,
        FactKey::Across(_) => Some(across(member, words)),
        FactKey::Objective(_, objective) => {
            let words = words.unwrap_or_else(|| match objective {
                Objective::BurnRate => format!("its error budget burns too fast since {since}"),
                Objective::Latency => format!("it is slower than its objective since {since}"),
                Objective::Degraded => format!("it is degraded more often than it may be since {since}"),
            });
            Some(format!("{words}{}", shares(member)))
        }
        FactKey::Subject(..) => {
            let runs = if fact.failed > 0 { format!(", failed {}", times(fact.failed)) } else { String::new() };
            Some(format!("since {since}{runs}{}", words.map(|words| format!("; {words}")).unwrap_or_default()))
        }
        FactKey::OtherSubjects(_) => Some(words.unwrap_or_else(|| format!("further subjects fail since {since}"))),
        FactKey::Region(_) => Some(words.unwrap_or_else(|| {
            format!("no process has spoken for it since {since}; see whether its process runs and reaches the store")
        })),
        FactKey::Leak(_, entry) => {
            let words = words.map(|words| format!(": {words}")).unwrap_or_default();
            Some(format!("{} since {since}{words}", line(entry, NAME)))
        }
        FactKey::Restarts(_) => {
            Some(words.unwrap_or_else(|| format!("three starts without a finished run since {since}; see its log")))
        }
        FactKey::Channel(_) => Some(words.unwrap_or_else(|| format!("it has taken nothing since {since}"))),
    }
}

/// `all canaries together: 12 of the last 40 runs failed (eu 8 of 20, us 4 of 20)`.
fn across(member: &MemberView, words: Option<String>) -> String {
    let sum = |of: fn(&Share) -> u32| member.fact.shares.values().map(of).fold(0_u32, u32::saturating_add);
    let (failed, counted) = (sum(|share| share.failed), sum(|share| share.counted));
    let words = words.unwrap_or_else(|| format!("{failed} of the last {counted} runs failed"));
    format!("all canaries together: {words}{}", shares(member))
}

/// ` (eu 8 of 20, us 4 of 20)`: failed and counted runs by region.
fn shares(member: &MemberView) -> String {
    let failed = member.fact.shares.iter().filter(|(_, share)| share.failed > 0);
    let each: Vec<String> =
        failed.map(|(region, share)| format!("{} {} of {}", line(region, NAME), share.failed, share.counted)).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", some(&each, MOST / 2)) }
}
