//! The types between the evaluator and [`Delivery`](super::Delivery): what is wanted, what may leave, what became of it, and the backlog.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::tries::{Action, Try};
use crate::plan::{ReceiverKind, Severity};

/// The properties of a channel that decide when something may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPolicy {
    /// Its unique name.
    pub name: Arc<str>,
    /// The kind of channel: `slack`, `pagerduty`, ….
    pub kind: &'static str,
    /// What its receiver makes of what it is sent.
    pub receiver: ReceiverKind,
    /// Whether it wakes somebody, or only informs.
    pub wakes: bool,
}

/// One thing that is due at a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What the incident is about.
    pub scope: Scope,
    /// The incident's id.
    pub incident: String,
    /// What is to be sent.
    pub what: Action,
    /// The incident's severity as the channel is told it; page-level ones go first.
    pub severity: Severity,
    /// Since when it is due; steady.
    pub since: Duration,
}

impl Notification {
    /// Whether somebody is to be woken by it.
    pub(super) fn is_page(&self) -> bool {
        self.what == Action::Ring && self.severity >= Severity::Page
    }

    pub(super) fn key(&self) -> Key {
        Key { incident: self.incident.as_str().into(), what: self.what }
    }
}

/// What may be sent now. It is asked for again until it [left](super::Delivery::leaves) or is
/// [withdrawn](super::Delivery::withdraw).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// One incident.
    One {
        /// The channel's name.
        channel: Arc<str>,
        /// What is due.
        notification: Notification,
        /// Whether only title, severity and link are to be sent, because more was refused.
        shortest: bool,
    },
    /// Several, as one request: one message, or one key `storm/N`.
    Gathered {
        /// The channel's name.
        channel: Arc<str>,
        /// Rings, or ends: all notifications are alike in this.
        what: Action,
        /// What is due, page level first, then older; at least two.
        notifications: Vec<Notification>,
        /// Whether only titles, severities and links are to be sent.
        shortest: bool,
    },
}

/// A try of unknown outcome that is repeated with the same id. It is in flight already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The try; its `attempts` count this one.
    pub attempt: Try,
    /// Whether only title, severity and link are to be sent.
    pub shortest: bool,
}

/// What became of a try that was in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// It was taken. Its notifications are removed; what is still due is enqueued again.
    Taken(Try),
    /// It was refused and not taken by an earlier attempt. It is dropped, and what is due is made anew with another id.
    Dropped(Try),
    /// The outcome is unknown. It is perhaps open, and is repeated as it is.
    Again(Try),
    /// The outcome is unknown and all its incidents have ended. It is perhaps open; it is not repeated, only ended.
    Perhaps(Try),
    /// No such try is in flight: the channel was removed.
    Gone,
}

/// What a notification is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) incident: Arc<str>,
    pub(super) what: Action,
}

/// What is due at a channel, and whether it takes anything. Times are steady.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelBacklog {
    /// Its name.
    pub channel: Arc<str>,
    /// The kind of channel.
    pub kind: &'static str,
    /// What is due there and was not taken, in flight or not.
    pub due: usize,
    /// Tries in flight.
    pub in_flight: usize,
    /// Tries of unknown outcome that wait to be repeated.
    pub unknown: usize,
    /// Since when the oldest page is due.
    pub page_since: Option<Duration>,
    /// When it took something last, in the life of this process.
    pub taken: Option<Duration>,
    /// Why it did not take its last try; redacted. None once it took something.
    pub last_error: Option<Arc<str>>,
    /// Whether it takes nothing, so that it is tried only now and then.
    pub away: bool,
}
