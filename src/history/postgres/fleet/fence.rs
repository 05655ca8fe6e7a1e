//! What this process writes under, and what it has lost.
//!
//! The database refuses what is written under a lease that another process has taken over (`fence` in the schema); this knows by which
//! error it says so, and tells those who decide here.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::history::{Epoch, Fenced};

/// Why a transaction was refused: another process has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    Evaluator,
    Region,
}

impl Refusal {
    /// Reads what the database says.
    pub(in super::super) fn of(error: &tokio_postgres::Error) -> Option<Self> {
        match error.code()?.code() {
            "SE001" => Some(Self::Evaluator),
            "SE002" => Some(Self::Region),
            _ => None,
        }
    }
}

/// What this process writes under, and what it has lost. The handles of the store and its writer share it.
#[derive(Debug)]
pub(in super::super) struct Fence {
    region: Arc<str>,
    held: Mutex<Option<Epoch>>,
    fenced: watch::Sender<Fenced>,
}

impl Fence {
    pub(in super::super) fn new(region: Option<Arc<str>>) -> Self {
        Self { region: region.unwrap_or_default(), held: Mutex::default(), fenced: watch::Sender::default() }
    }

    /// The region that this process probes from; empty where there is no fleet.
    pub(in super::super) fn region(&self) -> &Arc<str> {
        &self.region
    }

    /// From now on everything is written under this epoch of the region's lease.
    pub(super) fn hold(&self, epoch: Epoch) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch);
    }

    /// The epoch of the region's lease under which everything is written, if it is.
    pub(in super::super) fn held(&self) -> Option<Epoch> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What others have taken over.
    pub(super) fn watch(&self) -> watch::Receiver<Fenced> {
        self.fenced.subscribe()
    }

    /// What others have taken over by now.
    pub(in super::super) fn fenced(&self) -> Fenced {
        *self.fenced.borrow()
    }

    /// Rows of the evaluator under this epoch were refused.
    pub(in super::super) fn lose_evaluator(&self, epoch: Option<Epoch>) {
        self.fenced.send_modify(|fenced| fenced.evaluator = fenced.evaluator.max(epoch));
    }

    /// All that was to be written was refused.
    pub(in super::super) fn lose_region(&self) {
        self.fenced.send_modify(|fenced| fenced.region = true);
    }
}
