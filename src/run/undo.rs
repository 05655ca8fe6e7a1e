//! What must be undone, and what is known of its creation. Plain data; what an answer says of it is read in `creation`.

use std::sync::Arc;

use crate::outcome::SpanId;

use super::scope::Names;

/// A step that may have created something, and how to undo it.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    /// What identifies it: the span of the step's execution.
    pub(super) id: SpanId,
    /// Path to the step whose `cleanup` undoes it.
    pub(super) step: Arc<str>,
    /// Names as they were, with the step's captures once it has them.
    pub(super) names: Names,
    /// The device that created it.
    pub(super) device: Arc<str>,
    /// What is known of the creation.
    pub(super) made: CreationStatus,
    /// Its entry in the ledger, where there is one.
    pub(super) entry: Option<String>,
}

/// Whether a step with a cleanup created something. Of several attempts the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Created {
    /// No byte was sent, or the target said no: by itself, as with a 4xx, or so that `unless_created` holds.
    No,
    /// The request may have left; what it created is not known for certain.
    Maybe,
    /// Its captures are known.
    Yes,
}

/// What is known of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CreationStatus {
    /// Whether there is something.
    pub(super) created: Created,
    /// Whether an attempt was cut before its answer came, so that what it creates may still come.
    pub(super) cut: bool,
}

impl CreationStatus {
    /// Nothing was sent.
    pub(super) const NOTHING: Self = Self { created: Created::No, cut: false };

    /// What was asked is about to leave, and no answer has come.
    pub(super) const SENT: Self = Self { created: Created::Maybe, cut: true };

    /// Of several attempts.
    pub(super) fn and(self, other: Self) -> Self {
        Self { created: self.created.max(other.created), cut: self.cut || other.cut }
    }
}
