//! Sorts the members of an incident into groups, and names a group in a sentence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::fact::{FactKey, Objective};
use crate::alert::view::{MemberState, MemberView, View};
use crate::plan::{Cell, Probe};

use super::words::{count, line, list, some};

/// Regions, cells and names in one sentence.
pub(super) const NAMED: usize = 5;

/// Bytes of a single name.
pub(super) const NAME: usize = 100;

/// The members by what is said of them. Each is in one group.
#[derive(Debug, Default)]
pub(super) struct Sorted<'v> {
    /// They fail: those that somebody is at, too.
    pub(super) failing: Vec<&'v MemberView>,
    /// They are not settled, but their last counted run passed, so a message must not say that they fail.
    pub(super) passed: Vec<&'v MemberView>,
    /// They wait for what may explain them.
    pub(super) waiting: Vec<&'v MemberView>,
    /// Nobody is rung for them.
    pub(super) muted: Vec<&'v MemberView>,
    /// Others' failures explain them.
    pub(super) explained: Vec<&'v MemberView>,
    /// A run failed, and it is not known yet whether they fail.
    pub(super) suspect: Vec<&'v MemberView>,
    /// They are settled.
    pub(super) recovered: Vec<&'v MemberView>,
    /// They are not watched any more.
    pub(super) removed: Vec<&'v MemberView>,
    /// Somebody closed them.
    pub(super) closed: Vec<&'v MemberView>,
}

impl<'v> Sorted<'v> {
    pub(super) fn of(view: &'v View) -> Self {
        let mut sorted = Self::default();
        for member in &view.members {
            let group = match &member.state {
                MemberState::Failing | MemberState::Acknowledged(_) if has_passed(member) => &mut sorted.passed,
                MemberState::Failing | MemberState::Acknowledged(_) => &mut sorted.failing,
                MemberState::Suspect => &mut sorted.suspect,
                MemberState::Muted(_) => &mut sorted.muted,
                MemberState::Explained(_) => &mut sorted.explained,
                MemberState::Waiting(_) => &mut sorted.waiting,
                MemberState::Recovered(_) => &mut sorted.recovered,
                MemberState::Removed => &mut sorted.removed,
                MemberState::Closed => &mut sorted.closed,
            };
            group.push(member);
        }
        sorted
    }

    /// Every member, those that fail first.
    pub(super) fn all(&self) -> impl Iterator<Item = &'v MemberView> {
        let groups = [
            &self.failing,
            &self.passed,
            &self.waiting,
            &self.suspect,
            &self.muted,
            &self.explained,
            &self.recovered,
            &self.removed,
            &self.closed,
        ];
        groups.into_iter().flatten().copied()
    }

    /// All that have been failing: what an end is about.
    pub(super) fn past(&self) -> Vec<&'v MemberView> {
        self.all().filter(|member| member.state != MemberState::Suspect).collect()
    }
}

/// Whether its last counted run passed though its rule is still crossed; never for K of N.
fn has_passed(member: &MemberView) -> bool {
    let fact = &member.fact;
    let by_runs = matches!(fact.key, FactKey::Canary(_) | FactKey::Subject(..));
    by_runs && fact.of == 0 && fact.last.is_some_and(|last| !last.failed)
}

/// The regions that members are in, in the order in which they began.
pub(super) fn regions(members: &[&MemberView]) -> Vec<Arc<str>> {
    let mut since: BTreeMap<&Arc<str>, Duration> = BTreeMap::new();
    for member in members {
        for region in regions_of(member) {
            let began = since.entry(region).or_insert(member.fact.since);
            *began = member.fact.since.min(*began);
        }
    }
    let mut regions: Vec<(Duration, &Arc<str>)> = since.into_iter().map(|(region, since)| (since, region)).collect();
    regions.sort();
    regions.into_iter().map(|(_, region)| Arc::clone(region)).collect()
}

/// The regions of one member: its own, or of canaries that fail together those whose share reaches the rule's.
pub(super) fn regions_of(member: &MemberView) -> Vec<&Arc<str>> {
    let fact = &member.fact;
    match &fact.key {
        FactKey::Across(_) => {
            let any = fact.shares.values().any(|share| share.reaches);
            let counts = |share: &crate::alert::fact::Share| if any { share.reaches } else { share.failed > 0 };
            fact.shares.iter().filter(|(_, share)| counts(share)).map(|(region, _)| region).collect()
        }
        FactKey::Region(region) => vec![region],
        FactKey::Canary(_)
        | FactKey::Objective(..)
        | FactKey::Subject(..)
        | FactKey::OtherSubjects(_)
        | FactKey::NoData(_)
        | FactKey::Leak(..)
        | FactKey::Restarts(_)
        | FactKey::Channel(_) => (!fact.region.is_empty()).then_some(&fact.region).into_iter().collect(),
    }
}

/// Only the canaries among them.
pub(super) fn canaries<'v>(members: &[&'v MemberView]) -> Vec<&'v MemberView> {
    let is_canary = |member: &&&MemberView| matches!(member.fact.key, FactKey::Canary(_) | FactKey::NoData(_));
    members.iter().filter(is_canary).copied().collect()
}

/// What members are called in the middle of a sentence: `2 canaries in us`, `platform=ios in eu`, `seg-1 and seg-2`.
pub(super) fn called(members: &[&MemberView]) -> String {
    let canaries = canaries(members);
    let mut parts = Vec::new();
    match canaries.as_slice() {
        [] => {}
        [one] => parts.push(one_canary(one)),
        many => parts.push(format!("{}{}", count(many.len(), "canary", "canaries"), within(&regions(many)))),
    }
    let rest: BTreeSet<String> = members
        .iter()
        .filter(|member| !matches!(member.fact.key, FactKey::Canary(_) | FactKey::NoData(_)))
        .map(|member| name(member))
        .collect();
    let rest: Vec<String> = rest.into_iter().collect();
    if !rest.is_empty() {
        parts.push(some(&rest, NAMED));
    }
    parts.join(" and ")
}

/// ` in eu, us and ap`.
pub(super) fn within(regions: &[Arc<str>]) -> String {
    if regions.is_empty() {
        return String::new();
    }
    let names: Vec<String> = regions.iter().map(|region| line(region, NAME)).collect();
    format!(" in {}", some(&names, NAMED))
}

fn one_canary(member: &MemberView) -> String {
    let (region, cell) = (line(&member.fact.region, NAME), line(&member.fact.cell, NAME));
    match (region.is_empty(), cell.is_empty()) {
        (false, false) => format!("{cell} in {region}"),
        (false, true) => format!("1 canary in {region}"),
        (true, false) => cell,
        (true, true) => line(&member.fact.key.to_string(), NAME),
    }
}

/// What one member is called.
fn name(member: &MemberView) -> String {
    match &member.fact.key {
        FactKey::Canary(_) | FactKey::NoData(_) => one_canary(member),
        FactKey::Across(_) => "the canaries together".to_owned(),
        FactKey::Objective(_, objective) => objective_name(*objective).to_owned(),
        FactKey::Subject(_, subject) => line(subject, NAME),
        FactKey::OtherSubjects(_) => "the further subjects".to_owned(),
        FactKey::Leak(_, entry) => format!("entry {}", line(entry, NAME)),
        FactKey::Region(name) | FactKey::Restarts(name) | FactKey::Channel(name) => line(name, NAME),
    }
}

/// What an objective is called in a sentence.
fn objective_name(objective: Objective) -> &'static str {
    match objective {
        Objective::BurnRate => "the error budget",
        Objective::Latency => "the latency objective",
        Objective::Degraded => "the share of degraded runs",
    }
}

/// Matrix values that these canaries have in common and not all of the probe's have, such as `platform=ios`.
pub(super) fn common(members: &[&MemberView], probe: Option<&Probe>) -> Vec<(Arc<str>, String)> {
    let Some(probe) = probe else { return Vec::new() };
    let names: BTreeSet<&str> = members.iter().map(|member| &*member.fact.cell).collect();
    let cells: Vec<&Cell> = probe.cells.iter().map(AsRef::as_ref).filter(|cell| names.contains(&*cell.to_string())).collect();
    let Some(first) = cells.first().filter(|_| cells.len() == names.len()) else { return Vec::new() };
    let shared = first.0.iter().filter(|(key, value)| {
        let has = |cell: &Cell| cell.get(key) == Some(value);
        cells.iter().all(|cell| has(cell)) && !probe.cells.iter().all(|cell| has(cell))
    });
    shared.map(|(key, value)| (Arc::clone(key), line(&value.to_string(), NAME))).collect()
}

/// ` (expectation)` or ` (guard 8, secret 1)`: the closed words, without numbers where there is only one.
pub(super) fn why(members: &[&MemberView]) -> String {
    let words = reasons(members);
    match words.split_once(' ') {
        None => String::new(),
        Some((word, count)) if count == members.len().to_string() => format!(" ({word})"),
        Some(_) => format!(" ({words})"),
    }
}

/// `secret 9` or `guard 8, secret 1`: the closed words, the most frequent first.
pub(super) fn reasons<'m>(members: impl IntoIterator<Item = &'m &'m MemberView>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in members.into_iter().filter_map(|member| reason(member)) {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|(one, few), (other, many)| many.cmp(few).then(one.cmp(other)));
    let words: Vec<String> = counts.into_iter().map(|(word, count)| format!("{word} {count}")).collect();
    if words.len() > NAMED { words[..NAMED].join(", ") + ", …" } else { words.join(", ") }
}

/// The closed word of why a member fails or has no data.
pub(super) fn reason(member: &MemberView) -> Option<String> {
    let fact = &member.fact;
    let word = fact.reason.as_deref().or(fact.evidence.as_ref().map(|failure| failure.reason.as_str()))?;
    Some(line(word, 40)).filter(|word| !word.is_empty())
}

/// Names of probes, for a sentence.
pub(super) fn probes<'p>(names: impl Iterator<Item = &'p str>) -> String {
    let names: BTreeSet<String> = names.map(|name| line(name, NAME)).collect();
    let names: Vec<String> = names.into_iter().collect();
    if names.len() > NAMED + 1 { some(&names, NAMED) } else { list(&names) }
}
