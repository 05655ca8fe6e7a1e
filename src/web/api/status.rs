//! How the service stands.

use std::collections::HashMap;
use std::sync::PoisonError;

use axum::extract::Query;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alert::Status;
use crate::alert::status::{
    ByHealth, CanaryStatus, ChannelStatus, Counts, Health, IncidentStatus, LeakStatus, MemberStatus, Owed, ProbeStatus,
};
use crate::base::time::epoch_ms;
use crate::history::Page;
use crate::plan::Probe;
use crate::schedule::Pause;
use crate::web::model::fleet::FleetStatus;
use crate::web::model::overview::Filter;
use crate::web::secrets::{MissingSecret, missing_secrets};

use super::mutes::MuteView;
use super::runs::limit;
use super::stream::standing;
use super::table::{Asked, Format, Listing};
use super::verbs::LastReload;
use super::{ApiState, Failure, mutes, names};

/// Entries of each list of the overview; what there is more of is asked for by itself, and told as a number in any case.
const LISTED: usize = 100;
/// Probes in the overview, the worst first.
const PROBES: usize = 1_000;
/// Members of each incident in the overview.
const MEMBERS: usize = 20;

/// How the service stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web) struct StatusAnswer {
    #[serde(flatten)]
    now: Overview,
    #[serde(flatten)]
    process: Process,
}

/// What alerting knows, as far as it fits into an overview. `NAME_total` says how many there are of what is cut.
#[derive(Debug, Serialize, ToSchema)]
struct Overview {
    /// Members that fail at page level, unmuted, unexplained and unacknowledged.
    unanswered: usize,
    /// The worst first, at most 1,000.
    probes: Vec<ProbeStatus>,
    probes_total: usize,
    /// By standing.
    canaries: ByHealth,
    /// Open ones by severity.
    incidents: Counts,
    /// With 20 members each, at most 100.
    open_incidents: Vec<IncidentStatus>,
    /// At most 100, as of all lists that follow.
    without_data: Vec<MemberStatus>,
    without_data_total: usize,
    /// Members that fail and for which nobody is rung.
    muted: Vec<MemberStatus>,
    muted_total: usize,
    /// Members that fail because others do.
    explained: Vec<MemberStatus>,
    explained_total: usize,
    /// What channels are owed.
    owed: Vec<Owed>,
    owed_total: usize,
    /// Test data that could not be removed.
    leaks: Vec<LeakStatus>,
    /// Every channel.
    channels: Vec<ChannelStatus>,
    /// Canaries that fail, are suspect or without data.
    problems: Vec<CanaryStatus>,
    problems_total: usize,
}

/// What the process knows of itself.
#[derive(Debug, Serialize, ToSchema)]
struct Process {
    /// Of the program.
    version: &'static str,
    /// When it began, milliseconds since the epoch.
    started_ms: i64,
    /// "up" or "down"; absent without `[self_check]`.
    self_check: Option<&'static str>,
    /// Secrets that cannot be read.
    missing_secrets: Vec<MissingSecret>,
    store: StoreView,
    config: ConfigView,
    /// The processes that share the store, as `GET /api/v1/fleet` has them; absent where there is no other.
    fleet: Option<FleetStatus>,
    /// All pauses.
    pauses: Vec<PauseView>,
    /// At most 100.
    mutes: Vec<MuteView>,
}

/// How the store is.
#[derive(Debug, Serialize, ToSchema)]
struct StoreView {
    /// Whether the last try to write succeeded.
    writable: bool,
    /// What a damaged file was renamed to.
    damaged: Option<String>,
}

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigView {
    /// When it was loaded, milliseconds since the epoch.
    loaded_ms: i64,
    /// How the last reload went.
    last_reload: Option<LastReload>,
}

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
struct PauseView {
    /// A probe's name or a canary's id.
    target: String,
    /// Since when, milliseconds since the epoch.
    since_ms: i64,
    /// Until when; until somebody says so if absent.
    until_ms: Option<i64>,
    /// Who said so.
    by: String,
    /// What for.
    why: Option<String>,
}

/// How everything stands.
#[utoipa::path(get, path = "/api/v1/status", tag = "status",
    responses((status = 200, description = "The status.", body = StatusAnswer)))]
pub(in crate::web) async fn status(Extension(api): Extension<ApiState>) -> Result<Json<StatusAnswer>, Failure> {
    let status = api.alerts.status().await.ok_or_else(|| api.without_status())?;
    let last_reload = api.last_reload.read().unwrap_or_else(PoisonError::into_inner).clone();
    let loaded_ms = epoch_ms(*api.loaded.read().unwrap_or_else(PoisonError::into_inner));
    let store = api.reader.status();
    let process = Process {
        version: env!("CARGO_PKG_VERSION"),
        started_ms: epoch_ms(api.started),
        self_check: (api.self_check)(),
        missing_secrets: missing_secrets(&api.plan(), &api.alerts.secrets()),
        store: StoreView { writable: store.writable, damaged: store.damaged.map(|path| path.display().to_string()) },
        config: ConfigView { loaded_ms, last_reload },
        fleet: api.fleet_status().await,
        pauses: api.scheduler.pauses().list().iter().map(pause).collect(),
        mutes: api.mutes.in_force().iter().take(LISTED).map(mutes::shown).collect(),
    };
    Ok(Json(StatusAnswer { now: overview(status), process }))
}

fn overview(status: Status) -> Overview {
    let mut canaries = ByHealth::default();
    status.canaries.iter().for_each(|canary| canaries.add(canary.standing));
    let is_problem = |canary: &&CanaryStatus| matches!(canary.standing, Health::Failing | Health::NoData | Health::Suspect);
    Overview {
        unanswered: status.unanswered,
        probes_total: status.probes.len(),
        canaries,
        incidents: status.counts,
        open_incidents: first(status.incidents, LISTED).into_iter().map(|incident| incident.clipped(MEMBERS)).collect(),
        without_data_total: status.without_data.len(),
        muted_total: status.muted.len(),
        explained_total: status.explained.len(),
        owed_total: status.owed.len(),
        problems: status.canaries.iter().filter(is_problem).take(LISTED).cloned().collect(),
        problems_total: status.canaries.iter().filter(is_problem).count(),
        probes: first(status.probes, PROBES),
        without_data: first(status.without_data, LISTED),
        muted: first(status.muted, LISTED),
        explained: first(status.explained, LISTED),
        owed: first(status.owed, LISTED),
        leaks: first(status.leaks, LISTED),
        channels: status.channels,
    }
}

fn first<T>(mut of: Vec<T>, most: usize) -> Vec<T> {
    of.truncate(most);
    of
}

/// Which canaries are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CanariesQuery {
    /// Of this probe.
    probe: Option<String>,
    /// In this region.
    region: Option<String>,
    /// Words that each stand in its id, or in the owner, the summary or a tag of its probe.
    q: Option<String>,
    /// That stand so: passing, unknown, muted, suspect, `no_data` or failing.
    standing: Option<String>,
    /// The page's size, 1 to 500; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// The form of the answer, whatever the request accepts.
    format: Option<Format>,
}

/// Every canary as it is now, ordered by id.
#[utoipa::path(get, path = "/api/v1/canaries", tag = "status", params(CanariesQuery), responses(
    (status = 200, description = "A page of canaries.", content((Page<CanaryStatus> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn canaries(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<CanariesQuery>,
) -> Result<Listing<CanaryStatus>, Failure> {
    let limit = limit(wanted.limit)?;
    wanted.standing.as_deref().map(standing).transpose()?;
    let status = api.alerts.status().await.ok_or_else(|| api.without_status())?;
    let words = wanted.q.iter().flat_map(|words| words.split_whitespace()).take(8).map(str::to_lowercase).collect();
    let (filter, plan) = (Filter { words, ..Filter::default() }, api.plan());
    let probes: HashMap<&str, &Probe> = plan.probes.iter().map(|probe| (&*probe.name, &**probe)).collect();
    let is = |wanted: &Option<String>, of: &str| wanted.as_deref().is_none_or(|wanted| wanted == of);
    let mut found = status.canaries.into_iter().filter(|canary| {
        wanted.after.as_deref().is_none_or(|after| canary.canary.as_str() > after)
            && is(&wanted.probe, &canary.probe)
            && is(&wanted.region, &canary.region)
            && is(&wanted.standing, canary.standing.as_str())
            && filter.admits(probes.get(&*canary.probe).copied(), canary)
    });
    let items: Vec<CanaryStatus> = found.by_ref().take(limit).collect();
    let next = found.next().and(items.last().map(|canary| canary.canary.clone()));
    Ok(Listing::of(Page { items, next }, wanted.format, &asked))
}

fn pause(pause: &Pause) -> PauseView {
    PauseView {
        target: names::name(&pause.target).to_owned(),
        since_ms: epoch_ms(pause.since),
        until_ms: pause.until.map(epoch_ms),
        by: pause.by.clone(),
        why: pause.why.clone(),
    }
}
