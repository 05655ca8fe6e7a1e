//! All state of one sandbox: what the routes and the workers share.

use super::fault::Faults;
use super::feed::Feed;
use super::playlist::Playlists;
use super::registration::Registrations;
use super::seed::Seed;
use super::segment::Segments;
use super::time_scale::TimeScale;

/// The simulated product.
#[derive(Debug)]
pub(super) struct AppState {
    pub(super) seed: Seed,
    pub(super) time_scale: TimeScale,
    pub(super) faults: Faults,
    /// What every user of the playlists signs in with.
    pub(super) password: String,
    pub(super) registrations: Registrations,
    pub(super) playlists: Playlists,
    pub(super) segments: Segments,
    pub(super) feed: Feed,
}

impl AppState {
    /// A product without registrations and playlists; at most `most` entities of each sort will be kept.
    pub(super) fn new(seed: Seed, time_scale: TimeScale, password: String, most: usize) -> Self {
        Self {
            seed,
            time_scale,
            faults: Faults::new(seed),
            password,
            registrations: Registrations::new(seed, most),
            playlists: Playlists::new(seed, most),
            segments: Segments::new(seed, most),
            feed: Feed::new(seed, most),
        }
    }
}
