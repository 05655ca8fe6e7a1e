//! A complete view of an incident as it is now, for messages, the API and `status`.
//!
//! It is made from facts and the incident whenever something is said, so it is never out of date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Probe, Severity};

use super::{Fact, Scope};

/// An incident as it is now. Times are steady.
#[derive(Debug, Clone)]
pub struct View {
    /// Its id (ULID).
    pub id: String,
    /// What it is about.
    pub scope: Scope,
    /// When its first episode began: the start of the first failed run.
    pub since: Duration,
    /// The highest severity of its failing, unmuted, unexplained members; [`Severity::Critical`] while critical is failing.
    pub severity: Severity,
    /// Its members: all that have failed in it, and the suspects of its scope.
    pub members: Vec<MemberView>,
    /// The regions that make it critical; empty unless it is.
    pub critical: Vec<Arc<str>>,
    /// The acknowledgements, in order.
    pub acknowledged: Vec<Acknowledged>,
    /// Members of other incidents that this one's failures explain.
    pub explains: Vec<Fact>,
    /// The number of watched canaries by region: of the probe, or of a blind region.
    pub watched: BTreeMap<Arc<str>, usize>,
    /// The probe, if it is about one that is still there.
    pub probe: Option<Arc<Probe>>,
    /// The last known owner.
    pub owner: Option<Arc<str>>,
    /// How it ended, if it did.
    pub end: Option<End>,
    /// Whether all its failing members flap, so that shares of failed runs are told.
    pub flapping: bool,
}

/// A member of an incident as it is now.
#[derive(Debug, Clone)]
pub struct MemberView {
    /// Its current fact; the last one of a removed member.
    pub fact: Arc<Fact>,
    /// Its state in the incident.
    pub state: MemberState,
    /// Since when it has had no data, though it is in this incident because of its last run.
    pub without_data: Option<Duration>,
}

/// The state of a member in an incident. Muted, explained and acknowledged members still fail.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum MemberState {
    /// It fails.
    Failing,
    /// A run failed, and it is not known yet whether it fails.
    Suspect,
    /// It fails and nobody is rung for it.
    Muted(Muted),
    /// It fails because these do: names of probes.
    Explained(Vec<Arc<str>>),
    /// It fails and waits, until then at most, for what may explain it.
    Waiting(Duration),
    /// It fails and is acknowledged, by this person.
    Acknowledged(Arc<str>),
    /// It failed in this incident and is settled, since then.
    Recovered(Duration),
    /// It failed in this incident and is not watched any more: removed or disabled.
    Removed,
    /// It was muted or without data and somebody closed it.
    Closed,
}

impl MemberState {
    /// Its closed word: the variant's name in small letters.
    pub fn as_str(&self) -> &'static str {
        self.into()
    }

    /// Whether it fails, held or not.
    pub fn fails(&self) -> bool {
        match self {
            Self::Failing | Self::Muted(_) | Self::Explained(_) | Self::Waiting(_) | Self::Acknowledged(_) => true,
            Self::Suspect | Self::Recovered(_) | Self::Removed | Self::Closed => false,
        }
    }
}

/// Why nobody is rung for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muted {
    /// Paused, under maintenance, or what of it is muted.
    pub why: MuteKind,
    /// By whom, where it was somebody.
    pub by: Option<Arc<str>>,
    /// The reason that was given.
    pub because: Option<Arc<str>>,
    /// Until when; steady. Until somebody says so if absent.
    pub until: Option<Duration>,
}

/// What mutes a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MuteKind {
    /// It is paused.
    Paused,
    /// It is under maintenance.
    Maintenance,
    /// Its latest failed run's reason is muted: the closed word.
    Reason(Arc<str>),
    /// The subject is muted.
    Subject,
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Duration,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    #[serde(with = "super::serde_with::millis")]
    pub at: Duration,
    /// How.
    pub how: Ended,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every member is well.
    Well,
    /// It is not watched any more: removed or disabled.
    Unwatched,
    /// Somebody closed it, and why.
    Closed {
        /// Who.
        by: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// It goes on under another key.
    Continues(String),
    /// It was well from then to then, and fails again: under this key.
    WasWell {
        /// Until when it was well; `End::at` is since when.
        #[serde(with = "super::serde_with::millis")]
        until: Duration,
        /// The key of what fails now.
        key: String,
    },
}
