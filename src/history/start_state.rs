//! What an earlier process left, as a process that starts gets it.

use std::path::PathBuf;
use std::time::Duration;

use super::{IncidentRow, TryState, UnreadableEntry};
use crate::outcome::LedgerEntry;

/// How long after its end an incident is restored.
pub(super) const ENDED: Duration = Duration::from_hours(24);

/// How long after its end an incident is restored if something is still owed of it.
pub(super) const OWED: Duration = Duration::from_hours(24 * 7);

/// What an earlier process left.
#[derive(Debug, Clone, Default)]
pub struct StartState {
    /// States; those of an incident while it is restored.
    pub states: Vec<RestoredState>,
    /// Open incidents, those that ended in the last 24 hours, and those of the last 7 days of which something is still owed: a
    /// [cover or member](super::OF_INCIDENTS) is kept of them, or a try waits.
    pub incidents: Vec<IncidentRow>,
    /// Tries that wait: they were on their way when the process ended, or their outcome is unknown. In the order of their making.
    pub tries: Vec<RestoredTry>,
    /// Messages that format 2 of the store has of restored incidents, sent or not, in the order of their making; `json` is the
    /// notice.
    pub former: Vec<RestoredTry>,
    /// The last finished tick of each canary's slots.
    pub last_ticks: Vec<RestoredTick>,
    /// Cleanups that did not finish and were not given up on.
    pub ledger: Vec<LedgerEntry>,
    /// Rows of the cleanup ledger that cannot be read and are left where they are.
    pub unreadable: Vec<UnreadableEntry>,
    /// Where a damaged file was put; what could be read of it is in the other fields.
    pub damaged: Option<PathBuf>,
}

/// A [`StateRow`](super::StateRow) that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredState {
    /// What kind.
    pub kind: String,
    /// Whose.
    pub key: String,
    /// The state.
    pub json: String,
}

/// The last tick of a canary's slot that has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTick {
    /// The canary's id.
    pub canary: String,
    /// Its slot.
    pub slot: u32,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
}

/// A [`TryRow`](super::TryRow) that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTry {
    /// Its id.
    pub id: String,
    /// The incident it tells of; the first one, if there are several.
    pub incident: String,
    /// The channel's name.
    pub channel: String,
    /// A closed word.
    pub what: String,
    /// The key it opens, changes or ends.
    pub key: String,
    /// When it was made, milliseconds since the epoch.
    pub made_ms: i64,
    /// How it stands.
    pub state: TryState,
    /// Times it left.
    pub attempts: u32,
    /// When it left last, milliseconds since the epoch.
    pub tried_ms: Option<i64>,
    /// Everything else.
    pub json: String,
}
