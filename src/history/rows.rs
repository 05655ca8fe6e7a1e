//! What is handed to the store: rows, and [`Commit`], what of them belongs together. Nothing here is decided, only named and put together.

mod event;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Epoch;
use crate::outcome::{RunId, RunReport};
use crate::plan::Canary;
pub use event::{EventKind, EventRow};

/// Kinds of states that belong to an incident. Their keys begin with its id and `/`; they are read back while the incident is
/// restored, and go with it.
pub const OF_INCIDENTS: [&str; 2] = ["cover", "member"];

/// Kinds of states that belong to the evaluator, those [of incidents](OF_INCIDENTS) among them.
pub const OF_EVALUATOR: [&str; 9] =
    [OF_INCIDENTS[0], OF_INCIDENTS[1], "closed", "channel", "unheard", "scope", "generation", "generations_after", HANDED_IN];

/// The kind of states that say which version of what a region [told alone](TOLD_ALONE) was taken over. Their keys are `REGION ID`.
pub const HANDED_IN: &str = "handed_in";

/// What a region told of an incident while it was alone: rows among its facts with the key `told_alone/ID`, which come before all facts of
/// their transaction; and the kind of states that wait in a journal to become such rows.
pub const TOLD_ALONE: &str = "told_alone";

/// Kinds of states that belong to the process that probes: of conditions, and of when it was last there.
pub const OF_REGION: [&str; 12] = [
    "canary", "across", "subject", "budget", "latency", "degraded", "blind", "leak", "restarts", "started", "stopped", "attended",
];

/// Kinds of states whose changes are told to those who follow.
pub const FOLLOWED: [&str; 2] = ["pause", "mute"];

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
    /// What runs left for people to look at.
    pub artifacts: Vec<ArtifactRow>,
    /// Numbers that runs read.
    pub observations: Vec<ObservationRow>,
    /// What people and programs did, and what changed.
    pub events: Vec<EventRow>,
    /// What changed for the evaluator of a fleet. Other stores than that of a fleet pass them over.
    pub facts: Vec<FactRow>,
    /// The epoch under which the rows of the evaluator in it were made; nothing where there is no fleet.
    pub evaluator: Option<Epoch>,
}

impl Commit {
    /// Whether it must be durable at once: something leaves because of it, an incident changed, or another process waits for it.
    pub fn is_urgent(&self) -> bool {
        !self.tries.is_empty() || !self.incidents.is_empty() || !self.facts.is_empty()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Self { runs, states, incidents, timeline, tries, outcomes, artifacts, observations, events, facts, evaluator: _ } =
            self;
        runs.is_empty()
            && states.is_empty()
            && incidents.is_empty()
            && timeline.is_empty()
            && tries.is_empty()
            && outcomes.is_empty()
            && artifacts.is_empty()
            && observations.is_empty()
            && events.is_empty()
            && facts.is_empty()
    }

    /// Adds what came after.
    pub fn append(&mut self, later: Self) {
        let Self { runs, states, incidents, timeline, tries, outcomes, artifacts, observations, events, facts, evaluator } =
            later;
        self.runs.extend(runs);
        self.states.extend(states);
        self.incidents.extend(incidents);
        self.timeline.extend(timeline);
        self.tries.extend(tries);
        self.outcomes.extend(outcomes);
        self.artifacts.extend(artifacts);
        self.observations.extend(observations);
        self.events.extend(events);
        self.facts.extend(facts);
        self.evaluator = self.evaluator.max(evaluator);
    }
}

/// A fact for the evaluator of a fleet, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// What it is about; unique in its region.
    pub key: String,
    /// What it says; nothing where it is not watched any more.
    pub json: Option<String>,
    /// Whether all is well, so that an evaluator that starts needs not know it.
    pub well: bool,
}

/// Something that a run left for people to look at, such as a screenshot. It goes with its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// The run's id.
    pub run_id: RunId,
    /// Its name; unique in its run, where the first one stays.
    pub name: String,
    /// What it is, as in HTTP.
    pub media_type: String,
    /// Its bytes, with nothing secret in them.
    pub bytes: Bytes,
}

impl ArtifactRow {
    /// The most bytes of one that are kept.
    pub const BYTES: usize = 2 << 20;
    /// The most bytes that are kept of all of a run. Of what is too much, name, media type and size are kept.
    pub const BYTES_OF_RUN: usize = 8 << 20;
    /// The most of a run; what comes after them is not kept at all.
    pub const OF_RUN: usize = 32;
}

/// A number that was read in a run.
#[derive(Debug, Clone)]
pub struct ObservationRow {
    /// The canary whose run it was.
    pub canary: Arc<Canary>,
    /// What was observed.
    pub name: String,
    /// What it was observed of, if of something.
    pub subject: Option<String>,
    /// When, milliseconds since the epoch; of two of the same moment the later one counts.
    pub at_ms: i64,
    /// The number; one that is not finite is not kept.
    pub value: f64,
    /// How many things it stands for.
    pub weight: f64,
    /// How long it is kept: the longest window of its rules.
    pub retention: Duration,
}

/// A finished run.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its report.
    pub report: Arc<RunReport>,
    /// Whether it counts for streaks and SLO (scheduled, not by hand, its canary still there).
    pub counted: bool,
}

/// A state that a restart does not lose.
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
    /// A closed word: "opened", "joined", "left", "taken", "refused", "acknowledged", "critical", "`less_severe`", "closed", "ended",
    /// "`handed_in`".
    pub what: &'static str,
    /// A sentence.
    pub text: String,
}

/// A request to a channel that is about to leave. Handed in again, it is the same one with a fresher text, or one made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryRow {
    /// Its id.
    pub id: String,
    /// The ids of the incidents that it tells of.
    pub incidents: Vec<String>,
    /// The channel's name.
    pub channel: String,
    /// A closed word: "ring", "change", "acknowledge", "end".
    pub what: &'static str,
    /// The key it opens, changes or ends.
    pub key: String,
    /// When it was made, milliseconds since the epoch; tells it from one that had the same id before.
    pub made_ms: i64,
    /// Times it left.
    pub attempts: u32,
    /// Everything else.
    pub json: String,
}

/// How a try stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TryState {
    /// It is on its way, or nobody knows whether it came through.
    Waiting,
    /// The channel took it.
    Taken,
    /// The channel said no, or there was no connection.
    Refused,
    /// It is not wanted any more.
    Dropped,
}

impl TryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Taken, Self::Refused, Self::Dropped];

    /// The word in the store, the API and the metrics: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// A word that is not known would be a later version's, which this one does not open.
    pub(super) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Waiting)
    }
}

/// What became of a try so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The try's id.
    pub id: String,
    /// When that try was made, as in [`TryRow::made_ms`].
    pub made_ms: i64,
    /// How it stands now; [`TryState::Waiting`] if nobody knows.
    pub state: TryState,
    /// Times it left.
    pub attempts: u32,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// Why the channel did not take it.
    pub error: Option<String>,
}
