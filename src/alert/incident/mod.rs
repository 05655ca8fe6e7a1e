//! Incidents: their members with their episodes, who is at them, how bad they are, how they end.
//!
//! An incident is a fold of its scope's facts. It owns what facts cannot know: which episode a member is in, what was
//! acknowledged, and what each channel took ([`Told`]). It must not know routes, send anything or look at a clock. Who is rung
//! is decided in `owed`, from this.

mod member;
mod standing;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time;
use crate::plan::Severity;

use super::critical::Critical;
use super::told::{Cover, millis, severity_word};
use super::view::{End, Ended};
use super::{Fact, FactKey, Scope, State};
pub use member::{How, Left, Member};
pub(super) use standing::regions_of;
pub use told::{Shown, Told};

/// An incident, open or ended and not yet told everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id (ULID).
    pub id: String,
    /// What it is about.
    pub scope: Scope,
    /// When it opened.
    #[serde(with = "millis")]
    pub opened: Duration,
    /// When its first episode began.
    #[serde(with = "millis")]
    pub since: Duration,
    /// What happened last has this number.
    pub revision: u64,
    /// The worst it has been.
    #[serde(with = "severity_word")]
    pub worst: Severity,
    /// That it is critical: an episode of its own.
    pub critical: Critical,
    /// The regions that make it so, or made it so last.
    #[serde(default)]
    pub critical_regions: BTreeSet<Arc<str>>,
    /// The revision that the latest ring was made at, and its number.
    #[serde(default)]
    pub numbered: Option<(u64, u64)>,
    /// Who is at it, and what that covers.
    #[serde(default)]
    pub acknowledged: Vec<Acknowledgement>,
    /// The owner, for when the probe is gone.
    pub owner: Option<Arc<str>>,
    /// How it ended.
    pub end: Option<End>,
    /// Who is in it; rows of their own.
    #[serde(skip)]
    pub members: BTreeMap<FactKey, Member>,
    /// What each channel was told; rows of their own.
    #[serde(skip)]
    pub told: BTreeMap<Arc<str>, Told>,
    /// Counts whatever changes about it, for those who keep its texts up to date.
    #[serde(skip)]
    pub changes: u64,
    /// Which of the changes a channel shows that keeps its texts up to date, and since when.
    #[serde(skip)]
    pub shown: BTreeMap<Arc<str>, (u64, Duration)>,
    /// When members are to be judged again whom others may explain.
    #[serde(skip)]
    pub asks: BTreeMap<FactKey, Duration>,
}

/// Somebody is at it: what some channel had taken then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: Arc<str>,
    /// When.
    #[serde(with = "millis")]
    pub at: Duration,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
    /// What channels had taken.
    pub covers: Vec<Cover>,
}

impl Incident {
    /// One that opens with a fact that fails.
    pub fn open(id: String, scope: Scope, owner: Option<Arc<str>>, now: Duration) -> Self {
        Self {
            id,
            scope,
            opened: now,
            since: now,
            revision: 0,
            worst: Severity::Warn,
            critical: Critical::default(),
            critical_regions: BTreeSet::new(),
            numbered: None,
            acknowledged: Vec::new(),
            owner,
            end: None,
            members: BTreeMap::new(),
            told: BTreeMap::new(),
            changes: 0,
            shown: BTreeMap::new(),
            asks: BTreeMap::new(),
        }
    }

    /// Takes a fact of its scope in. Says whether anything about it changed that may matter to somebody.
    pub fn take(&mut self, fact: &Arc<Fact>, now: Duration) -> bool {
        let revision = self.revision + 1;
        let acknowledged = self.members.get(&fact.key).is_some_and(|member| self.is_acknowledged(member));
        let used = match self.members.get_mut(&fact.key) {
            Some(member) => member.take(Arc::clone(fact), revision, acknowledged, now),
            None if fact.state == State::Well => return false,
            None => {
                self.members.insert(fact.key.clone(), Member::new(Arc::clone(fact), revision, now));
                true
            }
        };
        // Who was only suspect and is well leaves no trace.
        if self.members.get(&fact.key).is_some_and(|member| member.left.is_some() && !member.failed) {
            self.members.remove(&fact.key);
        }
        if used {
            self.revision = revision;
        }
        self.changes += 1;
        if fact.level().is_some() && self.told.is_empty() {
            self.since = self.since.min(fact.since);
        }
        true
    }

    /// A fact is no more: what it was about is not watched any longer.
    pub fn removed(&mut self, key: &FactKey, how: How, now: Duration) -> bool {
        let Some(member) = self.members.get_mut(key) else { return false };
        if member.failed {
            let changes = member.left.is_none();
            member.left = member.left.or(Some(Left { at: now, how }));
            changes
        } else {
            self.members.remove(key);
            true
        }
    }

    /// A member is held or released. Says whether a new episode began or the holding changed.
    pub fn hold(&mut self, key: &FactKey, held: bool, at_once: bool, now: Duration) -> bool {
        let revision = self.revision + 1;
        let Some(member) = self.members.get_mut(key).filter(|member| member.held != held) else { return false };
        if member.hold(held, at_once, revision, now) {
            self.revision = revision;
        }
        true
    }

    /// The next revision, for something that happened to the incident itself.
    pub fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// How many acknowledgements there were at a time.
    pub fn acknowledged_at(&self, time: Duration) -> usize {
        self.acknowledged.iter().filter(|acknowledgement| acknowledgement.at <= time).count()
    }

    /// Whether somebody is at a member's episode.
    pub fn is_acknowledged(&self, member: &Member) -> bool {
        self.acknowledged.iter().flat_map(|acknowledgement| &acknowledgement.covers).any(|cover| cover.covers(member))
    }

    /// Whether somebody is at its being critical.
    pub fn is_critical_acknowledged(&self) -> bool {
        let covers = self.acknowledged.iter().flat_map(|acknowledgement| &acknowledgement.covers);
        covers.into_iter().any(|cover| cover.covers_critical(&self.critical))
    }

    /// Somebody is at what some channel took. Returns how many failing members that covers which no earlier acknowledgement did.
    pub fn acknowledge(&mut self, by: Arc<str>, reason: Option<Arc<str>>, now: Duration) -> usize {
        let covers: Vec<Cover> = self.told.values().filter_map(|told| told.cover.clone()).collect();
        let newly = |incident: &Self| {
            let fresh = incident.members.values().filter(|member| member.fails() && !incident.is_acknowledged(member));
            fresh.filter(|member| covers.iter().any(|cover| cover.covers(member))).count()
        };
        let newly = newly(self);
        let critical = !self.is_critical_acknowledged() && covers.iter().any(|cover| cover.covers_critical(&self.critical));
        // Who says it again changes nothing, and nobody is told a second time.
        if !covers.is_empty() && (newly > 0 || critical || self.acknowledged.is_empty()) {
            self.acknowledged.push(Acknowledgement { by, at: now, reason, covers });
        }
        newly
    }

    /// Whether nobody in it fails any more. An objective that no channel took holds nothing open, unless it is what the
    /// incident is about.
    pub fn is_over(&self) -> bool {
        let told = |member: &Member| self.told.values().filter_map(|told| told.cover.as_ref()).any(|cover| cover.covers(member));
        let alone = || self.members.values().all(|member| member.is_objective() || !member.failed);
        let holds = |member: &Member| !member.is_objective() || told(member) || (member.fact.holds_alone && alone());
        !self.members.values().any(|member| member.fails() && holds(member))
    }

    /// Ends it: how follows from how its members came not to fail, unless somebody closed it.
    pub fn ends(&mut self, closed: Option<(Arc<str>, Arc<str>)>, now: Duration) {
        let left = || self.members.values().filter(|member| member.failed).filter_map(|member| member.left);
        let how = match closed {
            Some((by, why)) => Ended::Closed { by, why },
            None if left().all(|left| left.how == How::Removed) => Ended::Unwatched,
            None => Ended::Well,
        };
        self.end = Some(End { at: now, how });
    }

    /// Makes stored times that lie in the future now.
    pub fn not_after(&mut self, now: Duration) {
        for time in [&mut self.opened, &mut self.since] {
            *time = now.min(*time);
        }
        for member in self.members.values_mut() {
            member.crossed_at = now.min(member.crossed_at);
            member.came_to_fail.iter_mut().for_each(|at| *at = (*at).min(time::millis(now)));
            member.held_until = member.held_until.map(|until| until.min(now));
            if let Some(left) = &mut member.left {
                left.at = now.min(left.at);
            }
        }
        for told in self.told.values_mut() {
            told.not_after(now);
        }
        for acknowledged in &mut self.acknowledged {
            acknowledged.at = now.min(acknowledged.at);
            acknowledged.covers.iter_mut().for_each(|cover| cover.at = now.min(cover.at));
        }
    }
}

#[cfg(test)]
mod tests;
