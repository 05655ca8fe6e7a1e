//! The lines of a message for what does not fail or rings nobody, one for each kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::alert::fact::{Fact, FactKey};
use crate::alert::view::{Ended, MemberState, MemberView, MuteKind, Muted, View};

use super::failing::capped;
use super::group::{NAME, Sorted, called, probes};
use super::title::told;
use super::words::{clock, line, times};
use super::{Action, MOST};

/// Bytes of a line.
const LINE: usize = 300;

/// The lines of what is open, the most urgent first.
pub(super) fn open(view: &View, sorted: &Sorted<'_>, what: Action, alone: Option<Duration>, now: Moment) -> Vec<String> {
    let at = |time: Duration| clock(now.wall_ms_of(time), now.wall_ms());
    let mut lines: Vec<String> = alone.map(|since| said_alone(&at(since))).into_iter().collect();
    lines.extend(suspects(&sorted.suspect));
    let acknowledged = acknowledged(view, sorted, &at);
    // An acknowledgement message says it in its title already, unless only a part is acknowledged.
    let is_said =
        what == Action::Acknowledge && acknowledged.len() == 1 && sorted.failing.iter().all(|member| is_acknowledged(member));
    lines.extend(acknowledged.into_iter().filter(|_| !is_said));
    let title = told(sorted);
    let is_title = |group: &[&MemberView]| group.first().is_some_and(|one| title.iter().any(|other| std::ptr::eq(*one, *other)));
    if !sorted.passed.is_empty() && !is_title(&sorted.passed) {
        lines.push(format!("passed its latest run and is not settled yet: {}", called(&sorted.passed)));
    }
    if !sorted.waiting.is_empty() {
        lines.push(format!("may be explained by what it needs, which is being looked at: {}", called(&sorted.waiting)));
    }
    lines.extend(muted(&sorted.muted, &at));
    lines.extend(explained(&sorted.explained));
    lines.extend(also_explained(&view.explains));
    lines.extend(without_data(view, &at));
    lines.extend(well(sorted, &at));
    lines.extend(gone(&sorted.removed));
    lines.extend(closed(&sorted.closed));
    bounded(lines)
}

/// Who reads it must know that another process may tell of the same, and that this one knows of its own region alone.
fn said_alone(since: &str) -> String {
    format!(
        "this process has not reached its fleet since {since} and tells of its own region alone; another one may be paging, too"
    )
}

/// The lines of an end: members that did not end as its title says.
pub(super) fn ended(sorted: &Sorted<'_>, how: &Ended, now: Moment) -> Vec<String> {
    let at = |time: Duration| clock(now.wall_ms_of(time), now.wall_ms());
    let (well, gone, closed) = (well(sorted, &at), gone(&sorted.removed), closed(&sorted.closed));
    let lines = match how {
        Ended::Well => [gone, closed],
        Ended::Unwatched => [well, closed],
        Ended::Closed { .. } => [well, gone],
        // It is not over; the message of the other key says the rest.
        Ended::Continues(_) | Ended::WasWell { .. } => [None, None],
    };
    bounded(lines.into_iter().flatten().collect())
}

fn bounded(lines: Vec<String>) -> Vec<String> {
    capped(lines.into_iter().map(|text| line(&text, LINE)).collect(), MOST)
}

fn is_acknowledged(member: &MemberView) -> bool {
    matches!(member.state, MemberState::Acknowledged(_))
}

/// `failed once so far: 2 canaries in us`.
fn suspects(members: &[&MemberView]) -> Vec<String> {
    let mut by_count: BTreeMap<u32, Vec<&MemberView>> = BTreeMap::new();
    for member in members {
        by_count.entry(member.fact.failed.max(1)).or_default().push(member);
    }
    by_count.into_iter().map(|(failed, members)| format!("failed {} so far: {}", times(failed), called(&members))).collect()
}

/// `acknowledged by ann at 02:20:00 UTC ("on it"): 3 canaries in eu`.
fn acknowledged(view: &View, sorted: &Sorted<'_>, at: &impl Fn(Duration) -> String) -> Vec<String> {
    let mut by_name: BTreeMap<&Arc<str>, Vec<&MemberView>> = BTreeMap::new();
    for member in sorted.failing.iter().chain(&sorted.passed) {
        if let MemberState::Acknowledged(by) = &member.state {
            by_name.entry(by).or_default().push(member);
        }
    }
    let lines = by_name.into_iter().map(|(by, members)| {
        let known = view.acknowledged.iter().rev().find(|acknowledged| acknowledged.by == *by);
        let when = known.map(|known| format!(" at {}", at(known.at))).unwrap_or_default();
        let why = known.and_then(|known| known.reason.as_deref()).map(|why| format!(" (\"{}\")", line(why, NAME)));
        format!("acknowledged by {}{when}{}: {}", line(by, NAME), why.unwrap_or_default(), called(&members))
    });
    lines.collect()
}

/// `muted, rings nobody: 3 canaries in us, paused by bob until 04:00:00 UTC ("deploy")`.
fn muted(members: &[&MemberView], at: &impl Fn(Duration) -> String) -> Vec<String> {
    // There are few, so a linear search will do.
    let mut by_why: Vec<(&Muted, Vec<&MemberView>)> = Vec::new();
    for member in members {
        let MemberState::Muted(why) = &member.state else { continue };
        match by_why.iter().position(|(known, _)| *known == why) {
            Some(at) => by_why[at].1.push(member),
            None => by_why.push((why, vec![member])),
        }
    }
    by_why.into_iter().map(|(why, members)| format!("muted, rings nobody: {}, {}", called(&members), mute(why, at))).collect()
}

fn mute(why: &Muted, at: &impl Fn(Duration) -> String) -> String {
    let what = match &why.why {
        MuteKind::Paused => "paused".to_owned(),
        MuteKind::Maintenance => "under maintenance".to_owned(),
        MuteKind::Reason(word) => format!("the reason {} is muted", line(word, NAME)),
        MuteKind::Subject => "the subject is muted".to_owned(),
    };
    let by = why.by.as_deref().map(|by| format!(" by {}", line(by, NAME))).unwrap_or_default();
    let until = match (why.until, &why.why) {
        (Some(until), _) => format!(" until {}", at(until)),
        (None, MuteKind::Maintenance) => String::new(),
        (None, _) => " until somebody ends that".to_owned(),
    };
    let because = why.because.as_deref().map(|because| format!(" (\"{}\")", line(because, NAME))).unwrap_or_default();
    format!("{what}{by}{until}{because}")
}

/// `explained by login: 3 canaries in eu`.
fn explained(members: &[&MemberView]) -> Vec<String> {
    let mut by_root: BTreeMap<&[Arc<str>], Vec<&MemberView>> = BTreeMap::new();
    for member in members {
        if let MemberState::Explained(roots) = &member.state {
            by_root.entry(roots).or_default().push(member);
        }
    }
    let lines = by_root.into_iter().map(|(roots, members)| match roots {
        [] => format!("explained by what else fails: {}", called(&members)),
        roots => format!("explained by {}: {}", probes(roots.iter().map(AsRef::as_ref)), called(&members)),
    });
    lines.collect()
}

/// `also explained by this: cart and search in eu`.
fn also_explained(facts: &[Fact]) -> Option<String> {
    let mut by_region: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for fact in facts {
        by_region.entry(&fact.region).or_default().extend(fact.key.probe());
    }
    // Regions where the same is explained are said together.
    let mut by_probes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (region, names) in by_region {
        by_probes.entry(probes(names.into_iter())).or_default().push(region);
    }
    let parts: Vec<String> = by_probes
        .into_iter()
        .map(|(probes, regions)| {
            let regions: Vec<Arc<str>> = regions.into_iter().filter(|region| !region.is_empty()).map(Arc::from).collect();
            format!("{probes}{}", super::group::within(&regions))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("also explained by this: {}", parts.join("; ")))
}

/// `no data since 02:15:00 UTC: 1 canary in eu; what is said of it was so until then`.
fn without_data(view: &View, at: &impl Fn(Duration) -> String) -> Option<String> {
    let members: Vec<&MemberView> =
        view.members.iter().filter(|member| member.without_data.is_some() && member.state.fails()).collect();
    let since = members.iter().filter_map(|member| member.without_data).min()?;
    Some(format!("no data since {}: {}; what is said of it was so until then", at(since), called(&members)))
}

/// `well again since 02:11:55 UTC: 3 canaries in eu`.
fn well(sorted: &Sorted<'_>, at: &impl Fn(Duration) -> String) -> Option<String> {
    let recovered = sorted.recovered.iter().filter_map(|member| match member.state {
        MemberState::Recovered(since) => Some(since),
        _ => None,
    });
    let is_data = sorted.recovered.iter().all(|member| matches!(member.fact.key, FactKey::NoData(_)));
    let what = if is_data { "with data again" } else { "well again" };
    recovered.max().map(|since| format!("{what} since {}: {}", at(since), called(&sorted.recovered)))
}

fn gone(members: &[&MemberView]) -> Option<String> {
    (!members.is_empty()).then(|| format!("not watched any more, and not known to be well: {}", called(members)))
}

fn closed(members: &[&MemberView]) -> Option<String> {
    (!members.is_empty()).then(|| format!("closed by hand, and not known to be well: {}", called(members)))
}
