//! What fails, a line for each region, objective, reason or entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alert::Moment;
use crate::alert::Scope;
use crate::alert::fact::FactKey;
use crate::alert::view::{MemberView, View};
use crate::outcome::Reason;

use super::MOST;
use super::group::{NAME, NAMED, canaries, objective_name, probes, reason, reasons, regions, within};
use super::title::{of_last_runs, range};
use super::words::{clock, count, line, some, thousands, times};

/// Bytes of a line.
const LINE: usize = 400;

/// The lines for these members, at most [`MOST`].
pub(super) fn lines(view: &View, members: &[&MemberView], now: Moment) -> Vec<String> {
    let canaries = canaries(members);
    let mut lines = match &view.scope {
        Scope::NoData(_) | Scope::Blind(_) => by_reason(view, &canaries),
        _ => by_region(view, &canaries, now),
    };
    let others = members.iter().filter(|member| !matches!(member.fact.key, FactKey::Canary(_) | FactKey::NoData(_)));
    lines.extend(others.filter_map(|member| other(member, now)));
    capped(lines.into_iter().map(|text| line(&text, LINE)).collect(), MOST)
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

/// `eu: 3 of 3 canaries since 02:10:04 UTC, 2 failed runs each (expectation 3): platform=android, platform=ios and platform=web`.
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
    let reasons = reasons(members);
    let reasons = if reasons.is_empty() { reasons } else { format!(" ({reasons})") };
    let cells: BTreeSet<String> =
        members.iter().filter(|member| !member.fact.cell.is_empty()).map(|member| line(&member.fact.cell, NAME)).collect();
    let cells: Vec<String> = cells.into_iter().collect();
    let cells = if cells.is_empty() { String::new() } else { format!(": {}", some(&cells, NAMED)) };
    format!("{}: {share}since {since}{runs}{reasons}{cells}", line(region, NAME))
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

/// `secret, 9 canaries of cart and search: a secret is missing …`.
fn by_reason(view: &View, canaries: &[&MemberView]) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<&MemberView>> = BTreeMap::new();
    for member in canaries {
        by_reason.entry(reason(member).unwrap_or_else(|| "unknown".to_owned())).or_default().push(member);
    }
    let mut groups: Vec<(String, Vec<&MemberView>)> = by_reason.into_iter().collect();
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let each = groups.into_iter().map(|(word, members)| {
        let place = match view.scope {
            Scope::Blind(_) => format!(" of {}", probes(members.iter().filter_map(|member| member.fact.key.probe()))),
            _ => within(&regions(&members)),
        };
        let hint = what_to_do(&word).map(|hint| format!(": {hint}")).unwrap_or_default();
        format!("{word}, {}{place}{hint}", count(members.len(), "canary", "canaries"))
    });
    each.collect()
}

/// What somebody can do about ticks without a counted run, by their reason.
fn what_to_do(word: &str) -> Option<&'static str> {
    let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == word)?;
    match reason {
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

/// The line of what is no canary.
fn other(member: &MemberView, now: Moment) -> Option<String> {
    let fact = &member.fact;
    let since = clock(now.wall_ms_of(fact.since), now.wall_ms());
    let words = fact.words.as_deref().map(|words| line(words, LINE));
    match &fact.key {
        FactKey::Canary(_) | FactKey::NoData(_) => None,
        FactKey::Across(_) => Some(across(member, words)),
        FactKey::Objective(_, objective) => {
            Some(format!("{}: {}", objective_name(*objective), words.unwrap_or_else(|| format!("not kept since {since}"))))
        }
        FactKey::Subject(_, subject) => {
            let runs = if fact.failed > 0 { format!(", failed {}", times(fact.failed)) } else { String::new() };
            Some(format!(
                "{}: since {since}{runs}{}",
                line(subject, NAME),
                words.map(|words| format!("; {words}")).unwrap_or_default()
            ))
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

/// `the canaries together: 12 of the last 40 runs failed (eu 8 of 20, us 4 of 20)`.
fn across(member: &MemberView, words: Option<String>) -> String {
    let shares = &member.fact.shares;
    let (failed, counted) = shares.values().fold((0, 0), |sum, share| (sum.0 + share.failed, sum.1 + share.counted));
    let each: Vec<String> = shares
        .iter()
        .filter(|(_, share)| share.failed > 0)
        .map(|(region, share)| format!("{} {} of {}", line(region, NAME), share.failed, share.counted))
        .collect();
    let each = if each.is_empty() { String::new() } else { format!(" ({})", some(&each, MOST / 2)) };
    let words = words.map(|words| format!("; {words}")).unwrap_or_default();
    format!("all canaries together: {failed} of the last {counted} runs failed{each}{words}")
}
