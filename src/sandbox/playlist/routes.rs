//! Sessions and playlists over HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{ETAG, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::origin::Origin;
use super::super::reply::{Body, Refusal};
use super::super::state::AppState;
use super::caller::Caller;
use super::edit::{Precondition, edit, owned, publish};
use super::record::{Playlist, Track, check_count, check_title};

pub(in crate::sandbox) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v1/sessions", post(sign_in).delete(sign_out_everywhere))
        .route("/v1/sessions/current", get(whoami).delete(sign_out))
        .route("/v1/playlists", get(list).post(create).delete(remove_all))
        .route("/v1/playlists/{id}", get(read).put(replace).delete(remove))
        .route("/v1/playlists/{id}/tracks", post(add_track))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    user: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPlaylist {
    title: String,
    #[serde(default)]
    tracks: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    title: Option<String>,
    tracks: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTrack {
    track: Value,
    /// The version the client has seen; an older one is no obstacle, since adding to any version is adding to the newest.
    version: Option<u64>,
}

async fn sign_in(
    State(state): State<Arc<AppState>>,
    origin: Origin,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Refusal> {
    if credentials.user.is_empty() || credentials.user.len() > 128 {
        return Err(Refusal::invalid("`user` has 1 to 128 bytes"));
    }
    if credentials.password != state.password {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "wrong_password", "the password is wrong"));
    }
    let session = state.playlists.sessions.open(&credentials.user, origin);
    let cookie = format!("session={}; Path=/; HttpOnly; SameSite=Strict", session.token);
    let body = json!({ "token": *session.token, "user": *session.user, "replica": session.replica });
    Ok(([(SET_COOKIE, cookie)], Json(body)).into_response())
}

async fn whoami(caller: Caller) -> Json<Value> {
    Json(json!({ "user": *caller.session.user, "replica": caller.session.replica }))
}

async fn sign_out(State(state): State<Arc<AppState>>, caller: Caller) -> StatusCode {
    state.playlists.sessions.close(&caller.session.token);
    StatusCode::NO_CONTENT
}

/// Signs all devices of the caller's user out.
async fn sign_out_everywhere(State(state): State<Arc<AppState>>, caller: Caller) -> StatusCode {
    state.playlists.sessions.close_all(&caller.session.user);
    StatusCode::NO_CONTENT
}

async fn create(State(state): State<Arc<AppState>>, caller: Caller, Body(new): Body<NewPlaylist>) -> Result<Response, Refusal> {
    check_title(&new.title)?;
    let playlist = Arc::new(Playlist {
        id: state.playlists.ids.next("pl"),
        user: Arc::clone(&caller.session.user),
        title: new.title,
        tracks: Track::parse_all(&new.tracks)?,
        version: 1,
        updated_at: Utc::now(),
    });
    state.playlists.add(&playlist);
    publish(&state, &caller, &playlist);
    Ok((StatusCode::CREATED, answer(&playlist, playlist.to_json())).into_response())
}

/// The caller's playlists as its replica knows them.
async fn list(State(state): State<Arc<AppState>>, caller: Caller) -> Json<Value> {
    let playlists = state.playlists.replicas[caller.session.replica].of_user(&caller.session.user);
    Json(json!({ "playlists": playlists.iter().map(|playlist| playlist.summary()).collect::<Vec<_>>() }))
}

async fn read(State(state): State<Arc<AppState>>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    let copy = state.playlists.replicas[caller.session.replica].get(&id);
    owned(copy, &caller, &id).map(|playlist| answer(&playlist, playlist.to_json()))
}

async fn replace(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(replacement): Body<Replacement>,
) -> Result<Response, Refusal> {
    replacement.title.as_deref().map(check_title).transpose()?;
    let tracks = replacement.tracks.as_deref().map(Track::parse_all).transpose()?;
    let changed = edit(&state, &caller, &id, &Precondition::read(&headers)?, |playlist| {
        playlist.title = replacement.title.unwrap_or_else(|| std::mem::take(&mut playlist.title));
        playlist.tracks = tracks.unwrap_or_else(|| std::mem::take(&mut playlist.tracks));
        Ok(())
    })
    .await?;
    Ok(answer(&changed, changed.to_json()))
}

async fn add_track(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(new): Body<NewTrack>,
) -> Result<Response, Refusal> {
    let track = Track::parse(&new.track)?;
    let mut merged = false;
    let changed = edit(&state, &caller, &id, &Precondition::read(&headers)?, |playlist| {
        check_count(playlist.tracks.len() + 1)?;
        merged = new.version.is_some_and(|seen| seen < playlist.version);
        playlist.tracks.push(track);
        Ok(())
    })
    .await?;
    let mut body = changed.summary();
    body["merged"] = json!(merged);
    Ok(answer(&changed, body))
}

async fn remove(State(state): State<Arc<AppState>>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    owned(state.playlists.primary(&id), &caller, &id)?;
    state.playlists.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes everything the caller's user has, also what its replica does not know of.
async fn remove_all(State(state): State<Arc<AppState>>, caller: Caller) -> StatusCode {
    state.playlists.remove_all(&caller.session.user);
    StatusCode::NO_CONTENT
}

fn answer(playlist: &Playlist, body: Value) -> Response {
    ([(ETAG, playlist.etag())], Json(body)).into_response()
}
