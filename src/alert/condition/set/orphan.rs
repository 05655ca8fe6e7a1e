//! Rows of conditions that are not in the plan any more. A file that is being rewritten is gone for a moment, so its rows are
//! kept for a minute and restored if it comes back.

use std::time::Duration;

use crate::alert::Moment;
use crate::history::{RestoredState, StateRow};

/// How long it is kept.
const KEPT: Duration = Duration::from_mins(1);

/// Rows whose owners are not in the plan.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    rows: Vec<(Duration, RestoredState)>,
}

impl Orphans {
    /// Its owner is not in the plan.
    pub(super) fn put(&mut self, row: RestoredState, now: Moment) {
        self.rows.push((now.steady + KEPT, row));
    }

    /// Everything, to be looked through for what is in the plan again.
    pub(super) fn take(&mut self) -> Vec<(Duration, RestoredState)> {
        std::mem::take(&mut self.rows)
    }

    /// It is not in the plan yet.
    pub(super) fn put_back(&mut self, until: Duration, row: RestoredState) {
        self.rows.push((until, row));
    }

    /// Forgets what was kept for long enough. Returns the rows to delete.
    pub(super) fn forget(&mut self, now: Moment) -> Vec<StateRow> {
        let (over, rows) = std::mem::take(&mut self.rows).into_iter().partition(|(until, _)| *until <= now.steady);
        self.rows = rows;
        let over: Vec<(Duration, RestoredState)> = over;
        over.into_iter().filter_map(|(_, row)| Some(super::super::row(row.kind.parse().ok()?, row.key, None))).collect()
    }

    /// When the next one is to be forgotten; steady.
    pub(super) fn due(&self) -> Option<Duration> {
        self.rows.iter().map(|(until, _)| *until).min()
    }
}
