//! The status as plain data, for `serinus status` and the API.
//!
//! It is made from facts and [`View`](super::View)s at each request ([`gather`]). Nothing is decided here and there is no state.
//! All times are milliseconds since the epoch by the present wall clock.

mod gather;
mod member;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::Failure;
use crate::plan::Severity;

pub use gather::{CanaryNow, LeftBehind, Open, ProbeNow, StatusInput, gather};
pub use member::{MemberStatus, NotRungBecause};

/// The status.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Status {
    /// Page-level members that fail, unmuted, unexplained and unacknowledged: somebody ought to be awake while there is one.
    pub unanswered: usize,
    /// Open incidents by severity.
    pub counts: Counts,
    /// Every probe: the worst first, then by name.
    pub probes: Vec<ProbeStatus>,
    /// Every canary, ordered by id.
    pub canaries: Vec<CanaryStatus>,
    /// Open incidents: the worst first, then the oldest.
    pub incidents: Vec<IncidentStatus>,
    /// Members of incidents that fail because they have no data, and why.
    pub without_data: Vec<MemberStatus>,
    /// Members that fail and for which nobody is rung.
    pub muted: Vec<MemberStatus>,
    /// Members that fail because others do.
    pub explained: Vec<MemberStatus>,
    /// What channels are owed, the oldest first.
    pub owed: Vec<Owed>,
    /// Test data that could not be removed, by probe.
    pub leaks: Vec<LeakStatus>,
    /// Every channel, in the order of the configuration.
    pub channels: Vec<ChannelStatus>,
}

/// Open incidents by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Worth a look by day.
    pub warn: usize,
    /// Somebody is woken.
    pub page: usize,
    /// More than one region.
    pub critical: usize,
    /// Nobody is rung for it: all that fails in it is muted or explained.
    pub held: usize,
}

impl Counts {
    /// How many have this severity.
    pub fn of(self, severity: Severity) -> usize {
        match severity {
            Severity::Warn => self.warn,
            Severity::Page => self.page,
            Severity::Critical => self.critical,
        }
    }

    fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Warn => self.warn += 1,
            Severity::Page => self.page += 1,
            Severity::Critical => self.critical += 1,
        }
    }
}

/// The health of a canary; for a probe, that of its worst canary. Worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, strum::IntoStaticStr, ToSchema)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Health {
    /// Its last counted run passed, and it is settled.
    Passing,
    /// It has had no counted run yet, or none for long.
    #[default]
    Unknown,
    /// It is muted: paused, under maintenance, or for what failed last.
    Muted,
    /// A run failed and is not settled, and its rule is not crossed.
    Suspect,
    /// Its ticks bring no counted runs.
    NoData,
    /// Its rule is crossed.
    Failing,
}

impl Health {
    /// All of them, the best first.
    pub const ALL: [Self; 6] = [Self::Passing, Self::Unknown, Self::Muted, Self::Suspect, Self::NoData, Self::Failing];

    /// The word in the API and in `status`: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Canaries by health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "each field is a `Health`")]
pub struct ByHealth {
    pub passing: usize,
    pub unknown: usize,
    pub muted: usize,
    pub suspect: usize,
    pub no_data: usize,
    pub failing: usize,
}

impl ByHealth {
    /// Counts one more.
    pub fn add(&mut self, health: Health) {
        *match health {
            Health::Passing => &mut self.passing,
            Health::Unknown => &mut self.unknown,
            Health::Muted => &mut self.muted,
            Health::Suspect => &mut self.suspect,
            Health::NoData => &mut self.no_data,
            Health::Failing => &mut self.failing,
        } += 1;
    }

    /// How many there are.
    pub fn total(self) -> usize {
        self.passing + self.unknown + self.muted + self.suspect + self.no_data + self.failing
    }
}

/// The status of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProbeStatus {
    /// Its name.
    pub probe: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// The health of its worst canary.
    pub verdict: Health,
    /// Since when, as far as it is known.
    pub since_ms: Option<i64>,
    /// The severity of the worst open incident about it; none is open if absent.
    pub severity: Option<&'static str>,
    /// Counted runs of the last hour that passed, 0..=1; absent without any.
    pub success_1h: Option<f64>,
    /// Counted runs of the last hour, as far as they were seen.
    pub counted_1h: u32,
    /// How long it took until what was written was seen, 95 of 100 times within the last hour, in seconds; absent where nothing waits.
    pub convergence_1h: Option<f64>,
    /// Passed runs of the last hour that are degraded, 0..=1; absent without any, and where no step has a `warn`.
    pub degraded_1h: Option<f64>,
    /// The share of the error budget that is left, from 0 to 1; absent without `slo.success`.
    pub budget_left: Option<f64>,
    /// Its canaries by health.
    pub canaries: ByHealth,
}

/// The status of a canary.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CanaryStatus {
    /// Its id.
    pub canary: String,
    /// The probe's name.
    pub probe: String,
    /// The region's name.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// In one word.
    pub standing: Health,
    /// Since when, as far as it is known.
    pub since_ms: Option<i64>,
    /// Since when nothing is known of it, also where it is failing by what failed last.
    pub without_data_since_ms: Option<i64>,
    /// Failed runs that count for it since it was well.
    pub failures: u32,
    /// Of how many counted runs, where the rule is K of N; otherwise 0.
    pub of: u32,
    /// Whether it fails at page level, held or not.
    pub paging: bool,
    /// The verdict of its last run; absent since this process began if there was none.
    pub last_verdict: Option<&'static str>,
    /// When that run ended.
    pub last_ms: Option<i64>,
    /// The step that failed last, while something is held against it.
    pub step: Option<String>,
    /// The open incident about its probe that it is in.
    pub incident: Option<String>,
}

/// An open incident.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct IncidentStatus {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub scope: String,
    /// The probe, if it is about one.
    pub probe: Option<String>,
    /// The latest key that some channel has open because of it; absent if none has.
    pub key: Option<String>,
    /// All of them, each once.
    pub keys: Vec<String>,
    /// How bad it is now: "warn", "page" or "critical".
    pub severity: &'static str,
    /// One line: what broke, for whom.
    pub title: String,
    /// When its first failed run started.
    pub since_ms: i64,
    /// The regions that make it critical.
    pub critical: Vec<String>,
    /// Who has been failing in it, as they are now: what fails first.
    pub members: Vec<MemberStatus>,
    /// How many members there are.
    pub members_total: usize,
    /// Canaries that failed once and are no members yet.
    pub suspects: usize,
    /// The latest failed run of those that fail, one for each region.
    pub failures: Vec<Arc<Failure>>,
    /// Page-level members that fail, unmuted, unexplained and unacknowledged.
    pub unanswered: usize,
    /// Its acknowledgements, in order.
    pub acknowledged: Vec<AcknowledgedStatus>,
    /// What channels were told of it, by their names.
    pub told: Vec<Told>,
    /// What channels ought to have been told of it and did not take yet.
    pub owed: Vec<Owed>,
}

impl IncidentStatus {
    /// The same with at most this many members; [`Self::members_total`] says how many there are.
    #[must_use]
    pub fn clipped(mut self, members: usize) -> Self {
        self.members.truncate(members);
        self
    }
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AcknowledgedStatus {
    /// Who.
    pub by: String,
    /// When.
    pub at_ms: i64,
    /// Why, in their words.
    pub reason: Option<String>,
}

/// What a channel was told of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Told {
    /// The channel's name.
    pub channel: String,
    /// How often it was rung and took it.
    pub rings: u32,
    /// When it was rung last.
    pub last_ms: i64,
}

/// What a channel ought to have been told and did not take yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Owed {
    /// What it is about.
    pub scope: String,
    /// The incident's id.
    pub incident: String,
    /// The channel's name.
    pub channel: String,
    /// Since when.
    pub since_ms: i64,
}

/// Test data of a probe that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeakStatus {
    /// The probe's name; it may be gone.
    pub probe: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Entries of the cleanup ledger that were given up.
    pub entries: usize,
    /// Since when the oldest was.
    pub since_ms: i64,
}

/// The status of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelStatus {
    /// Its name.
    pub channel: String,
    /// What it speaks.
    pub kind: &'static str,
    /// Whether it wakes somebody.
    pub wakes: bool,
    /// Incidents that it is owed.
    pub owed: usize,
    /// Since when the oldest of them is owed.
    pub owed_since_ms: Option<i64>,
    /// Tries that are in flight or wait to be repeated.
    pub tries: usize,
    /// When it last took something.
    pub taken_ms: Option<i64>,
    /// Why it takes nothing; absent while it does.
    pub trouble: Option<String>,
}
