//! How a channel fares, for `status`, the API, metrics and the heartbeat.

use std::sync::Arc;
use std::time::Duration;

/// How a channel fares. Times are steady.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Its name.
    pub channel: Arc<str>,
    /// The word of what it speaks.
    pub kind: &'static str,
    /// What is due there and was not taken, on its way or not.
    pub due: usize,
    /// Tries on their way.
    pub flying: usize,
    /// Tries of which nobody knows whether they were taken, and that wait to be repeated.
    pub unknown: usize,
    /// Since when the oldest page is due.
    pub page_since: Option<Duration>,
    /// When it took something last, in the life of this process.
    pub taken: Option<Duration>,
    /// Why it did not take what it was sent last; redacted. Nothing once it took something.
    pub trouble: Option<Arc<str>>,
    /// Whether it takes nothing at all, so that it is only tried now and then.
    pub away: bool,
}
