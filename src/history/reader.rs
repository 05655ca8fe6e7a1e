//! Questions to the store, on a connection of their own. They block: ask from a thread that may.

use super::{
    IncidentFilter, IncidentStory, IncidentView, LedgerView, MessageView, OutboxCounts, Page, ReadError, RollupView, RunDetail,
    RunFilter, RunView,
};

/// Reads the store.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Runs, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub fn runs(&self, _filter: &RunFilter, _limit: usize, _after: Option<&str>) -> Result<Page<RunView>, ReadError> {
        unimplemented!()
    }

    /// A run with its details.
    pub fn run(&self, _run_id: &str) -> Result<Option<RunDetail>, ReadError> {
        unimplemented!()
    }

    /// Incidents, newest first.
    pub fn incidents(
        &self,
        _filter: &IncidentFilter,
        _limit: usize,
        _after: Option<&str>,
    ) -> Result<Page<IncidentView>, ReadError> {
        unimplemented!()
    }

    /// An incident with its timeline and its messages.
    pub fn incident(&self, _id: &str) -> Result<Option<IncidentStory>, ReadError> {
        unimplemented!()
    }

    /// How many messages stand how.
    pub fn outbox(&self) -> Result<OutboxCounts, ReadError> {
        unimplemented!()
    }

    /// Messages that no channel will take, newest first.
    pub fn dead_letters(&self, _limit: usize, _after: Option<&str>) -> Result<Page<MessageView>, ReadError> {
        unimplemented!()
    }

    /// The hours of a canary from `since_ms` until before `until_ms`, oldest first.
    pub fn rollups(&self, _canary: &str, _since_ms: i64, _until_ms: i64) -> Result<Vec<RollupView>, ReadError> {
        unimplemented!()
    }

    /// What is still to be cleaned up, and what was given up on, oldest first.
    pub fn ledger(&self) -> Result<Vec<LedgerView>, ReadError> {
        unimplemented!()
    }
}
