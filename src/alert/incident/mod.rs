//! One incident: who is in it, how bad it is, who was told.
//!
//! Owns what is known of it; when somebody is told is decided in `desk`. Who is in it is not kept in its own row, because
//! thousands may be: it follows from the machines' states at restart.

mod keys;
mod members;
mod past;
mod row;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Failure, Moment, Scope};
use crate::plan::Severity;

pub(super) use keys::{Keys, Told};
pub(super) use members::{Joined, Members};
pub(super) use past::Past;

/// Sentences kept for its messages.
const NOTES: usize = 8;

/// An open incident.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Incident {
    pub(super) id: String,
    pub(super) scope: Scope,
    /// When it opened, milliseconds since the epoch.
    pub(super) opened_ms: i64,
    /// When the problem began, milliseconds since the epoch.
    pub(super) since_ms: i64,
    /// How bad it is, apart from being critical; absent while it is only held open.
    pub(super) level: Option<Severity>,
    /// The worst it has been.
    pub(super) worst: Severity,
    pub(super) members: Members,
    /// Since when there is no problem any more; steady time.
    pub(super) quiet: Option<Duration>,
    /// Whether enough regions fail, or did a short time ago.
    pub(super) critical: Option<Critical>,
    pub(super) acknowledged: Option<Acknowledged>,
    /// The incidents that explain it. While there are any, nobody is told of it.
    pub(super) attached: Vec<Root>,
    /// Failures that came while all that explains it had passed last. A restart counts anew.
    pub(super) unexplained: u32,
    pub(super) keys: Keys,
    /// The failure that decided, or the latest one.
    pub(super) failure: Option<Arc<Failure>>,
    pub(super) notes: Vec<String>,
    /// Its entry in the agenda.
    pub(super) due: Option<Duration>,
}

/// It is critical.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Critical {
    /// Since when it would not be, if it were not held; steady time.
    pub(super) lost: Option<Duration>,
}

/// Somebody is at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    pub(super) by: String,
    pub(super) at_ms: i64,
}

/// An incident that explains another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) scope: Scope,
    pub(super) incident: String,
}

impl Incident {
    /// One that opens now.
    pub(super) fn open(id: String, scope: Scope, now: Moment) -> Self {
        Self {
            id,
            scope,
            opened_ms: now.wall_ms(),
            since_ms: now.wall_ms(),
            level: None,
            worst: Severity::Warn,
            members: Members::default(),
            quiet: None,
            critical: None,
            acknowledged: None,
            attached: Vec::new(),
            unexplained: 0,
            keys: Keys::default(),
            failure: None,
            notes: Vec::new(),
            due: None,
        }
    }

    /// How bad it is now; while it is only held open, as bad as it was told.
    pub(super) fn severity(&self) -> Severity {
        let told = || self.keys.page().map_or(Severity::Warn, |told| told.severity);
        if self.critical.is_some() { Severity::Critical } else { self.level.unwrap_or_else(told) }
    }

    /// Keeps a sentence for its messages; the oldest goes when there are too many.
    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() >= NOTES {
            self.notes.remove(0);
        }
        self.notes.push(note);
    }
}
