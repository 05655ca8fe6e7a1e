//! The status of alerting as several viewers share it.
//!
//! Making it walks over all canaries, on the thread of the alerts. So that viewers cost that thread little, one that is less than
//! a second old serves all of them, and whoever changed something makes a new one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::alert::Status;
use crate::base::time::now_ms;
use crate::web::Api;

/// How old a shared one may be.
const FRESH: Duration = Duration::from_secs(1);

/// Rules that were not evaluated for so long stand still. With the next look at a page, that is seen within ten seconds.
const LATE: Duration = Duration::from_secs(5);
/// How long the status may take, before an earlier one has to do.
const MADE_WITHIN: Duration = Duration::from_secs(2);

/// The state of everything at one moment.
#[derive(Debug)]
pub(in crate::web) struct Snapshot {
    /// Milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// What alerting knows.
    pub(in crate::web) status: Status,
}

/// Why what is shown may be over, if it may.
pub(in crate::web) fn staleness(api: &Api) -> Option<String> {
    if !api.scheduler.punctual() {
        return Some("The scheduler does not start ticks on time: what this page shows may be over.".to_owned());
    }
    if !api.alerts.evaluated_within(LATE) {
        return Some("The alert rules are not being evaluated: what this page shows may be over.".to_owned());
    }
    None
}

/// Shares the newest snapshot.
#[derive(Debug, Default)]
pub struct Snapshots {
    newest: Mutex<Option<(Instant, Arc<Snapshot>)>>,
}

impl Snapshots {
    /// One that is less than a second old; where the alerts do not answer, the last one, with its own time. Nothing while the service
    /// stops, and where there was none before.
    pub(in crate::web) async fn get(&self, api: &Api) -> Option<Arc<Snapshot>> {
        let mut newest = self.newest.lock().await;
        if let Some((made, snapshot)) = &*newest
            && made.elapsed() < FRESH
        {
            return Some(Arc::clone(snapshot));
        }
        let Ok(status) = tokio::time::timeout(MADE_WITHIN, api.alerts.status()).await else {
            return newest.as_ref().map(|(_, snapshot)| Arc::clone(snapshot));
        };
        let status = status?;
        let snapshot = Arc::new(Snapshot { at_ms: now_ms(), status });
        *newest = Some((Instant::now(), Arc::clone(&snapshot)));
        Some(snapshot)
    }

    /// Somebody changed something: the next one is made anew.
    pub(in crate::web) async fn forget(&self) {
        *self.newest.lock().await = None;
    }
}
