//! The state of canaries and probes, as the alert rules last reported it.
//!
//! Owns the last state of each, packed into one atomic. It must not look at runs: the streak is that of the alert rules, also
//! after a restart.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Severity;

/// The state of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct AlertState {
    /// Failed runs in a row.
    pub(super) failures: u32,
    /// Whether its last counted run passed; `None` while nothing is known.
    pub(super) healthy: Option<bool>,
}

/// What was last said of a canary; nothing is known before.
#[derive(Debug, Default)]
pub(super) struct CanaryState(AtomicU64);

impl CanaryState {
    pub(super) fn set(&self, AlertState { failures, healthy }: AlertState) {
        let health = match healthy {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        self.0.store(u64::from(failures) | (health << u32::BITS), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> AlertState {
        let packed = self.0.load(Ordering::Relaxed);
        let healthy = match packed >> u32::BITS {
            0 => None,
            1 => Some(false),
            _ => Some(true),
        };
        // The lower half, exactly.
        AlertState { failures: u32::try_from(packed & u64::from(u32::MAX)).unwrap_or(u32::MAX), healthy }
    }
}

/// What was last said of a probe: 0 while nobody is to be told of anything, then the severities in ascending order from 1.
#[derive(Debug, Default)]
pub(super) struct ProbeSeverity(AtomicU64);

impl ProbeSeverity {
    pub(super) fn set(&self, severity: Option<Severity>) {
        let level = match severity {
            None => 0,
            Some(Severity::Warn) => 1,
            Some(Severity::Page) => 2,
            Some(Severity::Critical) => 3,
        };
        self.0.store(level, Ordering::Relaxed);
    }

    /// The number that is shown.
    pub(super) fn level(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canarys_alert_state_is_read_as_it_was_set() {
        let canary = CanaryState::default();
        assert_eq!(canary.get(), AlertState { failures: 0, healthy: None });
        for healthy in [None, Some(false), Some(true)] {
            for failures in [0, 1, u32::MAX] {
                let alert_state = AlertState { failures, healthy };
                canary.set(alert_state);
                assert_eq!(canary.get(), alert_state);
            }
        }
    }
}
