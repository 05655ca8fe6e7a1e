//! How fast the sandbox's time runs.
//!
//! Every delay of the product, those of faults included, is written in product time and divided by the speed here, so that
//! a demonstration keeps its proportions. Must not sleep: it only says how long.

use std::time::Duration;

/// Product time per wall time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeScale(f64);

impl TimeScale {
    /// `None` unless 0.01 ≤ `speed` ≤ 10,000.
    pub(super) fn new(speed: f64) -> Option<Self> {
        (0.01..=10_000.0).contains(&speed).then_some(Self(speed))
    }

    pub(super) fn speed(self) -> f64 {
        self.0
    }

    /// How long a duration of the product takes by the wall's clock.
    pub(super) fn wall(self, product: Duration) -> Duration {
        Duration::try_from_secs_f64(product.as_secs_f64() / self.0).unwrap_or(Duration::MAX)
    }
}
