//! Segments and jobs over HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::origin::Origin;
use super::super::reply::{Body, Filter, Refusal};
use super::super::state::AppState;
use super::catalogue::SITE_GROUPS;
use super::job::file;
use super::record::{Job, JobKind, JobStatus, MadeFrom, Segment};

pub(in crate::sandbox) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v1/site-groups", get(site_groups))
        .route("/v1/segments", get(list))
        .route("/v1/segments/{id}", get(read).delete(remove))
        .route("/v1/segments/{id}/copy", post(copy))
        .route("/v1/segments/{id}/lookalike", post(lookalike))
        .route("/v1/jobs/{id}", get(job))
}

/// Segments of a page.
const LARGEST_PAGE: usize = 100;

/// Bytes that a segment's name may have.
const LONGEST_NAME: usize = 128;

/// What a list of segments is narrowed to. `region` and `platform` say where the request comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentsQuery {
    site_group: Option<String>,
    kind: Option<String>,
    standing: Option<bool>,
    name: Option<String>,
    source_id: Option<String>,
    page_size: Option<usize>,
    /// The last segment of the page before this one; the first page if it is empty.
    page_token: Option<String>,
    #[serde(rename = "region")]
    _region: Option<String>,
    #[serde(rename = "platform")]
    _platform: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CopyRequest {
    site_group: String,
    /// What to call it; as its source if absent.
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookalikeRequest {
    ratio: f64,
    /// What to call it; as its source if absent.
    name: Option<String>,
}

async fn site_groups() -> Json<Value> {
    Json(json!({ "site_groups": SITE_GROUPS }))
}

async fn list(State(state): State<Arc<AppState>>, Filter(query): Filter<SegmentsQuery>) -> Result<Json<Value>, Refusal> {
    let page_size = query.page_size.unwrap_or(usize::MAX);
    if query.page_size.is_some() && !(1..=LARGEST_PAGE).contains(&page_size) {
        return Err(Refusal::invalid(format!("`page_size` is a number from 1 to {LARGEST_PAGE}")));
    }
    let wanted = |segment: &&Segment| {
        query.site_group.as_deref().is_none_or(|group| group == segment.site_group)
            && query.kind.as_deref().is_none_or(|kind| kind == segment.kind.as_str())
            && query.name.as_deref().is_none_or(|name| *name == *segment.name)
            && query.standing.is_none_or(|standing| standing == segment.standing)
            && query.source_id.as_deref().is_none_or(|id| segment.made_from.as_ref().is_some_and(|made| *made.source == *id))
    };
    let tables = state.segments.store.lock();
    let mut left = tables.segments().filter(wanted).peekable();
    if let Some(token) = query.page_token.as_deref().filter(|token| !token.is_empty())
        && !left.any(|segment| *segment.id == *token)
    {
        return Err(Refusal::new(StatusCode::GONE, "page_gone", "the page that this token continues is no more; begin anew"));
    }
    let page: Vec<&Segment> = left.by_ref().take(page_size).collect();
    let mut answer = json!({ "segments": page.iter().map(|segment| segment.to_json()).collect::<Vec<_>>() });
    if let Some(last) = page.last().filter(|_| left.peek().is_some()) {
        answer["next_page_token"] = json!(*last.id);
    }
    Ok(Json(answer))
}

async fn read(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let tables = state.segments.store.lock();
    tables.get(&id).map(|segment| Json(segment.to_json())).ok_or_else(|| Refusal::not_found("segment", &id))
}

async fn job(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let tables = state.segments.store.lock();
    tables.jobs.get(&id).map(|job| Json(job.to_json())).ok_or_else(|| Refusal::not_found("job", &id))
}

async fn copy(
    State(state): State<Arc<AppState>>,
    origin: Origin,
    Path(id): Path<String>,
    Body(to): Body<CopyRequest>,
) -> Result<Response, Refusal> {
    let Some(&site_group) = SITE_GROUPS.iter().find(|&&group| group == to.site_group) else {
        return Err(Refusal::invalid(format!("`site_group` is one of {}", SITE_GROUPS.join(", "))));
    };
    start(&state, origin, &id, (Some(site_group), to.name), JobKind::Copy)
}

async fn lookalike(
    State(state): State<Arc<AppState>>,
    origin: Origin,
    Path(id): Path<String>,
    Body(of): Body<LookalikeRequest>,
) -> Result<Response, Refusal> {
    if !(0.1..=10.0).contains(&of.ratio) {
        return Err(Refusal::invalid("`ratio` is a number from 0.1 to 10"));
    }
    start(&state, origin, &id, (None, of.name), JobKind::Lookalike { ratio: of.ratio })
}

/// Makes an empty segment and files the job that will fill it; without a site group or name it has its source's.
fn start(
    state: &AppState,
    origin: Origin,
    id: &str,
    (to, name): (Option<&'static str>, Option<String>),
    work: JobKind,
) -> Result<Response, Refusal> {
    if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > LONGEST_NAME) {
        return Err(Refusal::invalid(format!("`name` has 1 to {LONGEST_NAME} bytes")));
    }
    let mut tables = state.segments.store.lock();
    let source = tables.get(id).cloned().ok_or_else(|| Refusal::not_found("segment", id))?;
    if !source.ready() {
        let message = format!("segment `{id}` is still being filled; wait until its job has ended");
        return Err(Refusal::new(StatusCode::CONFLICT, "not_ready", message));
    }
    if to == Some(source.site_group) {
        return Err(Refusal::invalid(format!("segment `{id}` is in this site group already")));
    }
    let segment_id = state.segments.ids.next("seg");
    let job = file(state, &mut tables, &source, Arc::clone(&segment_id), work, origin)
        .map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many jobs wait; try again later"))?;
    let mut segment = new_segment(segment_id, &source, to.unwrap_or(source.site_group), &job);
    if let Some(name) = name {
        segment.name = name;
    }
    let body = json!({ "job_id": *job.id, "segment_id": *segment.id, "job": job.to_json(), "segment": segment.to_json() });
    tables.add(segment);
    Ok((StatusCode::ACCEPTED, [(LOCATION, format!("/v1/jobs/{}", job.id))], Json(body)).into_response())
}

fn new_segment(id: Arc<str>, source: &Segment, site_group: &'static str, job: &Job) -> Segment {
    let now = Utc::now();
    Segment {
        id,
        name: source.name.clone(),
        site_group,
        kind: job.work.kind(),
        size: 0,
        made_from: Some(MadeFrom {
            source: Arc::clone(&source.id),
            source_size: source.size,
            expected_size: job.work.expected(source.size),
            job: Arc::clone(&job.id),
            status: JobStatus::Queued,
        }),
        standing: false,
        created_at: now,
        updated_at: now,
    }
}

async fn remove(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let mut tables = state.segments.store.lock();
    if tables.remove(&id).is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    match tables.get(&id) {
        Some(_) => Err(Refusal::new(StatusCode::FORBIDDEN, "standing", format!("segment `{id}` belongs to the product"))),
        None => Err(Refusal::not_found("segment", &id)),
    }
}
