//! A member of an incident: its fact as it is, and its episode.
//!
//! An episode begins when the member leaves `well`, with its first failed run after it was held (muted, explained), and with each
//! new incident. What happens to an incident is numbered by revisions, so that a cover is a revision and a few exceptions. A
//! member that is only suspect is here to have its episode numbered; it is no member for anybody else.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time;
use crate::plan::Severity;

use super::super::critical::Critical;
use super::super::explain::{Explains, Explanation};
use super::super::told::{Cover, millis, millis_option};
use super::super::{Fact, FactKey, Standing, State, fact::Level};

/// A member that was well for less than this, within an incident, goes on with its episode: or two of its intervals, if that is
/// longer. Suspects that a ring tells are covered if they cross within as long.
const SAME_EPISODE: Duration = Duration::from_mins(10);

/// How often a member that comes and goes within an episode is remembered to have come to fail.
const TIMES: usize = 32;

/// A member of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// What is so of it, or was so last.
    pub fact: Arc<Fact>,
    /// The revision with which its episode began.
    pub began: u64,
    /// The revision with which it failed, or failed at a higher level, in this episode; absent while it is only suspect.
    pub crossed: Option<u64>,
    /// When that was.
    #[serde(with = "millis")]
    pub crossed_at: Duration,
    /// When it came to fail, in whichever episode, the last [`TIMES`] times, in milliseconds.
    #[serde(default)]
    pub came_to_fail: Vec<u64>,
    /// The highest level it has had in this episode.
    pub highest: Level,
    /// Whether it has failed in this incident, in whichever episode.
    pub failed: bool,
    /// Whether it had failed in this incident and been well before this episode.
    #[serde(default)]
    pub again: bool,
    /// That it does not fail any more, and how that came.
    pub left: Option<Left>,
    /// Whether it is held: muted or explained, so that nobody is rung for it.
    pub held: bool,
    /// It was held until then: nobody is rung for it before a run fails that started later.
    #[serde(with = "millis_option", default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Duration>,
    /// What is known of whether others explain it.
    #[serde(default)]
    pub explanation: Explanation,
    /// Whether they do, as it was judged last.
    #[serde(skip)]
    pub explains: Explains,
}

/// That a member does not fail any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Since when.
    #[serde(with = "millis")]
    pub at: Duration,
    /// How that came.
    pub how: How,
}

/// How a member came not to fail any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is well.
    Settled,
    /// It is not watched any more.
    Removed,
    /// Somebody closed it.
    Closed,
}

impl Member {
    /// One whose episode begins with this fact.
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

    /// Takes its fact of now in. `revision` is used if something becomes owed by it; says whether it was.
    pub(super) fn take(&mut self, fact: Arc<Fact>, revision: u64, acknowledged: bool, now: Duration) -> bool {
        let used = match fact.state {
            State::Well => {
                self.left = self.left.or(Some(Left { at: now, how: How::Settled }));
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

    /// When it first came to fail after a moment at which it did not.
    fn failed_after(&self, moment: Duration) -> Duration {
        let after = self.came_to_fail.iter().find(|at| **at >= time::millis(moment));
        after.or(self.came_to_fail.last()).map_or(self.crossed_at, |at| Duration::from_millis(*at))
    }

    /// It leaves `well`: with a new episode, unless it was well for a short while only and nobody is at it.
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

    /// It is held from now on, or no longer. `at_once`: what held it says that its own failures are enough. Says whether a new
    /// episode began.
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

    /// Whether it fails now, whoever is rung for it.
    pub fn fails(&self) -> bool {
        self.left.is_none() && self.fact.level().is_some()
    }

    /// Whether it is well, and would go on with its episode if it failed again now.
    pub fn may_go_on(&self, now: Duration) -> bool {
        self.failed && self.left.is_some_and(|left| now.saturating_sub(left.at) < same_episode(&self.fact))
    }

    /// Whether it is an objective, which is about the runs of others.
    pub fn is_objective(&self) -> bool {
        matches!(self.fact.key, FactKey::Objective(..))
    }

    /// Whether somebody may be rung for it.
    pub fn may_ring(&self) -> bool {
        self.fails() && !self.held && self.held_until.is_none() && !matches!(self.explains, Explains::Waiting(_))
    }

    /// How it stands because of others, if so.
    pub fn explained(&self) -> Option<Standing> {
        match &self.explains {
            Explains::No => None,
            Explains::Waiting(until) => Some(Standing::Waiting(*until)),
            Explains::Explained(by) => Some(Standing::Explained(by.clone())),
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

/// How long a member may be well and yet be in the same episode.
fn same_episode(fact: &Fact) -> Duration {
    SAME_EPISODE.max(fact.interval * 2)
}

impl Cover {
    /// Whether it tells the episode of a member that fails.
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
        // A level above what was told is owed, whenever it came.
        told && member.level().is_none_or(|level| level.severity() <= self.severity)
    }

    /// Whether it tells that the incident is critical.
    pub fn covers_critical(&self, critical: &Critical) -> bool {
        let told = self.severity == Severity::Critical;
        told && critical.revision().is_some_and(|revision| revision <= self.revision)
    }

    /// This one together with one that was taken before.
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
