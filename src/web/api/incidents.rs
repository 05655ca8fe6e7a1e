//! Incidents, and saying that somebody is at one.

use axum::extract::{Path, Query};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::history::{IncidentFilter, IncidentStory, IncidentView, Page};

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
    api.read(move |reader| reader.incidents(&filter, limit, after.as_deref())).await.map(Json)
}

/// `GET /api/v1/incidents/{id}`
pub(super) async fn one(Extension(api): Extension<Shared>, Path(id): Path<String>) -> Result<Json<IncidentStory>, Failure> {
    let missing = format!("no incident `{}` is kept; `serinus incidents --all` lists them", short(&id));
    api.read(move |reader| reader.incident(&id)).await?.map(Json).ok_or_else(|| Failure::unknown(missing))
}

/// `POST /api/v1/incidents/{id}/ack`
pub(super) async fn acknowledge(
    Extension(api): Extension<Shared>,
    Path(id): Path<String>,
    Json(said): Json<Acknowledgement>,
) -> Result<Json<Value>, Failure> {
    let by = said.by.filter(|by| !by.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned());
    let by: String = by.chars().take(100).collect();
    if !api.alerts.acknowledge(id.clone(), by).await.ok_or_else(Failure::stopping)? {
        return Err(Failure::unknown(format!("no incident `{}` is open; `serinus incidents` lists those that are", short(&id))));
    }
    Ok(Json(json!({ "acknowledged": id })))
}
