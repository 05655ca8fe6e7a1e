//! How the service stands.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use axum::extract::Query;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::desk::{CanaryStatus, Standing};
use crate::history::{Page, Reader};
use crate::schedule::Pause;

use super::pauses::millis;
use super::runs::{limit, short};
use super::{Failure, Shared, names};

/// Incidents, and canaries that are not well, which the overview lists; their number is told in any case.
const LISTED: usize = 100;

const STANDINGS: [Standing; 5] = [Standing::Healthy, Standing::Failing, Standing::Unknown, Standing::Blind, Standing::Paused];

/// `GET /api/v1/status`
pub(super) async fn status(Extension(api): Extension<Shared>) -> Result<Json<Value>, Failure> {
    let status = api.alerts.status().await.ok_or_else(Failure::stopping)?;
    let mut standings: BTreeMap<&str, usize> = STANDINGS.into_iter().map(|standing| (word(standing), 0)).collect();
    for canary in &status.canaries {
        *standings.entry(word(canary.standing)).or_default() += 1;
    }
    let problems: Vec<&CanaryStatus> =
        status.canaries.iter().filter(|canary| canary.paging || canary.standing == Standing::Failing).take(LISTED).collect();
    let last_reload = api.last_reload.read().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_ms": millis(api.started),
        "canaries": standings,
        "incidents": status.counts,
        "open_incidents": &status.incidents[..status.incidents.len().min(LISTED)],
        "outbox": outbox(&api).await,
        "self_check": (api.self_check)(),
        "store": { "writable": api.store.is_writable(), "damaged": api.store.damaged().map(|path| path.display().to_string()) },
        "config": { "loaded_ms": millis(*api.loaded.read().unwrap_or_else(PoisonError::into_inner)), "last_reload": last_reload },
        "pauses": api.scheduler.pauses().list().iter().map(pause).collect::<Vec<_>>(),
        "problems": problems,
    })))
}

/// What waits is known without the store, which may be what is broken; how many were given up is in there.
async fn outbox(api: &Shared) -> Value {
    let backlog = api.alerts.backlog();
    let dead = api.read(Reader::outbox).await.ok().map(|counts| counts.dead);
    let channels: BTreeMap<&str, usize> = backlog.pending.iter().map(|(channel, count)| (&**channel, *count)).collect();
    json!({
        "pending": backlog.total(),
        "pending_by_channel": channels,
        "oldest_page_seconds": backlog.oldest_page().map(|age| age.as_secs()),
        "refusing_channels": backlog.broken,
        "dead": dead,
    })
}

/// Which canaries are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    probe: Option<String>,
    region: Option<String>,
    standing: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /api/v1/canaries`, ordered by id.
pub(super) async fn canaries(
    Extension(api): Extension<Shared>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<CanaryStatus>>, Failure> {
    let limit = limit(wanted.limit)?;
    if let Some(unknown) = wanted.standing.as_deref().filter(|wanted| STANDINGS.iter().all(|each| word(*each) != *wanted)) {
        let known = STANDINGS.map(word).join(", ");
        return Err(Failure::bad(format!("`{}` is no standing; known are {known}", short(unknown))));
    }
    let status = api.alerts.status().await.ok_or_else(Failure::stopping)?;
    let is = |wanted: &Option<String>, of: &str| wanted.as_deref().is_none_or(|wanted| wanted == of);
    let mut found = status.canaries.into_iter().filter(|canary| {
        wanted.after.as_deref().is_none_or(|after| canary.canary.as_str() > after)
            && is(&wanted.probe, &canary.probe)
            && is(&wanted.region, &canary.region)
            && is(&wanted.standing, word(canary.standing))
    });
    let items: Vec<CanaryStatus> = found.by_ref().take(limit).collect();
    let next = found.next().and(items.last().map(|canary| canary.canary.clone()));
    Ok(Json(Page { items, next }))
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Healthy => "healthy",
        Standing::Failing => "failing",
        Standing::Unknown => "unknown",
        Standing::Blind => "blind",
        Standing::Paused => "paused",
    }
}

fn pause(pause: &Pause) -> Value {
    json!({
        "target": names::name(&pause.target),
        "since_ms": millis(pause.since),
        "until_ms": pause.until.map(millis),
        "by": pause.by,
        "why": pause.why,
    })
}
