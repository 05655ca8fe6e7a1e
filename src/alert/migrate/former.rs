//! The rows of incidents and messages that the version before this one (store format 2) wrote, as far as they are migrated.
//! Nothing is written in this form any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::alert::Moment;
use crate::history::{IncidentRow, RestoredTry, TryState};
use crate::plan::{CanaryId, Severity};

use super::super::fact::{Level, Objective};
use super::super::message::{line, short_key};
use super::super::serde_with::severity_word;
use super::super::tries::Open;
use super::super::{Fact, FactKey, Scope, State};

/// What an incident was about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormerScope {
    Probe(Arc<str>),
    Subject(Arc<str>, Arc<str>),
    Subjects(Arc<str>),
    Blind(Arc<str>),
    Budget(Arc<str>),
    Latency(Arc<str>),
    Leak(Arc<str>),
    Test,
}

impl FormerScope {
    /// The scope in this version: objectives are members of their probe's incident.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Probe(probe) | Self::Budget(probe) | Self::Latency(probe) => Scope::Probe(Arc::clone(probe)),
            Self::Subject(probe, subject) => Scope::Subject(Arc::clone(probe), Arc::clone(subject)),
            Self::Subjects(probe) => Scope::Subjects(Arc::clone(probe)),
            Self::Blind(region) => Scope::Blind(Arc::clone(region)),
            Self::Leak(probe) => Scope::Leak(Arc::clone(probe)),
            Self::Test => Scope::Test,
        }
    }

    /// The member of this version for a former one. `name` is the id of a canary or of an entry of the cleanup ledger.
    fn member(&self, name: &str) -> Option<FactKey> {
        match self {
            Self::Probe(_) => Some(FactKey::Canary(CanaryId::read_back(name))),
            Self::Blind(_) => Some(FactKey::NoData(CanaryId::read_back(name))),
            Self::Leak(probe) => Some(FactKey::Leak(Arc::clone(probe), name.into())),
            Self::Subject(..) | Self::Subjects(_) | Self::Budget(_) | Self::Latency(_) => self.whole(),
            Self::Test => None,
        }
    }

    /// Its only member, if it has only one. A channel that was told of the incident was told of that member.
    fn whole(&self) -> Option<FactKey> {
        match self {
            Self::Subject(probe, subject) => Some(FactKey::Subject(Arc::clone(probe), Arc::clone(subject))),
            Self::Subjects(probe) => Some(FactKey::OtherSubjects(Arc::clone(probe))),
            Self::Budget(probe) => Some(FactKey::Objective(Arc::clone(probe), Objective::BurnRate)),
            Self::Latency(probe) => Some(FactKey::Objective(Arc::clone(probe), Objective::Latency)),
            Self::Probe(_) | Self::Blind(_) | Self::Leak(_) | Self::Test => None,
        }
    }
}

/// A member as it was listed.
#[derive(Debug, Clone, Deserialize)]
struct FormerMember {
    canary: String,
    region: Arc<str>,
    cell: Arc<str>,
    since_ms: i64,
    failures: u32,
    reason: Option<Arc<str>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct By {
    pub(super) by: Arc<str>,
    pub(super) at_ms: i64,
}

/// The JSON of an incident's row.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Details {
    pub(super) scope: FormerScope,
    members: Vec<FormerMember>,
    pub(super) since_ms: i64,
    level: Option<String>,
    pub(super) critical: Option<serde_json::Value>,
    pub(super) acknowledged: Option<By>,
    notes: Vec<String>,
    /// The incident into which it was migrated.
    pub(super) continues: Option<String>,
}

/// Whether a row is of the version before this one.
pub(in crate::alert) fn is_former(row: &IncidentRow) -> bool {
    // This version stores the incident under a field of its own.
    let json: Result<serde_json::Value, _> = serde_json::from_str(&row.json);
    json.is_ok_and(|json| json.get("incident").is_none() && json.get("told").is_some())
}

impl Details {
    /// Its listed members, as facts.
    pub(super) fn members(&self, now: Moment) -> BTreeMap<FactKey, Fact> {
        let level = if self.level.as_deref() == Some(Severity::Warn.as_str()) { Level::Warn } else { Level::Page };
        let fact = |key, since_ms| Fact {
            state: State::Failing(level),
            since: now.steady_of(since_ms),
            ..Fact::well(key, self.scope.scope())
        };
        let whole = self.scope.whole().map(|key| (key.clone(), fact(key, self.since_ms)));
        let listed = self.members.iter().filter(|_| whole.is_none()).filter_map(|member| {
            let key = self.scope.member(&member.canary)?;
            let (region, cell, reason) = (Arc::clone(&member.region), Arc::clone(&member.cell), member.reason.clone());
            Some((key.clone(), Fact { region, cell, reason, failed: member.failures, ..fact(key, member.since_ms) }))
        });
        listed.chain(whole.clone()).collect()
    }

    /// Whether it ended because its scope was removed from the configuration.
    pub(super) fn was_removed(&self) -> bool {
        self.notes.iter().any(|note| note.contains("removed from the configuration") || note.contains("no longer there"))
    }
}

/// What a channel was to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormerAction {
    Trigger,
    Acknowledge,
    Resolve,
}

/// What a message said.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Notice {
    pub(super) key: String,
    pub(super) action: FormerAction,
    occasion: String,
    #[serde(with = "severity_word")]
    pub(super) severity: Severity,
    scope: String,
    probe: Option<String>,
    owner: Option<String>,
    subject: Option<String>,
    pub(super) at_ms: i64,
    members: Vec<FormerMember>,
    members_total: usize,
}

impl Notice {
    /// Who is responsible.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}

/// A message, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) channel: Arc<str>,
    pub(super) state: TryState,
    pub(super) notice: Notice,
    /// What its incident was about.
    about: FormerScope,
    attempts: u32,
}

impl Sent {
    /// Reads a row; nothing if it cannot be read. Its receiver is told again then.
    pub(super) fn of(row: &RestoredTry, about: &FormerScope) -> Option<Self> {
        match serde_json::from_str(&row.json) {
            Ok(notice) => {
                let (channel, about) = (row.channel.as_str().into(), about.clone());
                Some(Self { channel, state: row.state, notice, about, attempts: row.attempts })
            }
            Err(error) => {
                tracing::error!(message = row.id, %error, "a message of the version before cannot be read and counts as not sent");
                None
            }
        }
    }

    /// Whether it was sent to one channel because another did not take it.
    pub(super) fn is_copy(&self) -> bool {
        self.notice.occasion == "undelivered"
    }

    /// Whether some attempt had no answer, so that the channel may have taken it.
    pub(super) fn is_perhaps_taken(&self) -> bool {
        match self.state {
            TryState::Waiting => self.attempts > 0,
            // The last attempt was refused; earlier ones may have been taken.
            TryState::Refused => self.attempts > 1,
            TryState::Taken | TryState::Dropped => false,
        }
    }

    /// Whether it told of a member as it fails now.
    pub(super) fn tells(&self, member: &Fact, now: Moment) -> bool {
        if let Some(whole) = self.about.whole() {
            return member.key == whole;
        }
        let named = |listed: &FormerMember| self.about.member(&listed.canary).as_ref() == Some(&member.key);
        let before = member.since <= now.steady_of(self.notice.at_ms);
        match &member.key {
            // A later failure counts as untold, since the canary may have been well in between.
            FactKey::Canary(_) => {
                let listed = self.notice.members.iter().any(named);
                before && (listed || self.notice.members_total > self.notice.members.len())
            }
            FactKey::NoData(_) | FactKey::Leak(..) => self.notice.members.iter().any(named),
            _ => false,
        }
    }

    /// Closed words of why members had no data.
    pub(super) fn reasons(&self) -> impl Iterator<Item = Arc<str>> {
        let listed = self.notice.members.iter().filter(|_| matches!(self.about, FormerScope::Blind(_)));
        listed.filter_map(|member| member.reason.clone())
    }

    /// The regions that it named as failing.
    pub(super) fn regions(&self) -> impl Iterator<Item = Arc<str>> {
        self.notice.members.iter().map(|member| Arc::clone(&member.region)).filter(|region| !region.is_empty())
    }

    /// What it opened. `own` are the labels configured for an Alertmanager: an alert has to be ended with its own labels.
    pub(super) fn open(&self, own: Option<&[(String, String)]>) -> Open {
        let labels = own.map(|own| self.labels(own)).unwrap_or_default();
        Open { key: self.notice.key.clone(), taken: self.state == TryState::Taken, acknowledged: 0, labels }
    }

    fn labels(&self, own: &[(String, String)]) -> Vec<(String, String)> {
        let notice = &self.notice;
        let critical = notice.key.ends_with("/critical");
        let severity = if critical { Severity::Critical } else { notice.severity.min(Severity::Page) };
        let name = match notice.scope.split('/').next().unwrap_or_default() {
            "probe" => "SerinusProbeFailing",
            "subject" => "SerinusSubjectFailing",
            "subjects" => "SerinusSubjectsFailing",
            "blind" => "SerinusProberBlind",
            "budget" => "SerinusErrorBudgetBurning",
            "latency" => "SerinusLatencyObjectiveMissed",
            "leak" => "SerinusTestDataLeaked",
            _ => "SerinusIncident",
        };
        let ours = [
            ("alertname", Some(name)),
            ("severity", Some(severity.as_str())),
            ("key", Some(&*short_key(&notice.key, 255))),
            ("probe", notice.probe.as_deref()),
            ("owner", notice.owner.as_deref()),
            ("subject", notice.subject.as_deref()),
            ("region", notice.scope.strip_prefix("blind/")),
        ]
        .map(|(name, value)| (name.to_owned(), line(value.unwrap_or_default(), 500)));
        let ours = ours.into_iter().filter(|(_, value)| !value.is_empty());
        let labels: BTreeMap<String, String> = own.iter().cloned().chain(ours).collect();
        labels.into_iter().collect()
    }
}
