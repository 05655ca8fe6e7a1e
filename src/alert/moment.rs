//! Now, by both clocks.

use std::time::{Duration, Instant, SystemTime};

use crate::base::time::{epoch_ms, signed_millis, since_epoch};

/// The clock of a process: its steady times begin as the wall clock was at its start, so that a time that was stored can be
/// used as it is; one in the future counts as now.
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

/// A moment by the steady clock, which rules go by, and by the wall clock, which people and the store go by. The wall clock
/// may be set; no rule may notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock's time since the epoch at the start of the process, and what the steady clock says since.
    pub steady: Duration,
    /// What the wall clock said.
    pub wall: SystemTime,
}

impl Moment {
    /// Milliseconds since the epoch by the wall clock, as the store keeps them.
    pub fn wall_ms(self) -> i64 {
        epoch_ms(self.wall)
    }

    /// The steady time of something that the store says happened at `wall_ms`; never after now.
    pub fn steady_of(self, wall_ms: i64) -> Duration {
        let ago = u64::try_from(self.wall_ms().saturating_sub(wall_ms)).unwrap_or(0);
        self.steady.saturating_sub(Duration::from_millis(ago))
    }

    /// What the wall clock, as it is set now, calls a steady time; the inverse of [`steady_of`](Self::steady_of).
    pub fn wall_ms_of(self, steady: Duration) -> i64 {
        self.wall_ms().saturating_sub(signed_millis(self.steady)).saturating_add(signed_millis(steady))
    }
}
