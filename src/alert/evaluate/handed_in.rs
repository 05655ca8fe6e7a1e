//! What a region told while it was alone, handed in to whoever evaluates.
//!
//! A process that is alone writes beside its facts what channels took of each of its incidents. When the store answers again these rows
//! arrive with the facts, and before them: whoever evaluates takes over what is open at the channels, and rings nobody for what they
//! were told already. It writes down which version of a row it has taken over, and with that the process takes its row back. Where
//! nothing fails any more of what was told, whoever evaluates ends it.
//!
//! Owns both sides of that. A process that was alone and whose store keeps no facts, because it never reached that of its fleet, leaves
//! the rows as states in its journal, and the next process hands them in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::history::{FactRow, FactView, HANDED_IN, RestoredState, StateRow, TOLD_ALONE};
use crate::plan::Severity;

use super::super::incident::{Acknowledgement, Incident, Member, Told};
use super::super::serde_with::{millis, severity_word};
use super::super::tries::{Cover, Open};
use super::super::{FactKey, Scope};
use super::Evaluator;

/// How long what was told waits for a fact of its scope that fails: those of a process that starts come a moment later.
const WAITS: Duration = Duration::from_secs(15);

/// What a region told of one incident while it was alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ToldAlone {
    /// When it was made, by the clock of its process, in milliseconds since the epoch; a later version has a higher one.
    version: i64,
    scope: Scope,
    /// By channel.
    channels: BTreeMap<Arc<str>, ToldChannel>,
    /// The last acknowledgement.
    #[serde(default)]
    acknowledged: Option<Acknowledged>,
}

/// What one channel was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ToldChannel {
    /// What is open or perhaps open there, oldest first.
    open: Vec<Open>,
    /// What it took; none if that is unknown.
    cover: Option<CoverAlone>,
}

/// A cover without the revisions of its incident, which nobody else knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CoverAlone {
    #[serde(with = "severity_word")]
    severity: Severity,
    #[serde(with = "millis")]
    at: Duration,
    /// Those whose present episodes were told.
    members: BTreeSet<FactKey>,
    regions: BTreeSet<Arc<str>>,
    #[serde(default)]
    reasons: BTreeSet<Arc<str>>,
}

/// Who was at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Acknowledged {
    by: Arc<str>,
    #[serde(with = "millis")]
    at: Duration,
    reason: Option<Arc<str>>,
    covers: Vec<CoverAlone>,
}

impl ToldAlone {
    /// Nothing, if no channel was told anything.
    fn of(incident: &Incident, version: i64) -> Option<Self> {
        let channel = |told: &Told| ToldChannel {
            open: told.open.clone(),
            cover: told.cover.as_ref().map(|cover| CoverAlone::of(incident, cover)),
        };
        let told = incident.told.iter().filter(|(_, told)| told.has_open());
        let channels: BTreeMap<_, _> = told.map(|(name, told)| (Arc::clone(name), channel(told))).collect();
        let acknowledged = incident.acknowledged.last().map(|last| Acknowledged {
            by: Arc::clone(&last.by),
            at: last.at,
            reason: last.reason.clone(),
            covers: last.covers.iter().map(|cover| CoverAlone::of(incident, cover)).collect(),
        });
        (!channels.is_empty()).then(|| Self { version, scope: incident.scope.clone(), channels, acknowledged })
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("its keys are texts")
    }
}

impl CoverAlone {
    fn of(incident: &Incident, cover: &Cover) -> Self {
        // A suspect that was told is covered if it fails soon.
        let suspected = |member: &Member| {
            member.crossed.is_none() && member.began <= cover.revision && !cover.except.contains(&member.fact.key)
        };
        let there = incident.members.values().filter(|member| member.left.is_none());
        let told = there.filter(|member| cover.covers(member) || suspected(member));
        Self {
            severity: cover.severity,
            at: cover.at,
            members: told.map(|member| member.fact.key.clone()).collect(),
            regions: cover.regions.clone(),
            reasons: cover.reasons.clone(),
        }
    }

    /// The same as a cover of another process's incident, as that is now.
    fn cover(&self, incident: &Incident, now: Duration) -> Cover {
        let untold = |key: &&FactKey| !self.members.contains(*key);
        Cover {
            severity: self.severity,
            revision: incident.revision,
            at: self.at.min(now),
            except: incident.members.keys().filter(untold).cloned().collect(),
            suspects: BTreeSet::new(),
            regions: self.regions.clone(),
            reasons: self.reasons.clone(),
        }
    }
}

/// What this process told alone and nobody has taken over yet, by the ids of its incidents.
#[derive(Debug, Default)]
pub(super) struct HandingIn {
    rows: BTreeMap<String, ToldAlone>,
    /// Whether the store keeps no facts: the journal has them then, once this process is not alone any more.
    by_journal: bool,
}

impl HandingIn {
    /// Of a process that has not reached the store of its fleet.
    pub(super) fn by_journal() -> Self {
        Self { by_journal: true, ..Self::default() }
    }

    /// What an earlier process of this region has left.
    pub(super) fn reported(rows: &[FactView]) -> Self {
        let rows = rows.iter().filter_map(|row| Some((id_of(&row.key)?.to_owned(), read(row)?)));
        Self { rows: rows.collect(), by_journal: false }
    }

    /// Whether the store has something of this process that waits to be taken over.
    pub(super) fn waits(&self) -> bool {
        !self.by_journal && !self.rows.is_empty()
    }
}

/// What others told alone, where this process evaluates.
#[derive(Debug, Default)]
pub(super) struct HandedIn {
    /// What is to be taken over, by region and incident, and since when it waits.
    waiting: BTreeMap<(Arc<str>, String), (ToldAlone, Duration)>,
    /// The versions that were taken over, as long as their rows are there.
    taken: BTreeMap<(Arc<str>, String), i64>,
}

impl HandedIn {
    /// What was taken over so far. What cannot be read is taken over again, which changes nothing.
    pub(super) fn restore(states: &[RestoredState]) -> Self {
        let one = |state: &RestoredState| {
            let (region, id) = state.key.split_once(' ')?;
            Some(((Arc::from(region), id.to_owned()), state.json.parse().ok()?))
        };
        let taken = states.iter().filter(|state| state.kind == HANDED_IN).filter_map(one).collect();
        Self { waiting: BTreeMap::new(), taken }
    }

    /// When what waits in a scope is taken over whether or not anything fails there.
    pub(super) fn due(&self, scope: &Scope) -> Option<Duration> {
        self.waiting.values().filter(|(told, _)| told.scope == *scope).map(|(_, since)| *since + WAITS).min()
    }

    fn take_out(&mut self, scope: &Scope) -> Vec<((Arc<str>, String), ToldAlone)> {
        let taken = self.waiting.extract_if(.., |_, (told, _)| told.scope == *scope);
        taken.map(|(name, (told, _))| (name, told)).collect()
    }
}

impl Evaluator {
    /// Reports what channels took of these incidents, as far as it is another than before, while this process is alone.
    pub(super) fn report_told(&mut self, incidents: impl IntoIterator<Item = String>, now: Moment) {
        for id in incidents {
            let known = self.handing_in.rows.get(&id);
            let version = known.map_or(i64::MIN, |known| known.version.saturating_add(1)).max(now.wall_ms());
            let incident = self.incidents.by_id.get(&id).and_then(|scope| self.incidents.open.get(scope));
            let told = incident.and_then(|incident| ToldAlone::of(incident, version));
            let unchanged = match (known, &told) {
                (Some(known), Some(told)) => ToldAlone { version, ..known.clone() } == *told,
                (None, None) => true,
                _ => false,
            };
            if unchanged {
                continue;
            }
            self.dirty.commit.facts.push(fact_row(&id, told.as_ref()));
            match told {
                Some(told) => self.handing_in.rows.insert(id, told),
                None => self.handing_in.rows.remove(&id),
            };
        }
    }

    /// This process is not alone any more: whoever evaluates goes on with what it told of these incidents.
    pub(super) fn leave_told(&mut self, now: Moment) {
        let all: Vec<String> = self.incidents.by_id.keys().cloned().collect();
        self.report_told(all, now);
        if !self.handing_in.by_journal {
            return;
        }
        for (id, told) in std::mem::take(&mut self.handing_in.rows) {
            self.dirty.commit.states.push(StateRow { kind: TOLD_ALONE, key: id, json: Some(told.json()) });
        }
    }

    /// Nobody will take over what this process told alone, since it has to end that by itself.
    pub(super) fn keep_told(&mut self) {
        for id in std::mem::take(&mut self.handing_in.rows).into_keys() {
            self.dirty.commit.facts.push(fact_row(&id, None));
        }
    }

    /// Whoever evaluates has taken over these versions of what this process told.
    pub(super) fn told_was_taken_over(&mut self, taken: &[(String, i64)]) {
        let own: Arc<str> = self.loaded.0.member().into();
        for (id, version) in taken {
            if self.handing_in.rows.get(id).is_none_or(|told| told.version != *version) {
                continue;
            }
            self.handing_in.rows.remove(id);
            self.dirty.commit.facts.push(fact_row(id, None));
            // Nobody else tells it what it has taken back.
            let name = (Arc::clone(&own), id.clone());
            if self.handed_in.taken.remove(&name).is_some() {
                self.dirty.commit.states.push(state_row(&name, None));
            }
        }
    }

    /// Takes what others told alone out of what they have reported, and leaves the facts.
    pub(super) fn take_told(&mut self, rows: Vec<FactView>, now: Moment) -> Vec<FactView> {
        let (told, facts): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| id_of(&row.key).is_some());
        for row in &told {
            let Some(id) = id_of(&row.key) else { continue };
            let name = (Arc::from(&*row.region), id.to_owned());
            if row.json.is_none() {
                self.handed_in.waiting.remove(&name);
                if self.handed_in.taken.remove(&name).is_some() {
                    self.dirty.commit.states.push(state_row(&name, None));
                }
            } else if let Some(told) = read(row).filter(|told| self.handed_in.taken.get(&name) != Some(&told.version)) {
                self.pending.touch(&told.scope);
                self.handed_in.waiting.insert(name, (told, now.steady));
            }
        }
        facts
    }

    /// Takes over what regions told alone of an incident: what is open because of it, and what need not be told again.
    pub(super) fn take_over_told(&mut self, incident: &mut Incident, now: Moment) {
        for (name, told) in self.handed_in.take_out(&incident.scope) {
            for (channel, alone) in &told.channels {
                adopt(incident, channel, alone, now.steady);
                self.dirty.told(&incident.id, channel);
                if let Some(cover) = &alone.cover {
                    self.records.rang(&incident.scope.to_string(), channel, cover.at.min(now.steady));
                }
            }
            if let Some(Acknowledged { by, at, reason, covers }) = told.acknowledged {
                let is_known = incident.acknowledged.iter().any(|known| known.by == by && known.at == at.min(now.steady));
                if !is_known {
                    let covers = covers.iter().map(|cover| cover.cover(incident, now.steady)).collect();
                    incident.acknowledged.push(Acknowledgement { by, at: at.min(now.steady), reason, covers });
                }
            }
            let keys: Vec<&str> = told.channels.values().flat_map(|told| &told.open).map(|open| &*open.key).collect();
            let text = format!("{} was alone and handed in what it had told: {}", name.0, keys.join(", "));
            self.dirty.timeline(&incident.id, "handed_in", text, now);
            self.dirty.incident(&incident.id);
            self.dirty.commit.states.push(state_row(&name, Some(told.version)));
            self.handed_in.taken.insert(name, told.version);
        }
    }
}

/// Adds what a channel was told by a region that was alone.
fn adopt(incident: &mut Incident, channel: &Arc<str>, alone: &ToldChannel, now: Duration) {
    let cover = alone.cover.as_ref().map(|cover| cover.cover(incident, now));
    let Incident { told, members, .. } = incident;
    let told = told.entry(Arc::clone(channel)).or_default();
    // It knows nothing of the acknowledgements of this incident.
    let open = || alone.open.iter().map(|open| Open { acknowledged: 0, ..open.clone() });
    for open in open() {
        if !told.open.iter().any(|known| known.key == open.key) {
            told.open.push(open);
        }
    }
    if let Some((cover, last)) = cover.zip(open().rfind(|open| open.taken)) {
        let at = cover.at;
        told.took(last, cover, at, |key| members.get(key));
    }
}

/// The incident of which a row tells; none if it is a fact.
fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix(TOLD_ALONE)?.strip_prefix('/')
}

fn fact_row(id: &str, told: Option<&ToldAlone>) -> FactRow {
    FactRow { key: format!("{TOLD_ALONE}/{id}"), json: told.map(ToldAlone::json), well: told.is_none() }
}

fn state_row((region, id): &(Arc<str>, String), version: Option<i64>) -> StateRow {
    StateRow { kind: HANDED_IN, key: format!("{region} {id}"), json: version.map(|version| version.to_string()) }
}

/// What a row says; nothing, which is logged, if this version cannot read it.
fn read(row: &FactView) -> Option<ToldAlone> {
    let read = serde_json::from_str(row.json.as_deref()?);
    read.inspect_err(|error| {
        let (key, region) = (&row.key, &row.region);
        tracing::error!(key, region, %error, "what a region told alone cannot be read; which version wrote it? End it by hand");
    })
    .ok()
}
