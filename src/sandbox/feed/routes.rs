//! The feed over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::reply::{Body, Filter, Refusal};
use super::super::state::AppState;
use super::log::{Batch, Event};

/// Bytes that a room's name may have, and a text.
const LONGEST_ROOM: usize = 128;
const LONGEST_TEXT: usize = 1_024;

/// Events of an answer that asks for no number, and of any answer.
const USUAL_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 100;

/// The longest that an answer is held back for an event.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

pub(in crate::sandbox) fn routes() -> Router<Arc<AppState>> {
    Router::new().route("/v1/feed", get(read).post(send).delete(remove))
}

/// What is read. `region` and `platform` say where the request comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedQuery {
    since: Option<String>,
    room: Option<String>,
    limit: Option<usize>,
    /// Milliseconds by the wall's clock.
    timeout: Option<u64>,
    #[serde(rename = "region")]
    _region: Option<String>,
    #[serde(rename = "platform")]
    _platform: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEvent {
    room: String,
    text: String,
}

#[derive(Deserialize)]
struct Room {
    room: String,
}

async fn send(State(state): State<Arc<AppState>>, Body(new): Body<NewEvent>) -> Result<Response, Refusal> {
    check_room(&new.room)?;
    if new.text.is_empty() || new.text.len() > LONGEST_TEXT {
        return Err(Refusal::invalid(format!("`text` has 1 to {LONGEST_TEXT} bytes")));
    }
    let event = state.feed.send(&new.room, &new.text, state.time_scale);
    Ok((StatusCode::CREATED, Json(event.to_json())).into_response())
}

/// Answers at once if there is something after the cursor, and otherwise as soon as there is or the time is up.
async fn read(State(state): State<Arc<AppState>>, Filter(query): Filter<FeedQuery>) -> Result<Json<Value>, Refusal> {
    let since = query.since.as_deref().map(position).transpose()?;
    let limit = query.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Refusal::invalid(format!("`limit` is a number from 1 to {LARGEST_LIMIT}")));
    }
    let wait = Duration::from_millis(query.timeout.unwrap_or_default());
    if wait > LONGEST_WAIT {
        return Err(Refusal::invalid(format!("`timeout` is at most {} ms", LONGEST_WAIT.as_millis())));
    }
    let end = Instant::now() + wait;
    loop {
        // Asked for before the feed is read, so that nothing that is sent in between is missed.
        let sent = state.feed.sent.notified();
        let now = Instant::now();
        let batch = state.feed.read(since, query.room.as_deref(), limit, now);
        let batch =
            batch.ok_or_else(|| Refusal::invalid("`since` is a `next_batch` of this feed, and no event has come so far"))?;
        if since.is_none() || !batch.events.is_empty() || now >= end {
            return Ok(Json(answer(&batch)));
        }
        let wake = batch.more.map_or(end, |more| more.min(end));
        tokio::select! {
            () = sent => {}
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

/// Forgets a room, whether it was there or not.
async fn remove(State(state): State<Arc<AppState>>, Filter(query): Filter<Room>) -> Result<StatusCode, Refusal> {
    check_room(&query.room)?;
    state.feed.remove(&query.room);
    Ok(StatusCode::NO_CONTENT)
}

fn answer(batch: &Batch) -> Value {
    json!({ "events": batch.events.iter().map(Event::to_json).collect::<Vec<_>>(), "next_batch": format!("c{}", batch.next) })
}

fn position(cursor: &str) -> Result<u64, Refusal> {
    let position = cursor.strip_prefix('c').and_then(|position| position.parse().ok());
    position.ok_or_else(|| Refusal::invalid("`since` is a `next_batch` of this feed"))
}

fn check_room(room: &str) -> Result<(), Refusal> {
    if room.is_empty() || room.len() > LONGEST_ROOM {
        return Err(Refusal::invalid(format!("`room` has 1 to {LONGEST_ROOM} bytes")));
    }
    Ok(())
}
