//! A member of an incident as `status`, the API and `serinus incidents` show it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::Moment;

use super::super::fact::Level;
use super::super::view::{MemberState, MemberView, MuteKind, Muted};
use super::super::{Fact, FactKey};

/// A member as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MemberStatus {
    /// Whose fact it is: `canary/p/eu`, `subject/p/seg-1`.
    pub member: String,
    /// What people call it: `p/eu`, `subject seg-1`.
    pub name: String,
    /// The canary's id, if it is one.
    pub canary: Option<String>,
    /// The probe's name, if it is about one.
    pub probe: Option<String>,
    /// The region; empty where it is about none or several.
    pub region: String,
    /// `platform=ios,size=large`; empty without a matrix.
    pub cell: String,
    /// A closed word: failing, waiting, muted, explained, acknowledged, recovered, removed, closed, suspect.
    pub standing: &'static str,
    /// "warn" or "page", while it fails by its own rule.
    pub level: Option<&'static str>,
    /// Since when it has not been well; once it is settled, since when it is.
    pub since_ms: i64,
    /// Failed runs since it was well.
    pub failures: u32,
    /// Of how many counted runs, where the rule is K of N; otherwise 0.
    pub of: u32,
    /// The closed word of its latest failed run, or of why it is without data.
    pub reason: Option<String>,
    /// What was seen, where it is no run.
    pub words: Option<String>,
    /// Since when it is without data, though it is in the incident for what failed last.
    pub without_data_since_ms: Option<i64>,
    /// Why nobody is rung for it, or who has acknowledged it.
    pub why: Option<NotRungBecause>,
}

/// Why a member that fails rings nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NotRungBecause {
    /// A closed word: paused, maintenance, reason, subject; needs; acknowledged.
    pub what: &'static str,
    /// By whom, or because of which probes.
    pub by: Vec<String>,
    /// The reason that was given.
    pub because: Option<String>,
    /// Until when; until somebody says so if absent.
    pub until_ms: Option<i64>,
}

impl MemberStatus {
    pub(super) fn of(view: &MemberView, now: Moment) -> Self {
        let fact = &*view.fact;
        let since = match view.state {
            MemberState::Recovered(since) => since,
            MemberState::Failing
            | MemberState::Suspect
            | MemberState::Muted(_)
            | MemberState::Explained(_)
            | MemberState::Waiting(_)
            | MemberState::Acknowledged(_)
            | MemberState::Removed
            | MemberState::Closed => fact.since,
        };
        let canary = match &fact.key {
            FactKey::Canary(id) | FactKey::NoData(id) => Some(id.as_str().to_owned()),
            _ => None,
        };
        Self {
            member: fact.key.to_string(),
            name: name(fact),
            canary,
            probe: fact.key.probe().map(str::to_owned),
            region: fact.region.to_string(),
            cell: fact.cell.to_string(),
            standing: view.state.as_str(),
            level: fact.level().map(|level| level.severity().as_str()),
            since_ms: now.wall_ms_of(since),
            failures: fact.failed,
            of: fact.of,
            reason: reason(fact),
            words: fact.words.as_deref().map(str::to_owned),
            without_data_since_ms: view.without_data.map(|since| now.wall_ms_of(since)),
            why: why(&view.state, now),
        }
    }

    /// Whether it is in its incident because it has no data.
    pub(super) fn is_without_data(&self) -> bool {
        self.member.starts_with("no_data/") || self.member.starts_with("region/")
    }
}

/// Whether it fails at page level and is not acknowledged.
pub(super) fn is_unanswered(view: &MemberView) -> bool {
    // A waiting member is not explained yet.
    let unanswered = matches!(view.state, MemberState::Failing | MemberState::Waiting(_));
    unanswered && view.fact.level() == Some(Level::Page)
}

/// What fails stands first.
pub(super) fn rank(standing: &MemberState) -> u8 {
    match standing {
        MemberState::Failing => 0,
        MemberState::Waiting(_) => 1,
        MemberState::Acknowledged(_) => 2,
        MemberState::Explained(_) => 3,
        MemberState::Muted(_) => 4,
        MemberState::Suspect => 5,
        MemberState::Recovered(_) => 6,
        MemberState::Removed => 7,
        MemberState::Closed => 8,
    }
}

fn why(standing: &MemberState, now: Moment) -> Option<NotRungBecause> {
    match standing {
        MemberState::Muted(Muted { why, by, because, until }) => Some(NotRungBecause {
            what: match why {
                MuteKind::Paused => "paused",
                MuteKind::Maintenance => "maintenance",
                MuteKind::Reason(_) => "reason",
                MuteKind::Subject => "subject",
            },
            by: by.iter().map(ToString::to_string).collect(),
            because: because.as_deref().map(str::to_owned),
            until_ms: until.map(|until| now.wall_ms_of(until)),
        }),
        MemberState::Explained(probes) => Some(NotRungBecause {
            what: "needs",
            by: probes.iter().map(ToString::to_string).collect(),
            ..NotRungBecause::default()
        }),
        MemberState::Waiting(until) => {
            Some(NotRungBecause { what: "needs", until_ms: Some(now.wall_ms_of(*until)), ..NotRungBecause::default() })
        }
        MemberState::Acknowledged(by) => {
            Some(NotRungBecause { what: "acknowledged", by: vec![by.to_string()], ..NotRungBecause::default() })
        }
        MemberState::Failing | MemberState::Suspect | MemberState::Recovered(_) | MemberState::Removed | MemberState::Closed => {
            None
        }
    }
}

fn reason(fact: &Fact) -> Option<String> {
    let of_run = || fact.evidence.as_ref().map(|failure| failure.reason.clone());
    fact.reason.as_deref().map(str::to_owned).or_else(of_run)
}

/// What people call it, beside what the incident's title says already.
fn name(fact: &Fact) -> String {
    match &fact.key {
        FactKey::Canary(id) | FactKey::NoData(id) => id.as_str().to_owned(),
        FactKey::Across(probe) => format!("{probe}: its canaries together"),
        FactKey::Objective(probe, super::super::Objective::BurnRate) => format!("{probe}: its error budget"),
        FactKey::Objective(probe, super::super::Objective::Latency) => format!("{probe}: its latency"),
        FactKey::Objective(probe, super::super::Objective::Degraded) => format!("{probe}: its degraded runs"),
        FactKey::Subject(_, subject) => format!("subject {subject}"),
        FactKey::OtherSubjects(probe) => format!("further subjects of {probe}"),
        FactKey::Region(region) => format!("region {region}"),
        FactKey::Leak(_, entry) => format!("entry {entry} of the cleanup ledger"),
        FactKey::Restarts(process) => format!("restarts of {process}"),
        FactKey::Channel(name) => format!("channel {name}"),
    }
}
