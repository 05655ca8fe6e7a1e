//! What follows from something that happened to the outbox.

use std::sync::Arc;

use crate::alert::Action;
use crate::history::{Commit, DeliveryRow, MessageRow};

/// What the desk and the log should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A channel took a message.
    Delivered {
        /// The message's id.
        message: String,
        /// Its incident.
        incident: String,
        /// Its key.
        key: String,
        /// The channel's name.
        channel: Arc<str>,
        /// What the channel did with the key.
        action: Action,
    },
    /// A channel will never take a message, or has not taken a page for too long.
    Undelivered {
        /// The message's id.
        message: String,
        /// Its incident.
        incident: String,
        /// Its key.
        key: String,
        /// The channel's name.
        channel: Arc<str>,
        /// Whether it was given up; otherwise it is still tried.
        dead: bool,
        /// Why the last try failed.
        error: String,
        /// The channels that are told instead; from now on they hear of what becomes of the key.
        told: Vec<Arc<str>>,
    },
}

/// How a try or a message ended, a label value of `serinus_notifications_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tally {
    /// The channel took it.
    Delivered,
    /// A try failed and there will be another.
    Retried,
    /// It was given up.
    Dead,
    /// It went to the other channels.
    Escalated,
}

impl Tally {
    /// The word used in the label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Escalated => "escalated",
        }
    }
}

/// What is to be written, told and counted.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) messages: Vec<MessageRow>,
    pub(super) deliveries: Vec<DeliveryRow>,
    pub(super) news: Vec<News>,
    pub(super) tallies: Vec<(Arc<str>, Tally)>,
}

impl Effects {
    /// What is to be written, if anything is.
    pub(super) fn commit(&mut self) -> Option<Commit> {
        let commit = Commit {
            messages: std::mem::take(&mut self.messages),
            deliveries: std::mem::take(&mut self.deliveries),
            ..Commit::default()
        };
        (!commit.messages.is_empty() || !commit.deliveries.is_empty()).then_some(commit)
    }
}
