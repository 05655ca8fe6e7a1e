//! How the service stands.

use std::sync::PoisonError;

use axum::extract::Query;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::Status;
use crate::alert::status::{ByHealth, CanaryStatus, Health, IncidentStatus};
use crate::base::time::epoch_ms;
use crate::history::Page;
use crate::schedule::Pause;
use crate::web::secrets::missing_secrets;

use super::runs::{limit, short};
use super::{ApiState, Failure, mutes, names};

/// Entries of each list of the overview; what there is more of is asked for by itself, and told as a number in any case.
const LISTED: usize = 100;
/// Probes in the overview, the worst first.
const PROBES: usize = 1_000;
/// Members of each incident in the overview.
const MEMBERS: usize = 20;

/// `GET /api/v1/status`
pub(in crate::web) async fn status(Extension(api): Extension<ApiState>) -> Result<Json<Value>, Failure> {
    let status = api.alerts.status().await.ok_or_else(Failure::stopping)?;
    let mut said = overview(&status);
    let last_reload = api.last_reload.read().unwrap_or_else(PoisonError::into_inner).clone();
    let store = api.reader.status();
    let process = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_ms": epoch_ms(api.started),
        "self_check": (api.self_check)(),
        "missing_secrets": missing_secrets(&api.plan(), &api.alerts.secrets()),
        "store": { "writable": store.writable, "damaged": store.damaged.map(|path| path.display().to_string()) },
        "config": { "loaded_ms": epoch_ms(*api.loaded.read().unwrap_or_else(PoisonError::into_inner)), "last_reload": last_reload },
        "pauses": api.scheduler.pauses().list().iter().map(pause).collect::<Vec<_>>(),
        "mutes": api.mutes.in_force().iter().take(LISTED).map(mutes::shown).collect::<Vec<_>>(),
    });
    if let (Some(said), Value::Object(process)) = (said.as_object_mut(), process) {
        said.extend(process);
    }
    Ok(Json(said))
}

/// What alerting knows, as far as it fits into an overview.
fn overview(status: &Status) -> Value {
    let mut canaries = ByHealth::default();
    status.canaries.iter().for_each(|canary| canaries.add(canary.standing));
    let is_problem = |canary: &&CanaryStatus| matches!(canary.standing, Health::Failing | Health::NoData | Health::Suspect);
    let problems: Vec<&CanaryStatus> = status.canaries.iter().filter(is_problem).take(LISTED).collect();
    let incidents: Vec<IncidentStatus> =
        status.incidents.iter().take(LISTED).map(|incident| incident.clone().clipped(MEMBERS)).collect();
    json!({
        "unanswered": status.unanswered,
        "probes": first(&status.probes, PROBES),
        "probes_total": status.probes.len(),
        "canaries": canaries,
        "incidents": status.counts,
        "open_incidents": incidents,
        "without_data": first(&status.without_data, LISTED),
        "without_data_total": status.without_data.len(),
        "muted": first(&status.muted, LISTED),
        "muted_total": status.muted.len(),
        "explained": first(&status.explained, LISTED),
        "explained_total": status.explained.len(),
        "owed": first(&status.owed, LISTED),
        "owed_total": status.owed.len(),
        "leaks": first(&status.leaks, LISTED),
        "channels": status.channels,
        "problems": problems,
        "problems_total": status.canaries.iter().filter(is_problem).count(),
    })
}

fn first<T>(of: &[T], most: usize) -> &[T] {
    &of[..of.len().min(most)]
}

/// Which canaries are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CanariesQuery {
    probe: Option<String>,
    region: Option<String>,
    standing: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /api/v1/canaries`, ordered by id.
pub(in crate::web) async fn canaries(
    Extension(api): Extension<ApiState>,
    Query(wanted): Query<CanariesQuery>,
) -> Result<Json<Page<CanaryStatus>>, Failure> {
    let limit = limit(wanted.limit)?;
    let unknown = |wanted: &&str| Health::ALL.iter().all(|each| each.as_str() != *wanted);
    if let Some(unknown) = wanted.standing.as_deref().filter(unknown) {
        let known = Health::ALL.map(Health::as_str).join(", ");
        return Err(Failure::bad(format!("`{}` is no standing; known are {known}", short(unknown))));
    }
    let status = api.alerts.status().await.ok_or_else(Failure::stopping)?;
    let is = |wanted: &Option<String>, of: &str| wanted.as_deref().is_none_or(|wanted| wanted == of);
    let mut found = status.canaries.into_iter().filter(|canary| {
        wanted.after.as_deref().is_none_or(|after| canary.canary.as_str() > after)
            && is(&wanted.probe, &canary.probe)
            && is(&wanted.region, &canary.region)
            && is(&wanted.standing, canary.standing.as_str())
    });
    let items: Vec<CanaryStatus> = found.by_ref().take(limit).collect();
    let next = found.next().and(items.last().map(|canary| canary.canary.clone()));
    Ok(Json(Page { items, next }))
}

fn pause(pause: &Pause) -> Value {
    json!({
        "target": names::name(&pause.target),
        "since_ms": epoch_ms(pause.since),
        "until_ms": pause.until.map(epoch_ms),
        "by": pause.by,
        "why": pause.why,
    })
}
