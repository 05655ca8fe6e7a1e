//! Read replicas, which fetch changed playlists from the primary with a lag.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::queue::Queue;
use super::super::state::AppState;
use super::record::Playlist;

/// How many replicas there are.
pub(in crate::sandbox) const REPLICAS: usize = 3;

/// How far each lags, at least and at most, in product time.
const LAGS: [(Duration, Duration); REPLICAS] = [
    (Duration::from_millis(20), Duration::from_millis(60)),
    (Duration::from_millis(60), Duration::from_millis(200)),
    (Duration::from_millis(100), Duration::from_millis(400)),
];

/// A lagging copy of all playlists.
#[derive(Debug)]
pub(super) struct Replica {
    copies: Mutex<HashMap<Arc<str>, Arc<Playlist>>>,
    to_fetch: Queue<Arc<str>>,
    /// Ids in `to_fetch`: each once, so that it never holds more than the primary does.
    listed: Mutex<HashSet<Arc<str>>>,
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

/// Tells a replica that a playlist has changed; it fetches it one lag later, as it is then.
pub(super) fn announce(state: &AppState, replica: usize, playlist: &Playlist) {
    let Replica { to_fetch, listed, .. } = &state.playlists.replicas[replica];
    if !lock(listed).insert(Arc::clone(&playlist.id)) {
        return;
    }
    let (low, high) = LAGS[replica];
    let change = format!("{}@{}", playlist.id, playlist.version);
    let lag = state.pace.wall(state.seed.between("replica", &change, low, high));
    if to_fetch.push(Instant::now() + lag, Arc::clone(&playlist.id)).is_err() {
        lock(listed).remove(&playlist.id);
    }
}

/// A replica's worker; runs until it is dropped.
pub(in crate::sandbox) async fn replicate(state: Arc<AppState>, replica: usize) {
    let Replica { copies, to_fetch, listed } = &state.playlists.replicas[replica];
    loop {
        let id = to_fetch.next().await;
        // Taken off the list before it is read, so that a change made from here on is announced again.
        lock(listed).remove(&id);
        // The copies stay locked while the primary is read: else a playlist deleted in between would rise again.
        let mut copies = lock(copies);
        match state.playlists.primary(&id) {
            Some(playlist) => copies.insert(id, playlist),
            None => copies.remove(&id),
        };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
