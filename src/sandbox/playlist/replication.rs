//! Replication: each replica fetches changed playlists from the primary with a lag.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::state::AppState;
use super::record::Playlist;
use super::replica::{REPLICAS, Replica, lock};

/// How far each lags, at least and at most, in product time.
const LAGS: [(Duration, Duration); REPLICAS] = [
    (Duration::from_millis(20), Duration::from_millis(60)),
    (Duration::from_millis(60), Duration::from_millis(200)),
    (Duration::from_millis(100), Duration::from_millis(400)),
];

/// Tells a replica that a playlist has changed; it fetches it one lag later, as it is then.
pub(super) fn announce(state: &AppState, replica: usize, playlist: &Playlist) {
    let Replica { to_fetch, listed, .. } = &state.playlists.replicas[replica];
    if !lock(listed).insert(Arc::clone(&playlist.id)) {
        return;
    }
    let (low, high) = LAGS[replica];
    let change = format!("{}@{}", playlist.id, playlist.version);
    let lag = state.time_scale.wall(state.seed.between("replica", &change, low, high));
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
