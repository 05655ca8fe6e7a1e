//! Incidents: members with their episodes, acknowledgements, severity, and ends.
//!
//! An incident is a fold of its scope's facts. It owns what facts cannot know: episodes, acknowledgements, and what each channel
//! took ([`Told`]). It must not know routes, send anything or read a clock. `owed` decides who is rung.

mod member;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time;
use crate::plan::Severity;

use super::critical::Critical;
use super::fact::Level;
use super::serde_with::{millis, severity_word};
use super::tries::Cover;
use super::view::{End, Ended};
use super::{Fact, FactKey, Scope, State};
pub use member::{Departure, Left, Member};
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
    /// The number of its latest change.
    pub revision: u64,
    /// The worst it has been.
    #[serde(with = "severity_word")]
    pub worst: Severity,
    /// The state of critical.
    pub critical: Critical,
    /// The regions that make it critical, or last made it so.
    #[serde(default)]
    pub critical_regions: BTreeSet<Arc<str>>,
    /// The revision of the latest ring, and its number.
    #[serde(default)]
    pub numbered: Option<(u64, u64)>,
    /// The acknowledgements, in order.
    #[serde(default)]
    pub acknowledged: Vec<Acknowledgement>,
    /// The owner, in case the probe is removed.
    pub owner: Option<Arc<str>>,
    /// How it ended.
    pub end: Option<End>,
    /// Its members; stored in rows of their own.
    #[serde(skip)]
    pub members: BTreeMap<FactKey, Member>,
    /// What each channel was told; stored in rows of their own.
    #[serde(skip)]
    pub told: BTreeMap<Arc<str>, Told>,
    /// Counts all changes, for channels whose texts are kept up to date.
    #[serde(skip)]
    pub changes: u64,
    /// The change that each such channel shows, and since when.
    #[serde(skip)]
    pub shown: BTreeMap<Arc<str>, (u64, Duration)>,
    /// When members are to be judged again by `explain`.
    #[serde(skip)]
    pub asks: BTreeMap<FactKey, Duration>,
}

/// An acknowledgement of what channels had taken then.
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
    /// A new incident without members.
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

    /// Takes a fact of its scope. Returns whether anything changed.
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
        // A suspect that is well again is dropped.
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

    /// A fact was removed or closed. Returns whether anything changed.
    pub fn removed(&mut self, key: &FactKey, how: Departure, now: Duration) -> bool {
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

    /// Holds a member or ends that. Returns whether that changed.
    pub fn hold(&mut self, key: &FactKey, held: bool, at_once: bool, now: Duration) -> bool {
        let revision = self.revision + 1;
        let Some(member) = self.members.get_mut(key).filter(|member| member.held != held) else { return false };
        if member.hold(held, at_once, revision, now) {
            self.revision = revision;
        }
        true
    }

    /// The next revision, for a change of the incident itself.
    pub fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// How many acknowledgements there were at a time.
    pub fn acknowledged_at(&self, time: Duration) -> usize {
        self.acknowledged.iter().filter(|acknowledgement| acknowledgement.at <= time).count()
    }

    /// Whether a member's episode is acknowledged.
    pub fn is_acknowledged(&self, member: &Member) -> bool {
        self.acknowledged.iter().flat_map(|acknowledgement| &acknowledgement.covers).any(|cover| cover.covers(member))
    }

    /// Whether its being critical is acknowledged.
    pub fn is_critical_acknowledged(&self) -> bool {
        let covers = self.acknowledged.iter().flat_map(|acknowledgement| &acknowledgement.covers);
        covers.into_iter().any(|cover| cover.covers_critical(&self.critical))
    }

    /// Acknowledges what channels took. Returns how many failing members are newly covered.
    pub fn acknowledge(&mut self, by: Arc<str>, reason: Option<Arc<str>>, now: Duration) -> usize {
        let covers: Vec<Cover> = self.told.values().filter_map(|told| told.cover.clone()).collect();
        let newly = |incident: &Self| {
            let fresh = incident.members.values().filter(|member| member.fails() && !incident.is_acknowledged(member));
            fresh.filter(|member| covers.iter().any(|cover| cover.covers(member))).count()
        };
        let newly = newly(self);
        let critical = !self.is_critical_acknowledged() && covers.iter().any(|cover| cover.covers_critical(&self.critical));
        // A repeated acknowledgement changes nothing and is not sent again.
        if !covers.is_empty() && (newly > 0 || critical || self.acknowledged.is_empty()) {
            self.acknowledged.push(Acknowledgement { by, at: now, reason, covers });
        }
        newly
    }

    /// Whether no member fails any more. An objective that no channel took does not hold it open, unless the incident has only
    /// objectives.
    pub fn is_over(&self) -> bool {
        let told = |member: &Member| self.told.values().filter_map(|told| told.cover.as_ref()).any(|cover| cover.covers(member));
        let alone = || self.members.values().all(|member| member.is_objective() || !member.failed);
        let holds = |member: &Member| !member.is_objective() || told(member) || (member.fact.holds_alone && alone());
        !self.members.values().any(|member| member.fails() && holds(member))
    }

    /// Ends it. How it ended follows from its members, unless somebody closed it: where nobody watches its probe any more, it is not
    /// well if one of them failed to the last.
    pub fn ends(&mut self, closed: Option<(Arc<str>, Arc<str>)>, is_watched: bool, now: Duration) {
        let left = || self.members.values().filter(|member| member.failed).filter_map(|member| member.left);
        let removed = |left: Left| left.how == Departure::Removed;
        let how = match closed {
            Some((by, why)) => Ended::Closed { by, why },
            // One without members was handed in by a region in which nothing fails any more.
            None if (left().next().is_some() && left().all(removed)) || !is_watched && left().any(removed) => Ended::Unwatched,
            None => Ended::Well,
        };
        self.end = Some(End { at: now, how });
    }

    /// The highest severity of its failing members that are not held; [`Severity::Critical`] while it is critical at page level.
    pub fn severity(&self) -> Option<Severity> {
        let level = self.ringing().filter_map(Member::level).max()?;
        let critical = level == Level::Page && self.critical.fails();
        Some(if critical { Severity::Critical } else { level.severity() })
    }

    /// Whether it is at page level.
    pub fn is_at_page_level(&self) -> bool {
        self.ringing().any(|member| member.level() == Some(Level::Page))
    }

    /// Members that fail and are neither muted nor explained.
    pub fn ringing(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.fails() && !member.held)
    }

    /// The regions of members that fail and are not held; those of a member that is about several are its shares'.
    pub fn regions(&self) -> BTreeSet<Arc<str>> {
        self.ringing().flat_map(regions_of).collect()
    }

    /// Sets stored times that lie in the future to now.
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

/// The regions that a member is about.
pub(super) fn regions_of(member: &Member) -> Vec<Arc<str>> {
    let fact = &member.fact;
    if !fact.region.is_empty() {
        return vec![Arc::clone(&fact.region)];
    }
    fact.shares.iter().filter(|(_, share)| share.reaches).map(|(region, _)| Arc::clone(region)).collect()
}

#[cfg(test)]
mod tests;
