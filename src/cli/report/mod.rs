//! Renderers of finished runs: pure functions from a report to text.
//!
//! Each takes a [`Done`] and knows nothing of where the text goes. Texts in reports are redacted and bounded already; what
//! remains to do here is that they cannot break out of the format they are put into. A new format is a file.

#[cfg(test)]
pub(super) mod fixture;
mod human;
mod json;
mod junit;
mod waterfall;

use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use human::human;
pub(crate) use json::{cell, json, location, seen};
pub(crate) use junit::junit;

use crate::outcome::{CleanupReport, RunReport};

/// A run with its cleanup, if it had anything to clean up.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// What happened.
    pub(crate) report: Arc<RunReport>,
    /// What became of what it created.
    pub(crate) cleanup: Option<Arc<CleanupReport>>,
}

/// A moment as RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(moment).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// The time of day of a moment, in UTC.
pub(crate) fn clock(moment: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(moment).format("%H:%M:%S").to_string()
}
