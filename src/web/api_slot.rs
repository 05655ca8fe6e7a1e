//! The handles that requests are given: none while the service starts, those of one that stands by, and those of one that probes.

use std::sync::{Arc, PoisonError, RwLock};

use super::Api;

/// Where requests find their handles, which can be replaced while the listener answers.
#[derive(Default)]
pub(crate) struct ApiSlot(RwLock<Option<Arc<Api>>>);

impl ApiSlot {
    /// Those of now; none while the service starts.
    pub(crate) fn get(&self) -> Option<Arc<Api>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests are given these from now on. Who has been given others keeps them until he is answered.
    pub(crate) fn set(&self, api: Arc<Api>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(api);
    }
}
