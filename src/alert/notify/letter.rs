//! One message on its way to one channel, and what can stand in its way.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Notice;

/// One message on its way to one channel.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// The message's id, the same on every try.
    pub(super) id: String,
    /// The incident it tells of.
    pub(super) incident: String,
    /// The channel's name.
    pub(super) channel: Arc<str>,
    /// What it says.
    pub(super) notice: Arc<Notice>,
    /// Recipients that took it on an earlier try, where a channel has several.
    pub(super) taken: Vec<String>,
}

/// Why a try to deliver failed. The message is for people and has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// Whether another try can help.
    pub again: bool,
    /// Before this pause the receiver wants nothing from us at all.
    pub hold: Option<Duration>,
    /// What was tried and what came of it.
    pub message: String,
    /// Recipients that took it in spite of that.
    pub taken: Vec<String>,
}

impl Trouble {
    /// The longest pause that a receiver may ask for.
    pub(super) const LONGEST_HOLD: Duration = Duration::from_hours(1);

    /// One that may pass.
    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self { again: true, hold: None, message: message.into(), taken: Vec::new() }
    }

    /// One that no repetition cures.
    pub(super) fn lasting(message: impl Into<String>) -> Self {
        Self { again: false, ..Self::passing(message) }
    }
}
