//! What readers get: owned rows for the API and the commands.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{EventKind, RunCounts, Sketch};
use crate::outcome::{LedgerEntry, Reason, Verdict};

/// A part of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The most rows a page has.
    pub const LIMIT: usize = 500;
}

/// Which runs are wanted. What is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// The canary's id.
    pub canary: Option<String>,
    /// The probe's name.
    pub probe: Option<String>,
    /// The region's name.
    pub region: Option<String>,
    /// The verdict's word.
    pub verdict: Option<Verdict>,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// Only runs that did not pass.
    pub not_passed: bool,
    /// Only degraded runs.
    pub degraded: bool,
    /// Due at or after, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Due before, milliseconds since the epoch.
    pub until_ms: Option<i64>,
}

/// Which incidents are wanted. What is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only open ones.
    pub open: bool,
    /// About this probe.
    pub probe: Option<String>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunView {
    /// Its id (ULID).
    pub run_id: String,
    /// The canary's id.
    pub canary: String,
    /// The probe's name.
    pub probe: String,
    /// The region's name.
    pub region: String,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
    /// Which of the interval's `runs`, from 0.
    pub slot: u32,
    /// When it started, milliseconds since the epoch.
    pub started_ms: i64,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// How it ended.
    #[schema(value_type = Verdict)]
    pub verdict: &'static str,
    /// Why it did not pass.
    #[schema(value_type = Option<Reason>)]
    pub reason: Option<&'static str>,
    /// Whether it passed and a `warn` of one of its steps did not hold.
    pub degraded: bool,
    /// Its trace.
    pub trace_id: String,
    /// Whether it counts for streaks and SLO: it passed or failed, was due, and its canary was still there.
    pub counted: bool,
}

/// Runs in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrittenPage {
    /// Those that are wanted.
    pub items: Vec<RunView>,
    /// Where to go on.
    pub next: String,
    /// Whether some may be missing: this is another store, or an older copy of the same. It goes on then with what was due later than
    /// all that was there.
    pub is_cut: bool,
    /// Whether there may be more by now.
    pub more: bool,
}

impl WrittenPage {
    /// The most runs that come at once.
    pub const LIMIT: usize = 1_000;
}

/// A run with what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunDetail {
    /// The run.
    pub run: RunView,
    /// Steps with their times; of a passed run all that is kept. `details` has them in full.
    pub steps: Vec<StepView>,
    /// Of a run that did not pass: its cause, steps, expectations with the values seen, exchanges and vars. Of a degraded one: what
    /// it is degraded by. Of any run that created something: what became of its cleanup.
    pub details: Option<serde_json::Value>,
}

/// The times of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Start, from the run's start, microseconds.
    pub started_us: u64,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// How long until it held, microseconds; only of an `eventually` step.
    pub convergence_us: Option<u64>,
}

/// An incident in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentView {
    /// Its id (ULID).
    pub id: String,
    /// The scope it is about.
    pub scope: String,
    /// The probe, if it is about one.
    pub probe: Option<String>,
    /// The worst it has been.
    pub severity: String,
    /// Milliseconds since the epoch.
    pub opened_ms: i64,
    /// When it was last resolved; open if absent.
    pub resolved_ms: Option<i64>,
    /// Everything else.
    pub details: serde_json::Value,
}

/// An incident with what happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: IncidentView,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineView>,
    /// The tries that tell of it, oldest first.
    pub tries: Vec<TryView>,
}

/// Something that happened to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineView {
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// A closed word.
    pub what: String,
    /// A sentence.
    pub text: String,
}

/// A try and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TryView {
    /// Its id.
    pub id: String,
    /// The channel's name.
    pub channel: String,
    /// "ring", "change", "acknowledge" or "end".
    pub what: String,
    /// The key it opens, changes or ends.
    pub key: String,
    /// When it was made, milliseconds since the epoch.
    pub made_ms: i64,
    /// "waiting" (on its way, or nobody knows), "taken", "refused" or "dropped".
    pub state: &'static str,
    /// Times it left.
    pub attempts: u32,
    /// When it left last, milliseconds since the epoch.
    pub tried_ms: Option<i64>,
    /// When it came to its end, milliseconds since the epoch.
    pub ended_ms: Option<i64>,
    /// Why the channel did not take it.
    pub error: Option<String>,
    /// What it said when it was made.
    pub message: serde_json::Value,
}

/// How many tries stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TryCounts {
    /// They are on their way, or nobody knows.
    pub waiting: u64,
    /// Their channel took them.
    pub taken: u64,
    /// Their channel said no.
    pub refused: u64,
    /// They were not wanted any more.
    pub dropped: u64,
}

/// Which rollups of a probe are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollupFilter {
    /// The probe's name.
    pub probe: String,
    /// Only of this canary.
    pub canary: Option<String>,
    /// From the hour that this moment lies in, milliseconds since the epoch.
    pub since_ms: i64,
    /// Hours that begin before this moment.
    pub until_ms: i64,
    /// Whether whole days (UTC) may come as one rollup each, instead of their hours.
    pub by_day: bool,
}

/// Rollups of a probe's canaries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProbeRollups {
    /// Each with its canary's id, ordered by time and then by canary.
    pub rollups: Vec<(String, RollupView)>,
    /// The first hour of which they tell, where those before it were too many, milliseconds since the epoch.
    pub cut_ms: Option<i64>,
}

/// An hour of all canaries of a probe together, or a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProbeCounts {
    /// When it begins, milliseconds since the epoch.
    pub start_ms: i64,
    /// How its runs ended.
    pub counts: RunCounts,
}

/// What the hours within some time say of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTotal {
    /// Its name.
    pub probe: String,
    /// The first hour that is kept of it at all, milliseconds since the epoch; it may lie after that time.
    pub kept_since_ms: i64,
    /// How its runs within that time ended.
    pub counts: RunCounts,
}

/// An hour of a canary, or a day.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupView {
    /// Its start, milliseconds since the epoch.
    pub start_ms: i64,
    /// How its runs ended.
    pub counts: RunCounts,
    /// The durations of the passed ones, to be added to those of other hours.
    pub durations: Sketch,
    /// How often which reason was given.
    pub reasons: BTreeMap<String, u64>,
    /// How far runs that passed or failed came, in the order in which steps were first reached; nothing of hours that an earlier
    /// version counted.
    pub steps: Vec<StepHour>,
}

/// A step in an hour of a canary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepHour {
    /// Its name.
    pub name: String,
    /// Runs that came to it.
    pub reached: u64,
    /// Runs in which it failed.
    pub failed: u64,
    /// Those of them in which it was waited for in vain; only of an `eventually` step.
    pub lost: u64,
    /// How long it took where it passed, microseconds.
    pub durations: Sketch,
    /// How long until it held, microseconds; only of an `eventually` step.
    pub convergence: Sketch,
}

/// A tick that counted, and how its run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickView {
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reason: Option<Reason>,
}

/// An entry of the cleanup ledger and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerView {
    /// The entry.
    pub entry: LedgerEntry,
    /// Whether it was given up on.
    pub given_up: bool,
    /// What the last try saw.
    pub message: Option<String>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableEntry {
    /// Its id.
    pub id: String,
    /// Why it cannot be read.
    pub why: String,
}

/// Everything in the ledger, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LedgerRows {
    /// What can be read.
    pub entries: Vec<LedgerView>,
    /// What cannot.
    pub unreadable: Vec<UnreadableEntry>,
}

/// A passed run in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PassView {
    /// Its id (ULID).
    pub run_id: String,
    /// Its canary's id.
    pub canary: String,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
    /// As [`RunDetail::details`] of a run that did not pass.
    pub details: serde_json::Value,
}

/// What a failed run is compared with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// The last run of its canary that had passed before.
    pub before: Option<PassView>,
    /// The last run of another region or cell that had passed, within an interval.
    pub beside: Option<PassView>,
}

/// An artifact in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ArtifactView {
    /// Its name.
    pub name: String,
    /// What it is, as in HTTP.
    pub media_type: String,
    /// How many bytes it had.
    pub size: u64,
    /// Whether they are kept; they were too many otherwise.
    pub is_kept: bool,
}

/// An artifact with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is, as in HTTP.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Which observations are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservationFilter {
    /// The canary's id.
    pub canary: String,
    /// What was observed.
    pub name: String,
    /// What it was observed of; of nothing if absent.
    pub subject: Option<String>,
    /// At or after, milliseconds since the epoch.
    pub since_ms: i64,
    /// Before, milliseconds since the epoch.
    pub until_ms: i64,
}

/// An observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ObservationView {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// The number.
    pub value: f64,
    /// How many things it stands for.
    pub weight: f64,
}

/// Which events are wanted. What is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these kinds; of all if there are none.
    pub kinds: Vec<EventKind>,
    /// About this probe, or about none.
    pub probe: Option<String>,
    /// About this incident.
    pub incident: Option<String>,
    /// At or after, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Before, milliseconds since the epoch.
    pub until_ms: Option<i64>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventView {
    /// Its id (ULID).
    pub id: String,
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// What kind it is.
    #[schema(value_type = EventKind)]
    pub kind: &'static str,
    /// The probe, if it is about one.
    pub probe: Option<String>,
    /// The id of the incident, if it is about one.
    pub incident: Option<String>,
    /// Who did it, if anybody is known to have.
    pub by: Option<String>,
    /// A short word such as "acknowledge", "pause" or "deploy".
    pub what: String,
    /// A sentence or more.
    pub text: String,
}

/// What was written since somebody looked last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Where to go on.
    pub next: String,
    /// Whether something may have been left out, because whoever follows was away for too long, or the store was begun anew: read
    /// everything, and go on from `next`.
    pub is_cut: bool,
    /// Whether there is more now.
    pub more: bool,
    /// What changed, each kind in the order of writing.
    pub changes: Vec<Change>,
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A run was written.
    Run {
        /// Its id (ULID).
        run_id: String,
        /// Its canary's id.
        canary: String,
    },
    /// An incident, its timeline or its tries changed.
    Incident {
        /// Its id.
        id: String,
    },
    /// A state changed, of a kind that is [followed](super::FOLLOWED).
    State {
        /// What kind.
        state: String,
        /// Whose.
        key: String,
    },
    /// The cleanup ledger changed.
    Ledger,
    /// An event was written.
    Event {
        /// Its id.
        id: String,
    },
}

/// What a try said: a text that is JSON itself, or what format 2 of the store called a notice.
pub(super) fn try_message(kept: &str) -> serde_json::Value {
    let mut kept = json(kept);
    match kept.get_mut("message").map(serde_json::Value::take) {
        Some(serde_json::Value::String(text)) => json(&text),
        Some(message) => message,
        None => kept.get_mut("notice").map(serde_json::Value::take).unwrap_or_default(),
    }
}

/// What is not JSON is shown as the text it is.
pub(super) fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
