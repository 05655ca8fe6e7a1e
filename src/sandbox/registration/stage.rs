//! The stages that a registration runs through after it was submitted, each with its own queue:
//! payment (authorized, captured) → activation → receipt → warehouse.

use std::sync::Arc;
use std::time::Duration;

use super::super::queue::Queue;

/// The stages, in the order a registration passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(in crate::sandbox) enum Stage {
    Payment,
    Activation,
    Receipt,
    Warehouse,
}

impl Stage {
    pub(in crate::sandbox) const ALL: [Self; 4] = [Self::Payment, Self::Activation, Self::Receipt, Self::Warehouse];

    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    /// How long a message takes through the stage, between the two, in product time.
    pub(super) fn takes(self) -> (Duration, Duration) {
        let (low, high) = match self {
            Self::Payment => (200, 500),
            Self::Activation => (100, 400),
            Self::Receipt => (200, 800),
            Self::Warehouse => (500, 2_000),
        };
        (Duration::from_millis(low), Duration::from_millis(high))
    }
}

/// One queue a stage.
#[derive(Debug)]
pub(super) struct Queues([Queue<Arc<str>>; 4]);

impl Queues {
    pub(super) fn new(most: usize) -> Self {
        Self(Stage::ALL.map(|_| Queue::new(most)))
    }

    pub(super) fn of(&self, stage: Stage) -> &Queue<Arc<str>> {
        &self.0[stage as usize]
    }
}
