//! What keeps a level up for a while after its rule no longer holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::evidence::LEAST;

/// Closed by a rule that holds; opens after the rule has not held for some time in which enough runs were seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Latch<T>(Option<Held<T>>);

#[derive(Debug, Clone, PartialEq)]
struct Held<T> {
    /// What was seen when the rule last held.
    seen: T,
    /// When that was, steady.
    at: Duration,
    /// Runs since then.
    runs: u32,
}

/// A latch as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept<T> {
    seen: T,
    at_ms: i64,
    runs: u32,
}

impl<T> Default for Latch<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Copy> Latch<T> {
    /// Whether it is closed.
    pub(super) fn is_held(&self) -> bool {
        self.0.is_some()
    }

    /// What was seen when the rule last held, while it is closed.
    pub(super) fn held(&self) -> Option<T> {
        self.0.as_ref().map(|held| held.seen)
    }

    /// One more run: `over` is what was seen if the rule holds.
    pub(super) fn note(&mut self, over: Option<T>, quiet: Duration, now: Duration) {
        if let Some(seen) = over {
            self.0 = Some(Held { seen, at: now, runs: 0 });
        } else if let Some(held) = &mut self.0 {
            held.runs = held.runs.saturating_add(1);
            if held.runs >= LEAST && now.saturating_sub(held.at) >= quiet {
                self.0 = None;
            }
        }
    }

    /// As it is kept; `wall_ms` tells a steady time by the wall clock.
    pub(super) fn kept(&self, wall_ms: impl Fn(Duration) -> i64) -> Option<Kept<T>> {
        self.0.as_ref().map(|held| Kept { seen: held.seen, at_ms: wall_ms(held.at), runs: held.runs })
    }

    /// As it was kept.
    pub(super) fn restored(kept: Option<Kept<T>>, steady: impl Fn(i64) -> Duration) -> Self {
        Self(kept.map(|kept| Held { seen: kept.seen, at: steady(kept.at_ms), runs: kept.runs }))
    }
}
