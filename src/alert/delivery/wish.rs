//! What the evaluator wants sent, what may leave, and what became of it: the words between it and [`Delivery`](super::Delivery).

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Scope;
use crate::alert::told::{Try, What};
use crate::plan::{ReceiverKind, Severity};

/// What is to be known of a channel to decide when something may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPolicy {
    /// Its unique name.
    pub name: Arc<str>,
    /// The word of what it speaks: `slack`, `pagerduty`, ….
    pub kind: &'static str,
    /// What its receiver makes of what it is sent.
    pub receiver: ReceiverKind,
    /// Whether it wakes somebody, or only informs.
    pub wakes: bool,
}

/// One thing that is due at a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What the incident is about.
    pub scope: Scope,
    /// The incident's id.
    pub incident: String,
    /// What is to be sent.
    pub what: What,
    /// The incident's severity as the channel is to be told; page-level ones go first.
    pub severity: Severity,
    /// Since when it is due; steady.
    pub since: Duration,
}

impl Wish {
    /// Whether somebody is to be woken by it.
    pub(super) fn is_page(&self) -> bool {
        self.what == What::Ring && self.severity >= Severity::Page
    }

    pub(super) fn key(&self) -> Key {
        Key { incident: self.incident.as_str().into(), what: self.what }
    }
}

/// What may be sent now. It is asked for again until it [left](super::Delivery::leaves) or is
/// [not wanted any more](super::Delivery::unwant).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// One incident.
    One {
        /// The channel's name.
        channel: Arc<str>,
        /// What is due.
        wish: Wish,
        /// Whether only title, severity and link are to be sent, because more of it was not liked.
        shortest: bool,
    },
    /// Several, as one request: one message, or one key `storm/N`.
    Gathered {
        /// The channel's name.
        channel: Arc<str>,
        /// Rings, or ends: all wishes are alike in this.
        what: What,
        /// What is due, page level first, then older; at least two.
        wishes: Vec<Wish>,
        /// Whether only titles, severities and links are to be sent.
        shortest: bool,
    },
}

/// A try of which nobody knows whether it was taken. It leaves again as it is, with its id; it is on its way already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The try; its `attempts` count this one.
    pub attempt: Try,
    /// Whether only title, severity and link are to be sent.
    pub shortest: bool,
}

/// What became of a try that was on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// It was taken. Its wishes are granted and gone: want again what is still due.
    Taken(Try),
    /// It was refused and never perhaps taken. It is dropped; what is due is made anew, under another id.
    Dropped(Try),
    /// Nobody knows. It is perhaps open, and is repeated as it is.
    Again(Try),
    /// Nobody knows, and all it tells of has ended: it is perhaps open, is not repeated, and only ended.
    Perhaps(Try),
    /// No such try is on its way: the channel was removed.
    Gone,
}

/// What a wish is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) incident: Arc<str>,
    pub(super) what: What,
}
