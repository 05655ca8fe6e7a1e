//! Sessions: one for each device a user has signed in on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;

use super::super::bounded::Bounded;
use super::super::origin::Origin;
use super::super::reply::Refusal;
use super::super::seed::{Ids, Seed};
use super::super::state::AppState;
use super::replica::REPLICAS;

/// A signed-in device.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: Arc<str>,
    pub(super) user: Arc<str>,
    /// The replica this device reads from. Consecutive sessions of a user read from different ones.
    pub(super) replica: usize,
    origin: Origin,
}

/// All sessions by token.
#[derive(Debug)]
pub(super) struct Sessions {
    ids: Ids,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    sessions: Bounded<Arc<Session>>,
    /// How many sessions a user has had.
    devices: Bounded<usize>,
}

impl Sessions {
    pub(super) fn new(seed: Seed, most: usize) -> Self {
        let tables = Tables { sessions: Bounded::new(most, usize::MAX), devices: Bounded::new(most, usize::MAX) };
        Self { ids: Ids::new(seed), tables: Mutex::new(tables) }
    }

    /// Signs a device in; the password has been checked.
    pub(super) fn open(&self, user: &str, origin: Origin) -> Arc<Session> {
        let user: Arc<str> = user.into();
        let mut tables = self.lock();
        let devices = tables.devices.get(&user).copied().unwrap_or_default();
        tables.devices.put(Arc::clone(&user), devices.wrapping_add(1), 0);
        let token = self.ids.next("ses");
        let session = Arc::new(Session { token: Arc::clone(&token), user, replica: devices % REPLICAS, origin });
        tables.sessions.put(token, Arc::clone(&session), 0);
        session
    }

    pub(super) fn close(&self, token: &str) {
        self.lock().sessions.remove(token);
    }

    /// Signs all devices of a user out.
    pub(super) fn close_all(&self, user: &str) {
        let sessions = &mut self.lock().sessions;
        let own: Vec<_> =
            sessions.values().filter(|session| *session.user == *user).map(|session| Arc::clone(&session.token)).collect();
        for token in own {
            sessions.remove(&token);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    fn find(&self, token: &str) -> Option<Arc<Session>> {
        self.lock().sessions.get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
