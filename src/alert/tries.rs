//! Tries and covers as they are stored: what is sent to a channel, and what a ring covers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Severity;

use super::serde_with::{millis, severity_word};
use super::{FactKey, Scope};

/// What a ring tells: the severity, and the episodes of the members that failed when it was made.
///
/// Changes of an incident are numbered by revisions. A cover covers all changes up to `revision` with exceptions by name, so that
/// 3,000 members cost nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// The highest severity that was told.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The incident's revision when the ring was made.
    pub revision: u64,
    /// When the ring was made.
    #[serde(with = "millis")]
    pub at: Duration,
    /// The exceptions: members that are not routed there, muted, explained or acknowledged.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<FactKey>,
    /// Suspects that had failed before in their episode. They are covered if they fail again soon.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suspects: BTreeSet<FactKey>,
    /// Regions that its text named as failing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Arc<str>>,
    /// Closed words of why members are without data, where the scope rings in bulk.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reasons: BTreeSet<Arc<str>>,
}

/// What a channel has open because of an incident: a PagerDuty key, an alert, or a message that an end will follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Its key: `SCOPE/N`, `storm/N`.
    pub key: String,
    /// Whether it was taken; otherwise that is unknown.
    pub taken: bool,
    /// How many of the incident's acknowledgements it knows of.
    #[serde(default)]
    pub acknowledged: usize,
    /// Labels by which Alertmanager knows it; they never change. Empty elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
}

/// What a try does at the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// It makes noise, and has a cover.
    Ring,
    /// It updates the latest open key without noise.
    Change,
    /// It tells the channel that somebody has acknowledged.
    Acknowledge,
    /// It ends what is open.
    End,
}

impl Action {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Ring, Self::Change, Self::Acknowledge, Self::End];

    /// The word in the store, the API and the metrics: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One incident in a try; a gathered one has several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The incident's id.
    pub incident: String,
    /// What it is about.
    pub scope: Scope,
    /// The cover of a ring; none for other actions.
    pub cover: Option<Cover>,
}

/// A request to a channel: written before it leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// Computed from scope, incident, channel and number, so that a repetition has the same id.
    pub id: String,
    /// The channel's name.
    pub channel: Arc<str>,
    /// What it is about.
    pub what: Action,
    /// The key it opens, changes or ends.
    pub key: String,
    /// The incidents it tells of, at least one.
    pub about: Vec<About>,
    /// When it was made.
    #[serde(with = "millis")]
    pub made: Duration,
    /// Labels by which Alertmanager knows what it opens; empty elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
    /// What it said when it was made: the `Message` in JSON.
    pub message: String,
    /// How often it was repeated.
    pub attempts: u32,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The channel took it.
    Taken,
    /// It was not taken: no connection, or the channel refused it.
    Refused(Refusal),
    /// Nobody knows: no answer, or a 5xx.
    Unknown(Refusal),
}

/// Why a channel did not take a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was seen; redacted.
    pub message: String,
    /// Which kind of refusal it is; it decides when the channel is asked again.
    pub kind: RefusalKind,
}

/// The kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No connection, no answer, a 5xx or the like: tried again with backoff.
    Unreachable,
    /// Too many requests: tried again after this time, or with backoff.
    Busy(Option<Duration>),
    /// A 400, 413 or 422: the content was refused. Tried again at once with the shortest text.
    Unreadable,
    /// Another 4xx, or a missing secret: it waits until the configuration is mended.
    Rejected,
}
