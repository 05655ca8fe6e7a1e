//! Changing a playlist: how a healthy store merges concurrent edits, and how the broken one loses them.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;

use super::super::fault::FaultName;
use super::super::reply::Refusal;
use super::super::state::AppState;
use super::caller::Caller;
use super::record::Playlist;
use super::replica::REPLICAS;
use super::replication::announce;

/// A version the caller insists on (`if-match`), or none.
pub(super) struct Precondition(Option<String>);

impl Precondition {
    /// # Errors
    /// If the header is no text.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = headers.get("if-match").map(|value| value.to_str().map(str::to_owned)).transpose();
        let value =
            value.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "bad_header", "`if-match` is not visible ASCII text"))?;
        Ok(Self(value.filter(|etag| etag != "*")))
    }

    fn check(&self, playlist: &Playlist) -> Result<(), Refusal> {
        match &self.0 {
            Some(etag) if *etag != playlist.etag() => {
                let message = format!("the playlist is at version {}, not {etag}", playlist.version);
                Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", message))
            }
            _ => Ok(()),
        }
    }
}

/// Applies `change` to a playlist of the caller's and gives back the new version.
///
/// The healthy store applies it to the newest version under the store's lock, so that edits made at the same time all
/// survive. With [`FaultName::PlaylistLostEdits`] it reads, thinks for a while, and puts back what it made of what it read.
pub(super) async fn edit(
    state: &AppState,
    caller: &Caller,
    id: &str,
    precondition: &Precondition,
    change: impl FnOnce(&mut Playlist) -> Result<(), Refusal>,
) -> Result<Arc<Playlist>, Refusal> {
    let changed = if let Some(hit) = state.faults.hit(FaultName::PlaylistLostEdits, &caller.origin, id) {
        let base = owned(state.playlists.primary(id), caller, id)?;
        tokio::time::sleep(state.time_scale.wall(hit.delay)).await;
        let changed = next_version(&base, precondition, change)?;
        state.playlists.replace(id, |_| Ok(changed))
    } else {
        state.playlists.replace(id, |current| {
            let current = owned(Some(Arc::clone(current)), caller, id)?;
            next_version(&current, precondition, change)
        })
    }
    .ok_or_else(|| Refusal::not_found("playlist", id))??;
    publish(state, caller, &changed);
    Ok(changed)
}

/// Tells the replicas of a new version. For a user whom [`FaultName::PlaylistNotSynced`] hits, only the one that the
/// writing device reads from gets to know.
pub(super) fn publish(state: &AppState, caller: &Caller, playlist: &Playlist) {
    let unsynced = state.faults.hit(FaultName::PlaylistNotSynced, &caller.origin, &caller.session.user).is_some();
    for replica in 0..REPLICAS {
        if !unsynced || replica == caller.session.replica {
            announce(state, replica, playlist);
        }
    }
}

/// The playlist if it is the caller's; to others it is not there.
pub(super) fn owned(playlist: Option<Arc<Playlist>>, caller: &Caller, id: &str) -> Result<Arc<Playlist>, Refusal> {
    playlist.filter(|playlist| playlist.user == caller.session.user).ok_or_else(|| Refusal::not_found("playlist", id))
}

fn next_version(
    base: &Playlist,
    precondition: &Precondition,
    change: impl FnOnce(&mut Playlist) -> Result<(), Refusal>,
) -> Result<Arc<Playlist>, Refusal> {
    precondition.check(base)?;
    let mut next = base.clone();
    change(&mut next)?;
    next.version += 1;
    next.updated_at = Utc::now();
    Ok(Arc::new(next))
}
