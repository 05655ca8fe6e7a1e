//! A member of an incident: its fact and its episode.
//!
//! An episode begins when the member leaves `well`, with its first failed run after it was held (muted or explained), and with
//! each new incident. Changes of an incident are numbered by revisions, so that a cover is a revision with a few exceptions. A
//! suspect is stored as a member only so that its episode has a number.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time;
use crate::plan::Severity;

use super::super::critical::Critical;
use super::super::explain::{Explains, Explanation};
use super::super::serde_with::{millis, millis_option};
use super::super::tries::Cover;
use super::super::{Fact, FactKey, MemberState, State, fact::Level};

/// A member that was well for less than this (or two of its intervals, if longer) within an incident continues its episode.
/// Suspects that a ring tells are covered if they cross within the same time.
const SAME_EPISODE: Duration = Duration::from_mins(10);

/// Most times at which a member began to fail that are stored.
const TIMES: usize = 32;

/// A member of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its current fact, or the last one.
    pub fact: Arc<Fact>,
    /// The revision with which its episode began.
    pub began: u64,
    /// The revision with which it failed, or failed at a higher level, in this episode; absent while it is only suspect.
    pub crossed: Option<u64>,
    /// When that was.
    #[serde(with = "millis")]
    pub crossed_at: Duration,
    /// When it began to fail, in any episode, the last [`TIMES`] times, in milliseconds.
    #[serde(default)]
    pub came_to_fail: Vec<u64>,
    /// The highest level it has had in this episode.
    pub highest: Level,
    /// Whether it has failed in this incident, in any episode.
    pub failed: bool,
    /// Whether it had failed in this incident and been well before this episode.
    #[serde(default)]
    pub again: bool,
    /// Set if it does not fail any more, and why.
    pub left: Option<Left>,
    /// Whether it is held (muted or explained), so that nobody is rung for it.
    pub held: bool,
    /// When it stopped being held. Nobody is rung for it before a run fails that started later.
    #[serde(with = "millis_option", default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Duration>,
    /// The state of its explanation.
    #[serde(default)]
    pub explanation: Explanation,
    /// The result of its last judgement.
    #[serde(skip)]
    pub explains: Explains,
}

/// When and why a member stopped failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Since when.
    #[serde(with = "millis")]
    pub at: Duration,
    /// How that came.
    pub how: Departure,
}

/// Why a member does not fail any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// It is well.
    Settled,
    /// It is not watched any more.
    Removed,
    /// Somebody closed it.
    Closed,
}

impl Member {
    /// A member whose episode begins with this fact.
    pub(super) fn new(fact: Arc<Fact>, revision: u64, now: Duration) -> Self {
        let level = fact.level();
        Self {
            began: revision,
            crossed: level.map(|_| revision),
            crossed_at: now,
            came_to_fail: level.map(|_| time::millis(now)).into_iter().collect(),
            highest: level.unwrap_or(Level::Warn),
            failed: level.is_some(),
            again: false,
            left: None,
            held: false,
            held_until: None,
            explanation: Explanation::default(),
            explains: Explains::No,
            fact,
        }
    }

    /// Takes its new fact. `revision` is used if something becomes owed by it; returns whether it was used.
    pub(super) fn take(&mut self, fact: Arc<Fact>, revision: u64, acknowledged: bool, now: Duration) -> bool {
        let used = match fact.state {
            State::Well => {
                self.left = self.left.or(Some(Left { at: now, how: Departure::Settled }));
                false
            }
            State::Suspect => self.returns(&fact, revision, acknowledged, now),
            State::Failing(level) => {
                if !self.fails() {
                    self.comes_to_fail(now);
                }
                let returned = self.returns(&fact, revision, acknowledged, now);
                let crosses = self.crossed.is_none() || level > self.highest;
                if crosses {
                    self.crossed = Some(revision);
                    self.crossed_at = now;
                    self.highest = if self.failed { self.highest.max(level) } else { level };
                }
                self.failed = true;
                returned || crosses
            }
        };
        self.fact = fact;
        let released = self.held_until.is_some_and(|until| self.fact.last_failed.is_some_and(|failed| failed >= until));
        if released && !self.held && self.fails() {
            self.held_until = None;
            self.begin(revision, now);
            return true;
        }
        used
    }

    fn comes_to_fail(&mut self, now: Duration) {
        if self.came_to_fail.len() >= TIMES {
            self.came_to_fail.remove(0);
        }
        self.came_to_fail.push(time::millis(now));
    }

    /// When it first began to fail after a moment at which it did not.
    fn failed_after(&self, moment: Duration) -> Duration {
        let after = self.came_to_fail.iter().find(|at| **at >= time::millis(moment));
        after.or(self.came_to_fail.last()).map_or(self.crossed_at, |at| Duration::from_millis(*at))
    }

    /// It leaves `well`. That begins a new episode, unless it was well for a short time only and is not acknowledged.
    fn returns(&mut self, fact: &Fact, revision: u64, acknowledged: bool, now: Duration) -> bool {
        let Some(left) = self.left.take() else { return false };
        if !acknowledged && now.saturating_sub(left.at) < same_episode(fact) {
            return false;
        }
        (self.began, self.crossed, self.crossed_at) = (revision, None, now);
        self.again = self.failed;
        self.highest = Level::Warn;
        self.held_until = None;
        true
    }

    /// A new episode of a member that fails.
    pub(super) fn begin(&mut self, revision: u64, now: Duration) {
        (self.began, self.crossed, self.crossed_at) = (revision, Some(revision), now);
        self.highest = self.fact.level().unwrap_or(Level::Warn);
    }

    /// Holds it or ends that. `at_once`: its own failures have ended an explanation, so a new episode begins at once. Returns
    /// whether a new episode began.
    pub(super) fn hold(&mut self, held: bool, at_once: bool, revision: u64, now: Duration) -> bool {
        if held == self.held {
            return false;
        }
        self.held = held;
        if held {
            return false;
        }
        if at_once && self.fails() {
            self.held_until = None;
            self.begin(revision, now);
            return true;
        }
        self.held_until = (!at_once).then_some(now);
        false
    }

    /// Whether it fails now, held or not.
    pub fn fails(&self) -> bool {
        self.left.is_none() && self.fact.level().is_some()
    }

    /// Whether it is well and would continue its episode if it failed now.
    pub fn may_go_on(&self, now: Duration) -> bool {
        self.failed && self.left.is_some_and(|left| now.saturating_sub(left.at) < same_episode(&self.fact))
    }

    /// Whether it is an objective.
    pub fn is_objective(&self) -> bool {
        matches!(self.fact.key, FactKey::Objective(..))
    }

    /// Whether somebody may be rung for it.
    pub fn may_ring(&self) -> bool {
        self.fails() && !self.held && self.held_until.is_none() && !matches!(self.explains, Explains::Waiting(_))
    }

    /// Its state if it is explained or waits.
    pub fn explained(&self) -> Option<MemberState> {
        match &self.explains {
            Explains::No => None,
            Explains::Waiting(until) => Some(MemberState::Waiting(*until)),
            Explains::Explained(by) => Some(MemberState::Explained(by.clone())),
        }
    }

    /// Whether failures of this probe explain it.
    pub fn is_explained_by(&self, root: &str) -> bool {
        self.fails() && matches!(&self.explains, Explains::Explained(by) if by.iter().any(|by| **by == *root))
    }

    /// Its level, while it fails.
    pub fn level(&self) -> Option<Level> {
        if self.fails() { self.fact.level() } else { None }
    }
}

/// How long a member may be well within an episode.
fn same_episode(fact: &Fact) -> Duration {
    SAME_EPISODE.max(fact.interval * 2)
}

impl Cover {
    /// Whether it covers the episode of a failing member.
    pub fn covers(&self, member: &Member) -> bool {
        let Some(crossed) = member.crossed else { return false };
        if self.except.contains(&member.fact.key) {
            return false;
        }
        let soon = |failed: Duration| failed.saturating_sub(self.at) <= same_episode(&member.fact);
        let told = if self.suspects.contains(&member.fact.key) {
            // Failing again later, it is in the episode that was told.
            member.began <= self.revision && soon(member.failed_after(self.at))
        } else {
            crossed <= self.revision || (member.began <= self.revision && soon(member.crossed_at))
        };
        // A level above the told severity is owed.
        told && member.level().is_none_or(|level| level.severity() <= self.severity)
    }

    /// Whether it covers the episode of critical.
    pub fn covers_critical(&self, critical: &Critical) -> bool {
        let told = self.severity == Severity::Critical;
        told && critical.revision().is_some_and(|revision| revision <= self.revision)
    }

    /// This cover merged with one that was taken before.
    #[must_use]
    pub fn after(mut self, before: Option<&Self>, covered_before: impl Fn(&Self, &FactKey) -> bool) -> Self {
        if let Some(before) = before {
            self.except.retain(|key| !covered_before(before, key));
            self.suspects.retain(|key| before.suspects.contains(key) || !covered_before(before, key));
            self.severity = self.severity.max(before.severity);
        }
        self
    }
}
