//! Incidents, and saying that somebody is at one.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::alert::desk::IncidentStatus;
use crate::history::{IncidentFilter, IncidentStory, IncidentView, Page};
use crate::outcome::visible;

use super::runs::{limit, short};
use super::{Failure, Shared};

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    open: bool,
    probe: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Who is at it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledgement {
    by: Option<String>,
}

/// `GET /api/v1/incidents`
pub(super) async fn list(
    Extension(api): Extension<Shared>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<IncidentView>>, Failure> {
    let (limit, after) = (limit(wanted.limit)?, wanted.after);
    let filter = IncidentFilter { open: wanted.open, probe: wanted.probe };
    let open = open(&api).await?;
    let mut page = api.read(move |reader| reader.incidents(&filter, limit, after.as_deref())).await?;
    page.items.iter_mut().for_each(|incident| up_to_date(incident, &open));
    Ok(Json(page))
}

/// `GET /api/v1/incidents/{id}`
pub(super) async fn one(Extension(api): Extension<Shared>, Path(id): Path<String>) -> Result<Json<IncidentStory>, Failure> {
    let missing = format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(&id));
    let open = open(&api).await?;
    let called = |incident: &&IncidentStatus| incident.scope == id || incident.key.as_ref() == Some(&id);
    let id = open.iter().find(called).map_or(id.clone(), |incident| incident.id.clone());
    let story = api.read(move |reader| reader.incident(&id)).await?;
    let mut story = story.ok_or_else(|| Failure::unknown(missing))?;
    up_to_date(&mut story.incident, &open);
    Ok(Json(story))
}

async fn open(api: &Shared) -> Result<Vec<IncidentStatus>, Failure> {
    Ok(api.alerts.status().await.ok_or_else(Failure::stopping)?.incidents)
}

/// The store has an incident as it was when somebody was told last; who joined since is known to the desk.
fn up_to_date(incident: &mut IncidentView, open: &[IncidentStatus]) {
    if let Some(now) = open.iter().find(|now| now.id == incident.id)
        && let Some(details) = incident.details.as_object_mut()
    {
        details.insert("title".to_owned(), json!(now.title));
        details.insert("members_total".to_owned(), json!(now.members));
    }
}

/// `POST /api/v1/incidents/{id}/ack`
pub(super) async fn acknowledge(
    Extension(api): Extension<Shared>,
    Path(id): Path<String>,
    Json(said): Json<Acknowledgement>,
) -> Result<Json<Value>, Failure> {
    let by = said.by.filter(|by| !by.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned());
    let by: String = visible(&by).chars().take(100).collect();
    if !api.alerts.acknowledge(id.clone(), by).await.ok_or_else(Failure::stopping)? {
        return Err(Failure::unknown(format!("no incident `{}` is open; `serinus incidents` lists those that are", short(&id))));
    }
    Ok(Json(json!({ "acknowledged": id })))
}
