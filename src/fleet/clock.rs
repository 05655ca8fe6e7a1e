//! How far this machine's clock is from the store's: measured with every renewal, shown, and warned of.

use std::time::{Duration, SystemTime};

use metrics::gauge;

use crate::base::time::epoch_ms;

/// From here on times of several regions do not fit together any more.
const MOST: f64 = 1.0;

/// What is known of the clock.
#[derive(Debug, Default)]
pub(super) struct ClockSkew {
    warned: bool,
}

impl ClockSkew {
    /// Takes the time that the store gave to a question which was sent at `asked` and took so long.
    pub(super) fn take(&mut self, server_ms: i64, asked: SystemTime, took: Duration) {
        let skew = seconds(server_ms, asked, took);
        gauge!("serinus_fleet_clock_skew_seconds").set(skew);
        let warns = skew.abs() - took.as_secs_f64() / 2.0 > MOST;
        if warns && !self.warned {
            tracing::warn!(
                skew_seconds = skew,
                "this machine's clock and that of the store differ; what regions say does not fit together in time: set both by NTP"
            );
        }
        self.warned = warns;
    }
}

/// By how many seconds this machine is ahead of the store. It is certain to half of the time that the question took.
fn seconds(server_ms: i64, asked: SystemTime, took: Duration) -> f64 {
    let here = epoch_ms(asked + took / 2);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of years fit")]
    let skew = (here - server_ms) as f64 / 1_000.0;
    skew
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_is_from_the_middle_of_the_question() {
        let asked = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let near = |found: f64, expected: f64| (found - expected).abs() < 0.001;
        assert!(near(seconds(1_000_050, asked, Duration::from_millis(100)), 0.0));
        assert!(near(seconds(997_000, asked, Duration::ZERO), 3.0), "this machine is ahead");
        assert!(near(seconds(1_003_000, asked, Duration::ZERO), -3.0));
    }
}
