//! Who makes a request: the session that its token or cookie names.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;

use super::super::origin::Origin;
use super::super::reply::Refusal;
use super::super::state::AppState;
use super::session::Session;

/// A request of a signed-in device, and where it comes from: as it says itself, else as it said when it signed in.
pub(super) struct Caller {
    pub(super) session: Arc<Session>,
    pub(super) origin: Origin,
}

impl FromRequestParts<Arc<AppState>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Refusal> {
        let Ok(origin) = Origin::from_request_parts(parts, state).await;
        let session = token(parts).and_then(|token| state.playlists.sessions.find(token)).ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "sign in first: POST /v1/sessions, then send its token or cookie",
            )
        })?;
        let origin = origin.or(&session.origin);
        Ok(Self { session, origin })
    }
}

/// The bearer token, else the `session` cookie.
fn token(parts: &Parts) -> Option<&str> {
    let header = |name| parts.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let bearer = header(AUTHORIZATION).find_map(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| header(COOKIE).flat_map(|value| value.split("; ")).find_map(|cookie| cookie.strip_prefix("session=")))
}
