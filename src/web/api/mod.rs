//! `/api/v1`: what a running service knows and what it can be asked to do, as JSON.
//!
//! Reading goes to the store, acting goes through verbs. Routes that change something ask for the
//! token, and without one configured they do nothing. Every error is a problem of RFC 9457. Lists are paged: `limit` (at most
//! 500) and `after`, which is the `next` of the page before; `table` makes CSV of them as well. Times are milliseconds since the
//! epoch and end in `_ms`. What pages show that is computed comes from the same `model`. A new route is a line of [`ROUTES`], of
//! `reading` or `changing` and of `openapi`, a handler in the file of its subject with `#[utoipa::path]` and its answer as a type,
//! and a row in `config/README.md`.

pub(in crate::web) mod annotations;
pub(in crate::web) mod audit;
mod body;
mod certificates;
mod failure;
mod fleet;
pub(in crate::web) mod incidents;
mod leaks;
mod maintenance;
pub(in crate::web) mod mutes;
mod names;
mod openapi;
pub(in crate::web) mod operations;
mod pauses;
mod probes;
mod requests;
mod runs;
mod slo;
mod started_by_hand;
mod status;
mod stream;
mod table;
pub(in crate::web) mod verbs;
pub(in crate::web) mod verify;
pub(in crate::web) mod withdraw;

use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::{get, post};
use futures::future::BoxFuture;

use crate::alert::Alerts;
use crate::alert::channel::HttpClient;
use crate::history::{CleanupLedger, Follower, ReadFuture, Reader, Recorder};
use crate::plan::{Alerting, Plan};
use crate::schedule::Scheduler;
use crate::web::{Recent, Snapshots, StatusPages};

use super::access::login_code;
use super::status_page;

pub(in crate::web) use body::Body;
pub use certificates::{CertificateList, CertificateView};
pub(in crate::web) use failure::Failure;
pub use mutes::MuteList;
pub(in crate::web) use names::{canaries as canaries_called, name as target_name, nothing};
pub use operations::{SweepOutcome, SweptEntry};
pub use pauses::{SyncedPauses, WrittenStates, paused, restored_pauses};
pub use requests::Others;
pub use verbs::{LastReload, Reloaded};

/// How long a question to the store may wait and take.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Every route, by method and path. Those that are no `GET` change something.
pub const ROUTES: [(&str, &str); 38] = [
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/fleet"),
    ("GET", "/api/v1/status-page"),
    ("GET", "/api/v1/canaries"),
    ("GET", "/api/v1/stream"),
    ("GET", "/api/v1/probes/{name}"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/runs/written"),
    ("GET", "/api/v1/runs/{id}"),
    ("GET", "/api/v1/runs/{id}/beside"),
    ("GET", "/api/v1/runs/{id}/artifacts"),
    ("GET", "/api/v1/incidents"),
    ("GET", "/api/v1/incidents/{id}"),
    ("GET", "/api/v1/incidents/{id}/analysis"),
    ("POST", "/api/v1/incidents/{id}/ack"),
    ("POST", "/api/v1/incidents/{id}/close"),
    ("POST", "/api/v1/incidents/{id}/notes"),
    ("POST", "/api/v1/incidents/{id}/notes/{note}/withdraw"),
    ("GET", "/api/v1/incidents/{id}/verify"),
    ("POST", "/api/v1/incidents/{id}/verify"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/annotations"),
    ("POST", "/api/v1/annotations"),
    ("GET", "/api/v1/certificates"),
    ("GET", "/api/v1/leaks"),
    ("GET", "/api/v1/slo"),
    ("GET", "/api/v1/maintenance"),
    ("GET", "/api/v1/mutes"),
    ("POST", "/api/v1/mutes"),
    ("POST", "/api/v1/mutes/end"),
    ("POST", "/api/v1/pause"),
    ("POST", "/api/v1/resume"),
    ("POST", "/api/v1/trigger"),
    ("POST", "/api/v1/sweep"),
    ("POST", "/api/v1/channels/{name}/test"),
    ("POST", "/api/v1/reload"),
    ("POST", "/api/v1/login-codes"),
    ("GET", "/api/v1/openapi.json"),
];

/// The handles of a running service.
pub struct Api {
    /// What is in force.
    pub plan: Arc<RwLock<Arc<Plan>>>,
    /// Runs and incidents.
    pub reader: Arc<dyn Reader>,
    /// What was written since.
    pub follower: Arc<dyn Follower>,
    /// What runs left behind.
    pub ledger: Arc<dyn CleanupLedger>,
    /// Keeps pauses and mutes.
    pub recorder: Arc<dyn Recorder>,
    /// States and acknowledgements.
    pub alerts: Alerts,
    /// Runs by hand, and pauses.
    pub scheduler: Scheduler,
    /// Where pages go, as it is in force.
    pub alerting: Arc<RwLock<Arc<Alerting>>>,
    /// What pages are sent with.
    pub page_client: HttpClient,
    /// The other processes of the fleet; absent where there is none.
    pub others: Option<Others>,
    /// Deletes what runs left, now; an error says why it cannot.
    pub sweep: Arc<Sweep>,
    /// Reads the configuration again.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Reloaded> + Send + Sync>,
    /// How that went last.
    pub last_reload: Arc<RwLock<Option<LastReload>>>,
    /// When the configuration in force was loaded.
    pub loaded: Arc<RwLock<SystemTime>>,
    /// "up" or "down"; absent without `[self_check]`.
    pub self_check: Arc<dyn Fn() -> Option<&'static str> + Send + Sync>,
    /// When this process began.
    pub started: SystemTime,
    /// The pauses, as the alerts were told of them last.
    pub synced_pauses: SyncedPauses,
    /// What of these the store has by now, for whoever follows what others change.
    pub written: WrittenStates,
    /// What of probes is muted.
    pub mutes: MuteList,
    /// The status, as several viewers share it.
    pub snapshots: Snapshots,
    /// The last hour of every canary.
    pub recent: Recent,
    /// The certificates that probes met.
    pub certificates: CertificateList,
    /// What everybody may see.
    pub status_page: Arc<StatusPages>,
}

/// Deletes what runs left, now.
pub type Sweep = dyn Fn() -> BoxFuture<'static, Result<SweepOutcome, String>> + Send + Sync;

/// What handlers get.
pub(in crate::web) type ApiState = Arc<Api>;

/// Routes that only read.
pub(super) fn reading<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/fleet", get(fleet::fleet))
        .route("/api/v1/status-page", get(status_page::shown))
        .route("/api/v1/canaries", get(status::canaries))
        .route("/api/v1/probes/{name}", get(probes::one))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/written", get(runs::written))
        .route("/api/v1/runs/{id}", get(runs::one))
        .route("/api/v1/runs/{id}/beside", get(runs::beside))
        .route("/api/v1/runs/{id}/artifacts", get(runs::artifacts))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/analysis", get(incidents::analysis))
        .route("/api/v1/incidents/{id}/verify", get(verify::shown))
        .route("/api/v1/events", get(audit::list))
        .route("/api/v1/annotations", get(annotations::list))
        .route("/api/v1/certificates", get(certificates::list))
        .route("/api/v1/leaks", get(leaks::list))
        .route("/api/v1/slo", get(slo::slo))
        .route("/api/v1/maintenance", get(maintenance::list))
        .route("/api/v1/mutes", get(mutes::list))
        .route("/api/v1/openapi.json", get(openapi::description))
}

/// Routes whose answer goes on for as long as somebody listens.
pub(super) fn following<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/v1/stream", get(stream::stream))
}

/// Routes that change something.
pub(super) fn changing<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/api/v1/incidents/{id}/ack", post(incidents::acknowledge))
        .route("/api/v1/incidents/{id}/close", post(incidents::close))
        .route("/api/v1/mutes", post(mutes::mute))
        .route("/api/v1/mutes/end", post(mutes::end))
        .route("/api/v1/pause", post(verbs::pause))
        .route("/api/v1/resume", post(verbs::resume))
        .route("/api/v1/trigger", post(verbs::trigger))
        .route("/api/v1/incidents/{id}/notes", post(annotations::note))
        .route("/api/v1/incidents/{id}/notes/{note}/withdraw", post(withdraw::withdraw))
        .route("/api/v1/incidents/{id}/verify", post(verify::start))
        .route("/api/v1/annotations", post(annotations::annotate))
        .route("/api/v1/sweep", post(operations::sweep))
        .route("/api/v1/channels/{name}/test", post(operations::test_channel))
        .route("/api/v1/reload", post(verbs::reload))
}

/// Routes that give somebody who is known something of his own.
pub(super) fn own<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/v1/login-codes", post(login_code))
}

impl Api {
    pub(in crate::web) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(in crate::web) fn alerting(&self) -> Arc<Alerting> {
        Arc::clone(&self.alerting.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Why there is no status.
    pub(in crate::web) fn without_status(&self) -> Failure {
        if self.others.is_some() { Failure::unread() } else { Failure::stopping() }
    }

    /// What the store answers, if it does in time.
    pub(in crate::web) async fn read<T>(&self, answer: ReadFuture<T>) -> Result<T, Failure> {
        let answer = tokio::time::timeout(READ_WITHIN, answer).await.map_err(|_late| Failure::busy())?;
        answer.map_err(|error| Failure::store(&error))
    }
}
