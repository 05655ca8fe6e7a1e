//! Questions to the store, on a bounded number of connections.
//!
//! Each verb asks within [`Readers::ask`], which bounds it as a whole.

mod changes;
mod event;
mod hour;
mod incident;
mod kept;
pub(super) mod ledger;
mod mark;
mod pass;
mod probe;
mod question;
mod run;
mod written;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use deadpool_postgres::Pool;
use tokio_postgres::{Client, Error};

use super::asker::Asker;
use super::restore;
use crate::base::time::epoch_ms;
use crate::history::cursor::{moment_and_id, numbers};
use crate::history::encoding::detail;
use crate::history::newest_passes::SharedPasses;
use crate::history::{
    Artifact, ArtifactView, Changes, Comparison, EventFilter, EventView, HourCounts, IncidentDetail, IncidentFilter,
    IncidentView, LedgerRows, MarksPage, ObservationFilter, ObservationView, Page, PassView, ProbeCounts, ProbeRollups,
    ProbeTotal, ReadError, RollupFilter, RollupView, RunDetail, RunFilter, RunView, StartState, TickView, TryCounts, WrittenPage,
};
use crate::plan::Bodies;

pub(super) use question::{Value, all, number, picture, small, text};

/// How long a verb may take as a whole, with the wait for a connection.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks, on a bounded number of connections.
#[derive(Debug)]
pub(super) struct Readers {
    asker: Asker,
    /// The newest passed runs, as far as the writer holds them.
    passes: SharedPasses,
    /// Which bodies are kept.
    bodies: Bodies,
    /// Whose states, ticks and cleanups are read; empty where there is no fleet.
    region: Arc<str>,
}

impl Readers {
    pub(super) fn new(pool: Pool, label: String, passes: SharedPasses, bodies: Bodies, region: Arc<str>) -> Self {
        Self { asker: Asker::new(pool, label, WITHIN), passes, bodies, region }
    }

    /// Runs, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) async fn runs(
        self: Arc<Self>,
        filter: RunFilter,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<RunView>, ReadError> {
        let after = after.as_deref().map(numbers).transpose()?;
        let limit = limit.clamp(1, Page::<RunView>::LIMIT);
        self.ask(async |client| run::list(client, &filter, limit, after).await).await
    }

    /// Runs in the order of writing. `after` is [`WrittenPage::next`] of an answer before.
    pub(super) async fn written_runs(
        self: Arc<Self>,
        filter: RunFilter,
        after: Option<String>,
        limit: usize,
    ) -> Result<WrittenPage, ReadError> {
        let after = after.as_deref().map(numbers).transpose()?;
        let limit = limit.clamp(1, WrittenPage::LIMIT);
        self.ask(async |client| written::page(client, &filter, after, limit).await).await
    }

    /// A run with its details.
    pub(super) async fn run(self: Arc<Self>, run_id: String) -> Result<Option<RunDetail>, ReadError> {
        self.ask(async |client| run::one(client, &run_id).await).await
    }

    /// The newest passed run of a canary: the one that this process holds, or else the one that is stored.
    pub(super) async fn newest_pass(self: Arc<Self>, canary: String) -> Result<Option<PassView>, ReadError> {
        if let Some(report) = self.passes.held(&canary) {
            return Ok(Some(detail::pass(&report, self.bodies)));
        }
        self.ask(async |client| pass::newest(client, &canary).await).await
    }

    /// What a failed run is compared with.
    pub(super) async fn comparison(self: Arc<Self>, run_id: String) -> Result<Comparison, ReadError> {
        self.ask(async |client| pass::comparison(client, &run_id).await).await
    }

    /// Incidents, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) async fn incidents(
        self: Arc<Self>,
        filter: IncidentFilter,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<IncidentView>, ReadError> {
        let limit = limit.clamp(1, Page::<IncidentView>::LIMIT);
        self.ask(async |client| incident::list(client, &filter, limit, after.as_deref()).await).await
    }

    /// An incident with its timeline and its tries, of each at most the latest thousand.
    pub(super) async fn incident(self: Arc<Self>, id: String) -> Result<Option<IncidentDetail>, ReadError> {
        self.ask(async |client| incident::one(client, &id).await).await
    }

    /// How many tries stand how.
    pub(super) async fn tries(self: Arc<Self>) -> Result<TryCounts, ReadError> {
        self.ask(async |client| incident::tries(client).await).await
    }

    /// The hours of a canary from `since_ms` until before `until_ms`, oldest first; the last ones come with the next housekeeping.
    pub(super) async fn rollups(
        self: Arc<Self>,
        canary: String,
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<RollupView>, ReadError> {
        self.ask(async |client| hour::rollups(client, &canary, since_ms, until_ms).await).await
    }

    /// The hours of a probe's canaries, or their days.
    pub(super) async fn rollups_of_probe(self: Arc<Self>, filter: RollupFilter) -> Result<ProbeRollups, ReadError> {
        self.ask(async |client| probe::rollups(client, &filter).await).await
    }

    /// Their counts together.
    pub(super) async fn counts_of_probe(self: Arc<Self>, filter: RollupFilter) -> Result<Vec<ProbeCounts>, ReadError> {
        self.ask(async |client| probe::counts(client, &filter).await).await
    }

    /// What each probe's hours within some time come to.
    pub(super) async fn totals_of_probes(
        self: Arc<Self>,
        probe: Option<String>,
        since_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<ProbeTotal>, ReadError> {
        self.ask(async |client| probe::totals(client, probe.as_deref(), since_ms, until_ms).await).await
    }

    /// The counts of the hours of all canaries; the newest ones if they are too many.
    pub(super) async fn rollups_of_all(self: Arc<Self>, since_ms: i64, until_ms: i64) -> Result<Vec<HourCounts>, ReadError> {
        self.ask(async |client| hour::rollups_of_all(client, since_ms, until_ms).await).await
    }

    /// Runs of all canaries in the order of writing. `after` is [`MarksPage::next`] of an answer before.
    pub(super) async fn marks(
        self: Arc<Self>,
        since_ms: i64,
        after: Option<String>,
        limit: usize,
    ) -> Result<MarksPage, ReadError> {
        let after = after.as_deref().map(numbers).transpose()?;
        let limit = limit.clamp(1, MarksPage::LIMIT);
        self.ask(async |client| mark::page(client, since_ms, after, limit).await).await
    }

    /// Events, newest first. `after` is [`Page::next`] of the page before; at most [`Page::LIMIT`] come.
    pub(super) async fn events(
        self: Arc<Self>,
        filter: EventFilter,
        limit: usize,
        after: Option<String>,
    ) -> Result<Page<EventView>, ReadError> {
        let after = after.as_deref().map(moment_and_id).transpose()?;
        let limit = limit.clamp(1, Page::<EventView>::LIMIT);
        self.ask(async |client| event::list(client, &filter, limit, after).await).await
    }

    /// The ticks of a canary from `since_ms` until before `until_ms`, likewise.
    pub(super) async fn ticks(self: Arc<Self>, canary: String, since_ms: i64, until_ms: i64) -> Result<Vec<TickView>, ReadError> {
        self.ask(async |client| hour::ticks(client, &canary, since_ms, until_ms).await).await
    }

    /// What a run left.
    pub(super) async fn artifacts(self: Arc<Self>, run_id: String) -> Result<Vec<ArtifactView>, ReadError> {
        self.ask(async |client| kept::artifacts(client, &run_id).await).await
    }

    /// One of them with its bytes.
    pub(super) async fn artifact(self: Arc<Self>, run_id: String, name: String) -> Result<Option<Artifact>, ReadError> {
        self.ask(async |client| kept::artifact(client, &run_id, &name).await).await
    }

    /// Observations, oldest first.
    pub(super) async fn observations(self: Arc<Self>, filter: ObservationFilter) -> Result<Vec<ObservationView>, ReadError> {
        self.ask(async |client| kept::observations(client, &filter).await).await
    }

    /// What was written since a cursor.
    pub(super) async fn changes_since(self: Arc<Self>, cursor: Option<String>) -> Result<Changes, ReadError> {
        let cursor = cursor.as_deref().map(numbers).transpose()?;
        self.ask(async |client| changes::since(client, cursor).await).await
    }

    /// What earlier processes left.
    pub(super) async fn start_state(self: Arc<Self>, now: SystemTime) -> Result<StartState, ReadError> {
        self.ask(async |client| restore::read(client, epoch_ms(now), &self.region).await).await
    }

    /// What is still to be cleaned up, what was given up on, and what cannot be read, oldest first.
    pub(super) async fn ledger(self: Arc<Self>) -> Result<LedgerRows, ReadError> {
        self.ask(async |client| ledger::read(client, &self.region).await).await
    }

    async fn ask<T>(&self, question: impl AsyncFnOnce(&mut Client) -> Result<T, Error>) -> Result<T, ReadError> {
        self.asker.ask(question).await
    }
}

#[cfg(test)]
mod tests;
