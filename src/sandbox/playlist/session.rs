//! Sessions: one for each device a user has signed in on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::bounded::Bounded;
use super::super::origin::Origin;
use super::super::seed::{Ids, Seed};
use super::replica::REPLICAS;

/// A signed-in device.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) token: Arc<str>,
    pub(super) user: Arc<str>,
    /// The replica this device reads from. Consecutive sessions of a user read from different ones.
    pub(super) replica: usize,
    pub(super) origin: Origin,
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

    pub(super) fn find(&self, token: &str) -> Option<Arc<Session>> {
        self.lock().sessions.get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
