//! What a probe promises over time.

use std::sync::Arc;
use std::time::Duration;

/// Service level objective of a probe, judged over a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Share of counted runs that must pass, 0 < share ≤ 1.
    pub success: Option<f64>,
    /// Share of passed runs that may be degraded, 0 < share < 1.
    pub degraded: Option<f64>,
    /// Bounds on how long something takes.
    pub latency: Option<LatencySlo>,
    /// Over how long it is judged.
    pub window: Duration,
}

/// Bounds on a duration of passed runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencySlo {
    /// The step it is about; the whole run if absent.
    pub step: Option<Arc<str>>,
    /// Which duration of it.
    pub of: LatencyOf,
    /// Bound on the mean.
    pub mean: Option<Duration>,
    /// Bound on the 95th percentile.
    pub p95: Option<Duration>,
    /// Bound on the 99th percentile.
    pub p99: Option<Duration>,
}

/// Which duration a [`LatencySlo`] speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyOf {
    /// The run's or step's own duration.
    Duration,
    /// How long until an `eventually` step held, measured from the write's end.
    Convergence,
}
