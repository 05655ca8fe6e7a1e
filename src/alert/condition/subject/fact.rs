//! Facts of subjects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{SubjectScope, Subjects};
use crate::alert::condition::evidence::subject_name;
use crate::alert::condition::runs::Track;
use crate::alert::fact::{LastRun, Level, Share};
use crate::alert::{Fact, FactKey, Scope, State};
use crate::plan::CanaryId;

/// Most regions and cells that are named.
const NAMED: usize = 5;

impl Subjects {
    /// The key of a subject, or of those that are not told apart.
    pub(super) fn key(&self, name: Option<&Arc<str>>) -> FactKey {
        let probe = Arc::clone(&self.probe.name);
        match name {
            Some(name) => FactKey::Subject(probe, subject_name(name)),
            None => FactKey::OtherSubjects(probe),
        }
    }

    /// The fact of a subject; `None` stands for those that are not told apart.
    pub(super) fn fact(&self, name: Option<&Arc<str>>) -> Fact {
        let (key, probe) = (self.key(name), Arc::clone(&self.probe.name));
        let Some(subject) = self.subject(name) else { return Fact::well(key, Scope::Subjects(probe)) };
        // Its scope is decided when it fails.
        let place = subject.scope.unwrap_or(SubjectScope::Own);
        let scope = match (&key, place) {
            (FactKey::Subject(_, name), SubjectScope::Own) => Scope::Subject(probe, Arc::clone(name)),
            _ => Scope::Subjects(probe),
        };
        let seers = || subject.tracks.iter().filter(|(_, track)| !track.is_well());
        let (regions, cells) = counted(seers().map(|(canary, _)| super::super::region_and_cell(canary)));
        let of_all = |time: fn(&Track) -> Option<Duration>| seers().filter_map(move |(_, track)| time(track));
        let last = seers().filter_map(|(_, track)| track.last()).max_by_key(|last: &LastRun| last.started);
        let evidence = subject.failure.as_ref().map(|(_, failure)| Arc::clone(failure));
        Fact {
            state: subject.state(&self.probe),
            since: of_all(Track::since).min().or(last.map(|last| last.started)).unwrap_or_default(),
            region: only(&regions),
            cell: only(&cells),
            interval: self.rule.interval,
            failed: seers().fold(0, |sum: u32, (_, track)| sum.saturating_add(track.failed())),
            last,
            last_failed: of_all(Track::last_failed).max(),
            reason: evidence.as_ref().map(|failure| failure.reason.as_str().into()),
            evidence,
            shares: shares(seers()),
            words: self.words(name, &regions, &cells),
            ..Fact::well(key, scope)
        }
    }

    /// Where it was seen to fail.
    fn words(&self, name: Option<&Arc<str>>, regions: &BTreeMap<&str, usize>, cells: &BTreeMap<&str, usize>) -> Option<Arc<str>> {
        if regions.is_empty() {
            return None;
        }
        let named = |of: &BTreeMap<&str, usize>| {
            let shown: Vec<&str> = of.keys().copied().filter(|name| !name.is_empty()).take(NAMED).collect();
            let more = of.len().saturating_sub(NAMED);
            if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
        };
        let (regions, cells) = (named(regions), named(cells));
        let cells = if cells.is_empty() { String::new() } else { format!(" by {cells}") };
        let untold = self.lists.values().map(|list| list.untold).max().unwrap_or(0);
        let which = if name.is_none() { format!("of {untold} subjects that are not told apart, ") } else { String::new() };
        Some(format!("{which}seen in {regions}{cells}").into())
    }
}

/// Failed and counted runs by region. A region reaches the rule while a subject fails for one of its canaries or failed in its
/// last run.
fn shares<'a>(seers: impl Iterator<Item = (&'a CanaryId, &'a Track)>) -> BTreeMap<Arc<str>, Share> {
    let mut shares: BTreeMap<Arc<str>, Share> = BTreeMap::new();
    for (canary, track) in seers {
        let (region, _) = super::super::region_and_cell(canary);
        let share = shares.entry(region.into()).or_default();
        share.failed = share.failed.saturating_add(track.failed());
        share.counted = share.counted.saturating_add(track.runs());
        let fails = matches!(track.state(Level::Page), State::Failing(_));
        share.reaches |= fails || track.last().is_some_and(|last| last.failed);
    }
    shares
}

/// How many there are of each region and of each cell.
fn counted<'a>(places: impl Iterator<Item = (&'a str, &'a str)>) -> (BTreeMap<&'a str, usize>, BTreeMap<&'a str, usize>) {
    let (mut regions, mut cells) = (BTreeMap::new(), BTreeMap::new());
    for (region, cell) in places {
        *regions.entry(region).or_default() += 1;
        *cells.entry(cell).or_default() += 1;
    }
    (regions, cells)
}

/// The only one, or nothing.
fn only(names: &BTreeMap<&str, usize>) -> Arc<str> {
    match (names.len(), names.keys().next()) {
        (1, Some(name)) => Arc::from(*name),
        _ => Arc::from(""),
    }
}
