//! What of a service has started, and how it is stopped: by a service that ends, and by a start that fails half-way.
//!
//! Owns the order of stopping. It knows nothing of how things start; one more of them is a field and a stage in [`Started::stop`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::alert::AlertThread;
use crate::fleet::{Answering, Keeper};
use crate::history::Store;
use crate::plan::Limits;
use crate::run::SelfCheck;
use crate::schedule::{Housekeeping, Scheduler, Stragglers};
use crate::telemetry::Telemetry;
use crate::web::Server;

use super::following::Following;
use super::heartbeat::HeartbeatTask;
use super::last_seen;
use super::reload::ConfigWatcher;
use super::standby::Standby;
use super::storage;

/// How long waiting traces may take to leave at shutdown.
const LAST_TRACES: Duration = Duration::from_secs(5);
/// How long pages on their way may take to arrive at shutdown; what is left is in the store.
const LAST_PAGES: Duration = Duration::from_secs(3);
/// How long the store may take to write what waits.
const LAST_ROWS: Duration = Duration::from_secs(5);
/// How long the listener and the housekeeping may take to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Whatever has to be stopped, as far as it has started.
#[derive(Default)]
pub(super) struct Started {
    /// Until what follows has started.
    pub(super) standby: Option<Standby>,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) housekeeping: Option<Housekeeping>,
    pub(super) telemetry: Option<Arc<Telemetry>>,
    pub(super) server: Option<Server>,
    pub(super) status_page: Option<Server>,
    pub(super) alerts: Option<AlertThread>,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) journal: Option<Arc<dyn Store>>,
    pub(super) self_check: Option<SelfCheck>,
    pub(super) config_watcher: Option<ConfigWatcher>,
    pub(super) heartbeat_tasks: Vec<HeartbeatTask>,
    pub(super) keeper: Option<Keeper>,
    pub(super) following: Option<Following>,
    pub(super) answering: Option<Answering>,
}

impl Started {
    /// This instance does not stand by any more.
    pub(super) async fn end_standby(&mut self) {
        if let Some(standby) = self.standby.take() {
            standby.stop().await;
        }
    }

    /// Stops in order: no more ticks, the runs' grace, their cleanups, pages on their way, the store, the last traces, the
    /// listener. Returns what had not ended by its deadline.
    pub(super) async fn stop(self, limits: &Limits, grace: Duration) -> Vec<String> {
        if let Some(server) = &self.server {
            server.set_ready(false);
        }
        let mut stopping = Stopping::within(grace + limits.cleanup + LAST_PAGES + LAST_ROWS + LAST_TRACES);
        if let Some(standby) = self.standby {
            stopping.stage("standby", LAST_ANSWERS, standby.stop()).await;
        }
        let mut left = Stragglers::default();
        let probed = self.scheduler.is_some();
        if let Some(scheduler) = self.scheduler {
            let runs = scheduler.stop(grace).map(|stragglers| left = stragglers);
            stopping.stage("scheduler", Duration::ZERO, runs).await;
        }
        drop(self.following);
        drop(self.answering);
        if let Some(config_watcher) = self.config_watcher {
            stopping.stage("reload", LAST_ANSWERS, config_watcher.stop()).await;
        }
        for heartbeat_task in self.heartbeat_tasks {
            stopping.stage("heartbeat", LAST_ANSWERS, heartbeat_task.stop()).await;
        }
        if let Some(housekeeping) = self.housekeeping {
            stopping.stage("housekeeping", LAST_ANSWERS, housekeeping.stop(LAST_ANSWERS).map(drop)).await;
        }
        if let Some(alerts) = self.alerts {
            stopping.stage("pages", LAST_PAGES, last_pages(alerts)).await;
        }
        let mut written = true;
        if let Some(store) = self.store {
            written = false;
            if probed {
                store.record(last_seen::stopped(SystemTime::now()));
            }
            // It keeps its own time, and is given a moment more to say how it went.
            let close = storage::close(store, LAST_ROWS).map(|all| written = all);
            stopping.stage("store", LAST_ROWS + LAST_ANSWERS, close).await;
        }
        if let Some(journal) = self.journal {
            stopping.stage("journal", LAST_ROWS + LAST_ANSWERS, storage::close(journal, LAST_ROWS).map(drop)).await;
        }
        // Whoever takes over finds everything that this process has written.
        if let Some(keeper) = self.keeper {
            stopping.stage("leases", LAST_ANSWERS, keeper.stop()).await;
        }
        if let Some(check) = self.self_check {
            stopping.stage("self check", LAST_ANSWERS, spawn_blocking(move || check.stop()).map(drop)).await;
        }
        if let Some(telemetry) = self.telemetry {
            stopping.stage("traces", LAST_TRACES, flush(telemetry)).await;
        }
        if let Some(server) = self.status_page {
            stopping.stage("listener of the status page", LAST_ANSWERS, server.stop()).await;
        }
        if let Some(server) = self.server {
            stopping.stage("listener", LAST_ANSWERS, server.stop()).await;
        }
        let unwritten = (!written).then(|| "rows for the store".to_owned());
        let runs = left.runs.iter().map(|canary| format!("run of {canary}"));
        let cleanups = left.cleanups.iter().map(|canary| format!("cleanup of {canary}"));
        stopping.stragglers().into_iter().map(str::to_owned).chain(unwritten).chain(runs).chain(cleanups).collect()
    }
}

async fn last_pages(alerts: AlertThread) {
    let left = alerts.stop(LAST_PAGES).await;
    if left > 0 {
        tracing::warn!(
            left,
            "channels are still owed something at the end; it follows from the store, and leaves when the service starts again"
        );
    }
}

async fn flush(telemetry: Arc<Telemetry>) {
    let flushed = spawn_blocking(move || telemetry.stop(LAST_TRACES)).await;
    if let Ok(flushed) = flushed
        && flushed.lost > 0
    {
        tracing::warn!(
            lost = flushed.lost,
            exported = flushed.exported,
            "traces were lost at shutdown: the receiver did not take them"
        );
    }
}

/// A shutdown under way: stages are waited for one after the other, all by the same deadline.
#[derive(Debug)]
struct Stopping {
    deadline: Instant,
    stragglers: Vec<&'static str>,
}

impl Stopping {
    /// A shutdown that has `grace` from now.
    fn within(grace: Duration) -> Self {
        Self { deadline: Instant::now() + grace, stragglers: Vec::new() }
    }

    /// Waits for a stage to end. One that does not is named and left behind, and the next still gets `least` of its own, so
    /// that one slow part does not cost the others their last words.
    async fn stage(&mut self, name: &'static str, least: Duration, end: impl Future<Output = ()>) {
        let until = self.deadline.max(Instant::now() + least);
        if tokio::time::timeout_at(until, end).await.is_err() {
            self.stragglers.push(name);
        }
    }

    /// Everything that did not end in time, in the order it was asked to.
    fn stragglers(self) -> Vec<&'static str> {
        self.stragglers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_hangs_is_named_and_the_next_one_still_gets_its_least() {
        let mut stopping = Stopping::within(Duration::from_secs(10));
        stopping.stage("scheduler", Duration::ZERO, std::future::pending()).await;
        stopping.stage("traces", Duration::from_secs(2), tokio::time::sleep(Duration::from_secs(1))).await;
        stopping.stage("listener", Duration::ZERO, std::future::pending()).await;
        assert_eq!(stopping.stragglers(), ["scheduler", "listener"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_not_waited_out() {
        let start = Instant::now();
        let mut stopping = Stopping::within(Duration::from_secs(30));
        stopping.stage("scheduler", Duration::ZERO, tokio::time::sleep(Duration::from_secs(3))).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert!(stopping.stragglers().is_empty());
    }
}
