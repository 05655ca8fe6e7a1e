//! Audience segments with millions of users, copied across site groups and widened to lookalikes by jobs.
//!
//! Owns the segments' sizes and the jobs; no user exists. To add a kind of job, add a variant to [`JobKind`](record::JobKind), what
//! it should produce, and a route that files it.

mod catalogue;
mod job;
mod record;
mod routes;
mod store;

use std::sync::Arc;

pub(super) use job::{refresh, work};
pub(super) use routes::routes;

use super::queue::Queue;
use super::seed::{Ids, Seed};

/// All segments and the jobs that fill them.
#[derive(Debug)]
pub(super) struct Segments {
    ids: Ids,
    job_ids: Ids,
    store: store::Store,
    queue: Queue<Arc<str>>,
}

impl Segments {
    /// Keeps at most `most` segments besides the standing ones.
    pub(super) fn new(seed: Seed, most: usize) -> Self {
        Self {
            ids: Ids::new(seed),
            job_ids: Ids::new(seed),
            store: store::Store::new(seed, most),
            queue: Queue::new(most.saturating_mul(2).saturating_add(64)),
        }
    }

    /// Entities held, for `/healthz`.
    pub(super) fn len(&self) -> usize {
        self.store.lock().len()
    }
}
