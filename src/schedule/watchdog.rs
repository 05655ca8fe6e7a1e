//! The watchdog of the runtime that probes: it means to wake every 50 ms, and what it oversleeps was a stall.
//!
//! It must be a task of that runtime, because what it measures is how late a run's own timers are. A stopped process, a
//! starved machine and a blocked runtime all look the same from here, and to a run whose bound has passed they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::run::StallLog;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(50);

/// A stall that may make a run `errored`/`stall` and is therefore worth a log line.
const NOTABLE: Duration = Duration::from_millis(500);

/// Beats until it is cancelled.
pub(super) async fn watch(stalls: Arc<StallLog>, stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Some(stall) = stalls.beat(Instant::now(), BEAT).filter(|&stall| stall >= NOTABLE) {
            tracing::warn!(?stall, "the process stood still; bounds that passed meanwhile are not held against targets");
        }
    }
}
