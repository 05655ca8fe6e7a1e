//! Facts: the current state of one canary, subject, objective, region, process, probe or channel.
//!
//! A fact says nothing of who is told. It holds only what its own process knows. Of two facts with the same key the newest wins.
//!
//! A new key is a variant of [`FactKey`], its text and its reading, and an entry in the test of both; the compiler asks for the arms
//! that explain it in messages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::plan::{CanaryId, Severity};

use super::Scope;

/// What a fact is about; also the key of the member that it makes in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FactKey {
    /// A canary's runs.
    Canary(CanaryId),
    /// A probe whose canaries fail together; its name.
    Across(Arc<str>),
    /// A probe's objective.
    Objective(Arc<str>, Objective),
    /// A probe's subject.
    Subject(Arc<str>, Arc<str>),
    /// The subjects of a probe beyond those that are told apart.
    OtherSubjects(Arc<str>),
    /// A canary that has no counted runs.
    NoData(CanaryId),
    /// A declared region that no process has spoken for.
    Region(Arc<str>),
    /// An entry of the cleanup ledger that was given up: its probe and its id.
    Leak(Arc<str>, Arc<str>),
    /// A process that starts again and again; its region or name.
    Restarts(Arc<str>),
    /// A channel that takes nothing.
    Channel(Arc<str>),
}

/// The kind of a probe's objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Objective {
    /// How fast its error budget burns.
    BurnRate,
    /// Its latency bound.
    Latency,
    /// The share of its passed runs that may be degraded.
    Degraded,
}

impl Objective {
    /// The word in keys and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BurnRate => "burn_rate",
            Self::Latency => "latency",
            Self::Degraded => "degraded",
        }
    }
}

impl FactKey {
    /// The probe it is about, if it is about one.
    pub fn probe(&self) -> Option<&str> {
        match self {
            Self::Canary(id) | Self::NoData(id) => id.as_str().split('/').next(),
            Self::Across(probe)
            | Self::Objective(probe, _)
            | Self::Subject(probe, _)
            | Self::OtherSubjects(probe)
            | Self::Leak(probe, _) => Some(probe),
            Self::Region(_) | Self::Restarts(_) | Self::Channel(_) => None,
        }
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary(id) => write!(f, "canary/{}", id.as_str()),
            Self::Across(probe) => write!(f, "across/{probe}"),
            Self::Objective(probe, objective) => write!(f, "{}/{probe}", objective.as_str()),
            Self::Subject(probe, subject) => write!(f, "subject/{probe}/{subject}"),
            Self::OtherSubjects(probe) => write!(f, "other_subjects/{probe}"),
            Self::NoData(id) => write!(f, "no_data/{}", id.as_str()),
            Self::Region(region) => write!(f, "region/{region}"),
            Self::Leak(probe, entry) => write!(f, "leak/{probe}/{entry}"),
            Self::Restarts(process) => write!(f, "restarts/{process}"),
            Self::Channel(name) => write!(f, "channel/{name}"),
        }
    }
}

impl From<FactKey> for String {
    fn from(key: FactKey) -> Self {
        key.to_string()
    }
}

/// A text that names no fact.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` names no fact")]
pub struct UnknownFact(String);

impl TryFrom<String> for FactKey {
    type Error = UnknownFact;

    fn try_from(text: String) -> Result<Self, UnknownFact> {
        let Some((kind, rest)) = text.split_once('/') else { return Err(UnknownFact(text)) };
        let two = || rest.split_once('/').map(|(first, second)| (Arc::from(first), Arc::from(second)));
        let key = match kind {
            "canary" => Some(Self::Canary(CanaryId::read_back(rest))),
            "across" => Some(Self::Across(rest.into())),
            "burn_rate" => Some(Self::Objective(rest.into(), Objective::BurnRate)),
            "latency" => Some(Self::Objective(rest.into(), Objective::Latency)),
            "degraded" => Some(Self::Objective(rest.into(), Objective::Degraded)),
            "subject" => two().map(|(probe, subject)| Self::Subject(probe, subject)),
            "other_subjects" => Some(Self::OtherSubjects(rest.into())),
            "no_data" => Some(Self::NoData(CanaryId::read_back(rest))),
            "region" => Some(Self::Region(rest.into())),
            "leak" => two().map(|(probe, entry)| Self::Leak(probe, entry)),
            "restarts" => Some(Self::Restarts(rest.into())),
            "channel" => Some(Self::Channel(rest.into())),
            _ => None,
        };
        key.ok_or(UnknownFact(text))
    }
}

/// The state of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is wrong, or it is settled.
    #[default]
    Well,
    /// A failed run that is not settled, and the rule is not crossed.
    Suspect,
    /// Its rule is crossed.
    Failing(Level),
}

/// The level of a failing fact by its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth a look by day.
    Warn,
    /// Somebody is woken.
    Page,
}

impl Level {
    /// The severity that an incident has because of it.
    pub fn severity(self) -> Severity {
        match self {
            Self::Warn => Severity::Warn,
            Self::Page => Severity::Page,
        }
    }
}

/// The last counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// Whether it failed.
    pub failed: bool,
    /// When it started.
    #[serde(with = "super::serde_with::millis")]
    pub started: Duration,
    /// When it ended.
    #[serde(with = "super::serde_with::millis")]
    pub ended: Duration,
}

/// A fact. All times are steady times of [`Moment`](crate::alert::Moment).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub key: FactKey,
    /// The scope of its incident. A subject beyond the cap belongs to the shared scope, and a canary without data to its region's
    /// scope if the region is blind.
    pub scope: Scope,
    /// How it stands.
    pub state: State,
    /// Since when it has not been well: when its first failed run started.
    #[serde(with = "super::serde_with::millis")]
    pub since: Duration,
    /// The region it is about; empty where it is about none or several.
    pub region: Arc<str>,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: Arc<str>,
    /// From a tick to the next; zero where there are none.
    #[serde(with = "super::serde_with::millis")]
    pub interval: Duration,
    /// All failed runs that count for it since it was well.
    pub failed: u32,
    /// Counted runs since then where the rule is K of N; otherwise zero.
    pub of: u32,
    /// Its last counted run, of a canary or subject.
    pub last: Option<LastRun>,
    /// When its latest failed run started.
    #[serde(with = "super::serde_with::millis_option", default)]
    pub last_failed: Option<Duration>,
    /// The latest failed run by tick.
    pub evidence: Option<Arc<Failure>>,
    /// The reason, a closed word: of the evidence, or why a canary is without data.
    pub reason: Option<Arc<str>>,
    /// One sentence of what was seen where it is no run: "its budget burns 14.2 times as fast as it may over 1h".
    pub words: Option<Arc<str>>,
    /// Failed and counted runs by region, of `across` and objectives.
    #[serde(default)]
    pub shares: BTreeMap<Arc<str>, Share>,
    /// Of an objective: whether it would also hold without the runs of failing members and those in which only subjects failed.
    #[serde(default = "yes")]
    pub holds_alone: bool,
}

fn yes() -> bool {
    true
}

/// The evidence of a failed run, as far as pages tell it. It was redacted when the report was made, and is bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The canary's id.
    pub canary: String,
    /// The run.
    pub run_id: String,
    /// Its trace.
    pub trace_id: String,
    /// When the run ended, milliseconds since the epoch.
    pub at_ms: i64,
    /// The closed word.
    pub reason: String,
    /// One sentence: what was tried, what was seen.
    pub message: String,
    /// The step.
    pub step: Option<String>,
    /// Attempts made of it.
    pub attempts: u32,
    /// The expectation that did not hold, as written.
    pub expectation: Option<String>,
    /// `file:line:column`.
    pub location: Option<String>,
    /// Parts of the expectation and the values seen.
    pub seen: Vec<(String, String)>,
}

/// Failed runs among counted ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Failed.
    pub failed: u32,
    /// Counted.
    pub counted: u32,
    /// Whether its own share reaches the rule's.
    pub reaches: bool,
}

impl Fact {
    /// A well fact without details.
    pub fn well(key: FactKey, scope: Scope) -> Self {
        Self {
            key,
            scope,
            state: State::Well,
            since: Duration::ZERO,
            region: Arc::from(""),
            cell: Arc::from(""),
            interval: Duration::ZERO,
            failed: 0,
            of: 0,
            last: None,
            last_failed: None,
            evidence: None,
            reason: None,
            words: None,
            shares: BTreeMap::new(),
            holds_alone: true,
        }
    }

    /// Makes no time of it later than now: it may come from a process whose clock is ahead.
    pub fn not_after(&mut self, now: Duration) {
        self.since = self.since.min(now);
        self.last_failed = self.last_failed.map(|at| at.min(now));
        if let Some(last) = &mut self.last {
            (last.started, last.ended) = (last.started.min(now), last.ended.min(now));
        }
    }

    /// Its level, while it fails.
    pub fn level(&self) -> Option<Level> {
        match self.state {
            State::Failing(level) => Some(level),
            State::Well | State::Suspect => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_text() {
        let id = CanaryId::read_back("p/eu/platform=ios");
        let keys = [
            FactKey::Canary(id.clone()),
            FactKey::Across("p".into()),
            FactKey::Objective("p".into(), Objective::BurnRate),
            FactKey::Objective("p".into(), Objective::Latency),
            FactKey::Objective("p".into(), Objective::Degraded),
            FactKey::Subject("p".into(), "a/b".into()),
            FactKey::OtherSubjects("p".into()),
            FactKey::NoData(id),
            FactKey::Region("eu".into()),
            FactKey::Leak("p".into(), "01H".into()),
            FactKey::Restarts("eu".into()),
            FactKey::Channel("chat".into()),
        ];
        for key in keys {
            assert_eq!(FactKey::try_from(key.to_string()).unwrap(), key);
        }
        assert!(FactKey::try_from("nothing".to_owned()).is_err());
    }
}
