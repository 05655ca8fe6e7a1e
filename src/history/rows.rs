//! What is handed to the store.

use std::sync::Arc;

use super::{OutcomeRow, TryRow};
use crate::outcome::RunReport;

/// Kinds of states that belong to an incident. Their keys begin with its id and `/`; they are read back while the incident is
/// remembered, and go with it.
pub const OF_INCIDENTS: [&str; 2] = ["cover", "member"];

/// Something that belongs together and is written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Finished runs.
    pub runs: Vec<Record>,
    /// States that changed.
    pub states: Vec<StateRow>,
    /// Incidents that changed.
    pub incidents: Vec<IncidentRow>,
    /// What happened to incidents.
    pub timeline: Vec<TimelineRow>,
    /// Tries that are about to leave.
    pub tries: Vec<TryRow>,
    /// What became of tries.
    pub outcomes: Vec<OutcomeRow>,
}

impl Commit {
    /// Whether it must be durable at once: something leaves because of it, or an incident changed.
    pub fn is_urgent(&self) -> bool {
        !self.tries.is_empty() || !self.incidents.is_empty()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Self { runs, states, incidents, timeline, tries, outcomes } = self;
        runs.is_empty()
            && states.is_empty()
            && incidents.is_empty()
            && timeline.is_empty()
            && tries.is_empty()
            && outcomes.is_empty()
    }

    /// Adds what came after.
    pub fn append(&mut self, later: Self) {
        let Self { runs, states, incidents, timeline, tries, outcomes } = later;
        self.runs.extend(runs);
        self.states.extend(states);
        self.incidents.extend(incidents);
        self.timeline.extend(timeline);
        self.tries.extend(tries);
        self.outcomes.extend(outcomes);
    }
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its report.
    pub report: Arc<RunReport>,
    /// Whether it counts for streaks and SLO (scheduled, not by hand, its canary still there).
    pub counted: bool,
}

/// Something remembered over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// What kind: "canary", "subject", "budget", "scope", "pause", …, or one of [`OF_INCIDENTS`].
    pub kind: &'static str,
    /// Whose.
    pub key: String,
    /// The state; `None` deletes the row.
    pub json: Option<String>,
}

/// An incident as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its id (ULID).
    pub id: String,
    /// The scope it is about, such as `probe/playlist-sync`.
    pub scope: String,
    /// The probe, if it is about one.
    pub probe: Option<String>,
    /// The worst it has been: "warn", "page" or "critical".
    pub severity: &'static str,
    /// Milliseconds since the epoch.
    pub opened_ms: i64,
    /// When it was last resolved; open if absent.
    pub resolved_ms: Option<i64>,
    /// Everything else.
    pub json: String,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    /// The incident's id.
    pub incident: String,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// A closed word: "opened", "joined", "left", "taken", "refused", "acknowledged", "critical", "`less_severe`", "closed", "ended".
    pub what: &'static str,
    /// A sentence.
    pub text: String,
}
