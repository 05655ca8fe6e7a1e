//! Read replicas: lagging copies of the primary.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::queue::Queue;
use super::record::Playlist;

/// How many replicas there are.
pub(in crate::sandbox) const REPLICAS: usize = 3;

/// A lagging copy of all playlists.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) copies: Mutex<HashMap<Arc<str>, Arc<Playlist>>>,
    pub(super) to_fetch: Queue<Arc<str>>,
    /// Ids in `to_fetch`: each once, so that it never holds more than the primary does.
    pub(super) listed: Mutex<HashSet<Arc<str>>>,
}

impl Replica {
    pub(super) fn new() -> Self {
        Self { copies: Mutex::default(), to_fetch: Queue::new(usize::MAX), listed: Mutex::default() }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Playlist>> {
        lock(&self.copies).get(id).cloned()
    }

    /// A user's playlists by id.
    pub(super) fn of_user(&self, user: &str) -> Vec<Arc<Playlist>> {
        let mut playlists: Vec<_> = lock(&self.copies).values().filter(|playlist| *playlist.user == *user).cloned().collect();
        playlists.sort_by(|a, b| a.id.cmp(&b.id));
        playlists
    }

    pub(super) fn forget(&self, id: &str) {
        lock(&self.copies).remove(id);
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.copies).len()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
