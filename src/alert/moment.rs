//! A moment by the steady clock and by the wall clock.

use std::time::{Duration, Instant, SystemTime};

use crate::base::time::{epoch_ms, signed_millis, since_epoch};

/// The clock of a process. Its steady time begins at the wall clock's time of the start, so stored times can be used as they are;
/// one in the future counts as now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    begin: Duration,
    origin: Instant,
}

impl Clock {
    /// Begins now.
    pub(super) fn start() -> Self {
        let begin = since_epoch(SystemTime::now());
        Self { begin, origin: Instant::now() }
    }

    /// Now.
    pub(super) fn now(self) -> Moment {
        Moment { steady: self.begin + self.origin.elapsed(), wall: SystemTime::now() }
    }
}

/// A moment. Rules use the steady time; people and the store use the wall clock, which may be set at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock's time since the epoch at the start of the process, plus the steady time since then.
    pub steady: Duration,
    /// What the wall clock said.
    pub wall: SystemTime,
}

impl Moment {
    /// Milliseconds since the epoch by the wall clock, as the store keeps them.
    pub fn wall_ms(self) -> i64 {
        epoch_ms(self.wall)
    }

    /// The steady time for a wall-clock time of the store; never after now.
    pub fn steady_of(self, wall_ms: i64) -> Duration {
        let ago = u64::try_from(self.wall_ms().saturating_sub(wall_ms)).unwrap_or(0);
        self.steady.saturating_sub(Duration::from_millis(ago))
    }

    /// The wall-clock time for a steady time, by the present setting of the clock; the inverse of [`steady_of`](Self::steady_of).
    pub fn wall_ms_of(self, steady: Duration) -> i64 {
        self.wall_ms().saturating_sub(signed_millis(self.steady)).saturating_add(signed_millis(steady))
    }
}
