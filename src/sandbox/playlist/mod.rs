//! Playlists that are written to a primary and read, by each device, from a replica that lags.
//!
//! Owns sessions, the primary and the replicas. Writes go to the primary, where concurrent edits are merged; reads never do.
//! A new way to change a playlist is a route that calls [`edit`](edit::edit).

mod caller;
mod edit;
mod record;
mod replica;
mod replication;
mod routes;
mod session;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use replica::REPLICAS;
pub(super) use replication::replicate;
pub(super) use routes::routes;

use super::bounded::Bounded;
use super::reply::Refusal;
use super::seed::{Ids, Seed};
use record::Playlist;

/// Most tracks kept, all playlists together.
const MOST_TRACKS_IN_ALL: usize = 1_000_000;

/// All playlists and who may read them.
#[derive(Debug)]
pub(super) struct Playlists {
    ids: Ids,
    sessions: session::Sessions,
    primary: Mutex<Bounded<Arc<Playlist>>>,
    replicas: [replica::Replica; REPLICAS],
}

impl Playlists {
    /// Keeps at most `most` sessions and as many playlists.
    pub(super) fn new(seed: Seed, most: usize) -> Self {
        Self {
            ids: Ids::new(seed),
            sessions: session::Sessions::new(seed, most),
            primary: Mutex::new(Bounded::new(most, MOST_TRACKS_IN_ALL)),
            replicas: std::array::from_fn(|_| replica::Replica::new()),
        }
    }

    /// Devices signed in, for `/healthz`.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Entities held, the primary's and the replicas', for `/healthz`.
    pub(super) fn len(&self) -> usize {
        self.lock().len() + self.replicas.iter().map(replica::Replica::len).sum::<usize>()
    }

    fn primary(&self, id: &str) -> Option<Arc<Playlist>> {
        self.lock().get(id).cloned()
    }

    fn add(&self, playlist: &Arc<Playlist>) {
        let gone = self.lock().put(Arc::clone(&playlist.id), Arc::clone(playlist), playlist.weight());
        self.forget(gone);
    }

    /// Puts what `next` makes of the newest version in its place, with nothing in between; `None` if it is not there.
    fn replace(
        &self,
        id: &str,
        next: impl FnOnce(&Arc<Playlist>) -> Result<Arc<Playlist>, Refusal>,
    ) -> Option<Result<Arc<Playlist>, Refusal>> {
        let mut primary = self.lock();
        let next = match next(primary.get(id)?) {
            Ok(next) => next,
            Err(refusal) => return Some(Err(refusal)),
        };
        let gone = primary.put(Arc::clone(&next.id), Arc::clone(&next), next.weight());
        drop(primary);
        self.forget(gone);
        Some(Ok(next))
    }

    /// Deletes a playlist everywhere at once: faults concern what is written, and leftovers would outgrow the bound.
    fn remove(&self, id: &str) {
        let gone = self.lock().remove(id);
        self.forget(gone.map(|playlist| (Arc::clone(&playlist.id), playlist)));
    }

    /// Deletes all playlists of a user, everywhere at once.
    fn remove_all(&self, user: &str) {
        let mut primary = self.lock();
        let own: Vec<_> =
            primary.values().filter(|playlist| *playlist.user == *user).map(|playlist| Arc::clone(&playlist.id)).collect();
        let gone: Vec<_> = own.into_iter().filter_map(|id| Some((Arc::clone(&id), primary.remove(&id)?))).collect();
        drop(primary);
        self.forget(gone);
    }

    fn forget(&self, gone: impl IntoIterator<Item = (Arc<str>, Arc<Playlist>)>) {
        for (id, _) in gone {
            self.replicas.iter().for_each(|replica| replica.forget(&id));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<Arc<Playlist>>> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
