//! Pinging the dead-man's switches for as long as the service runs.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::alert::Alerts;
use crate::alert::channel::HttpClient;
use crate::alert::heartbeat::{BeatOf, beat};
use crate::plan::Heartbeat;
use crate::schedule::Scheduler;

/// The task that pings. Nobody pings once it is gone.
pub(super) struct HeartbeatTask(JoinHandle<()>);

impl HeartbeatTask {
    /// Pings from now on, on the runtime it is called on, while this process `evaluates`, where it has to.
    pub(super) fn start(
        heartbeat: Arc<Heartbeat>,
        of: BeatOf,
        client: HttpClient,
        scheduler: Scheduler,
        alerts: Alerts,
        evaluates: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let of_the_day = alerts.clone();
        let needs_evaluator = of.needs_evaluator();
        let missing = move || {
            let backlog = alerts.backlog();
            let signs = backlog.signs(!needs_evaluator || evaluates(), scheduler.punctual(), alerts.evaluating());
            signs.missing(backlog.escalate_after, backlog.seen)
        };
        Self(tokio::spawn(beat(client, heartbeat, of, move || of_the_day.secrets(), missing)))
    }

    /// Ends it, in the middle of a ping if need be.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        // That it was cut is what was asked for.
        let _cut = (&mut self.0).await;
    }
}

impl Drop for HeartbeatTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
