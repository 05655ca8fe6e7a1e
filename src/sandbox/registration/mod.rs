//! The premium registration pipeline: submit → payment (authorized, captured) → account activated → receipt → warehouse row.
//!
//! Owns the registrations and the queues between the stages. A stage knows nothing of the next one's work. To add a stage, add
//! a variant to [`Stage`], what it does to `pipeline.rs`, and what it writes to `record.rs`.

mod pipeline;
mod plan;
mod record;
mod routes;
mod stage;
mod store;

pub(super) use pipeline::work;
pub(super) use routes::routes;
pub(super) use stage::Stage;

use super::seed::{Ids, Seed};

/// All registrations and what waits between their stages.
#[derive(Debug)]
pub(super) struct Registrations {
    ids: Ids,
    store: store::Store,
    queues: stage::Queues,
}

impl Registrations {
    /// Keeps at most `most` registrations.
    pub(super) fn new(seed: Seed, most: usize) -> Self {
        // A queue also holds deleted registrations until they are due, hence the room beyond the store's.
        Self { ids: Ids::new(seed), store: store::Store::new(most), queues: stage::Queues::new(most.saturating_mul(2)) }
    }

    /// Entities held, for `/healthz`.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }
}
