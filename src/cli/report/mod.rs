//! Renderers of finished runs: pure functions from a report to text.
//!
//! Each takes a [`FinishedRun`] and knows nothing of where the text goes. Texts in reports are redacted and bounded already; what
//! remains to do here is that they cannot break out of the format they are put into. A new format is a file. `page` and `polls` are parts of
//! the two for people.

mod brief;
#[cfg(test)]
pub(super) mod fixture;
mod human;
mod junit;
mod page;
mod polls;

use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use brief::brief;
pub(crate) use human::human;
pub(crate) use junit::junit;

use serde_json::Value;

use crate::outcome::{CleanupReport, RunReport};

/// A run with its cleanup, if it had anything to clean up.
#[derive(Debug, Clone)]
pub(crate) struct FinishedRun {
    /// What happened.
    pub(crate) report: Arc<RunReport>,
    /// What became of what it created.
    pub(crate) cleanup: Option<Arc<CleanupReport>>,
}

impl FinishedRun {
    /// The run as one object of the promised shape.
    pub(crate) fn to_json(&self) -> Value {
        self.report.to_json(self.cleanup.as_deref())
    }
}

/// The time of day of a moment, in UTC.
pub(crate) fn clock(moment: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(moment).format("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::fixture::{assert_snapshot, missed, passed, silent_registration};
    use super::*;

    #[test]
    fn a_run_has_the_promised_shape() {
        let runs: Vec<Value> = [passed(), silent_registration(), missed()].iter().map(FinishedRun::to_json).collect();
        assert_snapshot("runs.json", &format!("{:#}\n", Value::from(runs)));
    }

    #[test]
    fn a_run_is_one_line() {
        assert!(!silent_registration().to_json().to_string().contains('\n'));
    }
}
