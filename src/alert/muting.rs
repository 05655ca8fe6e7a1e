//! What is muted: paused, under maintenance, or a probe's known bug.
//!
//! Muting rings nobody and acknowledges nothing. This module owns what is in force. Pauses and mutes are set as a whole;
//! maintenance windows follow from the plan. What muting means for an incident is decided in `incident` and `owed`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::alert::Moment;
use crate::plan::{Canary, CanaryId, Maintenance, Plan};

use super::mute::{Mute, Mutes};
use super::view::{MuteKind, Muted};
use super::{Fact, FactKey};

/// A canary that is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Who paused it.
    pub by: Arc<str>,
    /// Why, in their words.
    pub why: Option<Arc<str>>,
    /// Until when, milliseconds since the epoch; until it is resumed if absent.
    pub until_ms: Option<i64>,
}

/// What is in force now.
#[derive(Debug, Default)]
pub struct Muting {
    paused: HashMap<CanaryId, Paused>,
    parts: BTreeMap<Arc<str>, Vec<Mute>>,
    /// Windows of the service and, by probe, of probes.
    windows: Vec<(Option<Arc<str>>, Arc<Maintenance>)>,
    /// The windows that are open now, and when that next changes, by the wall clock.
    open: Vec<(Option<Arc<str>>, Arc<Maintenance>)>,
    changes: Option<SystemTime>,
    /// When the next pause or mute ends, milliseconds since the epoch.
    ends: Option<i64>,
    canaries: HashMap<CanaryId, Arc<Canary>>,
    by_probe: HashMap<Arc<str>, Vec<CanaryId>>,
}

impl Muting {
    /// Takes over a plan's windows.
    pub fn apply(&mut self, plan: &Plan, now: Moment) {
        self.windows = plan.maintenance.iter().map(|window| (None, Arc::clone(window))).collect();
        for probe in &plan.probes {
            self.windows.extend(probe.maintenance.iter().map(|window| (Some(Arc::clone(&probe.name)), Arc::clone(window))));
        }
        self.canaries = plan.canaries.iter().map(|canary| (canary.id.clone(), Arc::clone(canary))).collect();
        self.by_probe.clear();
        for canary in &plan.canaries {
            self.by_probe.entry(Arc::clone(&canary.probe.name)).or_default().push(canary.id.clone());
        }
        self.look(now);
    }

    /// Sets the paused canaries. Returns whether that changed.
    pub fn pause(&mut self, paused: HashMap<CanaryId, Paused>) -> bool {
        let changed = self.paused != paused;
        self.paused = paused;
        self.look_for_ends();
        changed
    }

    /// Sets the mutes. Returns whether that changed.
    pub fn mute(&mut self, mutes: Vec<Mute>) -> bool {
        let mut parts: BTreeMap<Arc<str>, Vec<Mute>> = BTreeMap::new();
        for mute in mutes {
            parts.entry(Arc::clone(&mute.probe)).or_default().push(mute);
        }
        let changed = self.parts != parts;
        self.parts = parts;
        self.look_for_ends();
        changed
    }

    /// Updates the open windows and drops what is over. Returns whether anything changed.
    pub fn clock(&mut self, now: Moment) -> bool {
        let now_ms = now.wall_ms();
        let over = |until: Option<i64>| until.is_some_and(|until| until <= now_ms);
        let ended = over(self.ends);
        if ended {
            self.paused.retain(|_, paused| !over(paused.until_ms));
            for mutes in self.parts.values_mut() {
                mutes.retain(|mute| mute.holds(now_ms));
            }
            self.look_for_ends();
        }
        let windows = self.changes.is_some_and(|changes| changes <= now.wall) && self.look(now);
        ended || windows
    }

    /// When something ends, or a window opens or closes; steady.
    pub fn due(&self, now: Moment) -> Option<Duration> {
        let windows = self.changes.map(|at| now.steady + at.duration_since(now.wall).unwrap_or_default());
        windows.into_iter().chain(until(self.ends, now)).min()
    }

    fn look_for_ends(&mut self) {
        let paused = self.paused.values().filter_map(|paused| paused.until_ms);
        let parts = self.parts.values().flatten().filter_map(|mute| mute.until_ms);
        self.ends = paused.chain(parts).min();
    }

    fn look(&mut self, now: Moment) -> bool {
        let periods: Vec<_> = self.windows.iter().map(|(_, window)| window.period_at(now.wall)).collect();
        self.changes = periods.iter().filter_map(|period| period.until).min();
        let open: Vec<_> =
            self.windows.iter().zip(&periods).filter(|(_, period)| period.open).map(|(window, _)| window.clone()).collect();
        let same = open.len() == self.open.len() && open.iter().zip(&self.open).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1));
        self.open = open;
        !same
    }

    /// Why this fact is muted, if it is.
    pub fn of(&self, fact: &Fact, now: Moment) -> Option<Muted> {
        self.part(fact, now).or_else(|| match &fact.key {
            FactKey::Canary(id) | FactKey::NoData(id) => self.of_canary(id, now),
            FactKey::Across(probe) | FactKey::Objective(probe, _) => {
                let ids = self.by_probe.get(probe)?;
                let mut mutes = ids.iter().map(|id| self.of_canary(id, now));
                let first = mutes.next().flatten()?;
                mutes.all(|muted| muted.is_some()).then_some(first)
            }
            FactKey::Subject(..)
            | FactKey::OtherSubjects(_)
            | FactKey::Region(_)
            | FactKey::Leak(..)
            | FactKey::Restarts(_)
            | FactKey::Channel(_) => None,
        })
    }

    /// Whether a canary is paused or under maintenance.
    pub fn of_canary(&self, id: &CanaryId, now: Moment) -> Option<Muted> {
        if let Some(paused) = self.paused.get(id) {
            let (by, because) = (Some(Arc::clone(&paused.by)), paused.why.clone());
            return Some(Muted { why: MuteKind::Paused, by, because, until: until(paused.until_ms, now) });
        }
        if self.open.is_empty() {
            return None;
        }
        let canary = self.canaries.get(id)?;
        let meant = |(probe, window): &&(Option<Arc<str>>, Arc<Maintenance>)| {
            probe.as_ref().is_none_or(|probe| *probe == canary.probe.name) && window.selects(canary)
        };
        let (_, window) = self.open.iter().find(meant)?;
        let ends = window.period_at(now.wall).until;
        let until = ends.map(|ends| now.steady + ends.duration_since(now.wall).unwrap_or_default());
        Some(Muted { why: MuteKind::Maintenance, by: None, because: Some(Arc::clone(&window.name)), until })
    }

    fn part(&self, fact: &Fact, now: Moment) -> Option<Muted> {
        let parts = self.parts.get(fact.key.probe()?)?;
        let reason = fact.evidence.as_ref().map(|evidence| &*evidence.reason).or(fact.reason.as_deref());
        let muted = parts.iter().find(|mute| match (&mute.mutes, &fact.key) {
            (Mutes::Reason(word), _) => reason == Some(word),
            (Mutes::Subject(name), FactKey::Subject(_, subject)) => subject == name,
            (Mutes::Subject(_), _) => false,
        })?;
        Some(muted.muted(|at| until(Some(at), now).unwrap_or(now.steady)))
    }

    /// The canaries that are paused.
    pub fn paused(&self) -> impl Iterator<Item = &CanaryId> {
        self.paused.keys()
    }
}

/// The steady time of a moment that is given by the wall clock.
fn until(until_ms: Option<i64>, now: Moment) -> Option<Duration> {
    let ahead = until_ms?.saturating_sub(now.wall_ms());
    Some(now.steady + Duration::from_millis(u64::try_from(ahead).unwrap_or(0)))
}
