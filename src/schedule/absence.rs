//! The ticks that came while no process was there: found at the start, from the last tick that each canary finished.
//!
//! One pass, on a thread that may block, in small portions, so that neither the first runs nor the sinks feel it. A canary whose
//! first tick comes before its portion is reported then: whoever keeps the last finished tick must hear of those before it
//! first, or a crash in between would lose them in silence. What was due while the process was stopped in order is `down`, what was
//! due after it had ended in another way `crashed`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::outcome::{OutcomeSink, Reason};
use crate::plan::{Canary, CanaryId};

use super::agenda::Gap;
use super::clock::from_wall;
use super::missed::{Absence, REPORTED, report_gap};
use super::timing::{Nanos, Timing};

/// Reports of all canaries together, about; with many canaries each has fewer and a larger number.
const ALL_REPORTED: usize = 10_000;

/// Reports handed on between two pauses.
const PORTION: usize = 50;

/// A pause: at most a thousand reports a second.
const PAUSE: Duration = Duration::from_millis(50);

/// When an earlier process was last known to look after a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSeen {
    /// Its last finished tick, or when it came back into the plan after that.
    pub at: SystemTime,
    /// Whether that process was stopped in order.
    pub stopped: bool,
}

/// What is not reported yet of the time in which no process was there.
#[derive(Debug)]
pub(super) struct Absent {
    gaps: Mutex<HashMap<CanaryId, (Gap, Absence)>>,
    reported: usize,
}

impl Absent {
    /// What the canaries missed before `started`, after each was last seen.
    pub(super) fn new(canaries: &[Arc<Canary>], last_seen: &HashMap<CanaryId, LastSeen>, started: Nanos) -> Self {
        let missed = |canary: &Arc<Canary>| {
            let last = *last_seen.get(&canary.id)?;
            Some((canary.id.clone(), gap(canary, last.at, started)?, last.stopped))
        };
        let missed: Vec<(CanaryId, Gap, bool)> = canaries.iter().filter_map(missed).collect();
        let reported = (ALL_REPORTED / missed.len().max(1)).clamp(1, REPORTED);
        let absence = |stopped: bool| {
            if stopped {
                Absence { reason: Reason::Down, why: "the service was stopped", reported }
            } else {
                Absence { reason: Reason::Crashed, why: "the process was not running", reported }
            }
        };
        let gaps = missed.into_iter().map(|(id, gap, stopped)| (id, (gap, absence(stopped)))).collect();
        Self { gaps: Mutex::new(gaps), reported }
    }

    /// Reports what a canary missed, if that was not done yet, and returns how many ticks that was. When this returns it has
    /// been handed on, whoever did it.
    pub(super) fn report(&self, canary: &Arc<Canary>, sink: &dyn OutcomeSink) -> u64 {
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        gaps.remove(&canary.id).map_or(0, |(gap, absence)| report_gap(canary, gap, absence, sink))
    }

    /// Reports what nobody has reported yet. Blocks.
    pub(super) fn report_all(&self, canaries: &[Arc<Canary>], sink: &dyn OutcomeSink, stop: &CancellationToken) {
        let (mut ticks, mut handed_on) = (0, 0);
        for canary in canaries {
            if stop.is_cancelled() {
                let left = self.gaps.lock().unwrap_or_else(PoisonError::into_inner).len();
                tracing::warn!(canaries = left, "stopped before every tick was reported that came while no process was there");
                return;
            }
            let missed = self.report(canary, sink);
            ticks += missed;
            handed_on += usize::try_from(missed).map_or(self.reported, |missed| missed.min(self.reported));
            if handed_on >= PORTION {
                handed_on = 0;
                std::thread::sleep(PAUSE);
            }
        }
        if ticks > 0 {
            tracing::warn!(ticks, "ticks were missed: the process was not running");
        }
    }
}

/// The ticks after `last` and until `started`; none where the clock was set back since.
fn gap(canary: &Canary, last: SystemTime, started: Nanos) -> Option<Gap> {
    let timing = Timing::of(canary);
    // Whoever keeps it may keep whole milliseconds, so the rest of its millisecond is the same tick.
    let from = timing.after(from_wall(last).saturating_add(999_999))?.at;
    let to = timing.after(started).map_or(started.saturating_add(1), |due| due.at);
    (from <= started).then_some(Gap { from, to })
}

#[cfg(test)]
mod tests {
    use super::super::clock::to_wall;
    use super::super::testing::every;
    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    const START: Nanos = 1_790_000_000 * SECOND;

    /// The gap of a canary with a tick every ten seconds, and its last tick before the start.
    fn gap_after(last: impl Fn(Nanos) -> SystemTime) -> (Option<Gap>, Nanos) {
        let canary = every("down", Duration::from_secs(10), 1);
        let newest = Timing::of(&canary).until(START).expect("long after the epoch").at;
        (gap(&canary, last(newest), START), newest)
    }

    #[test]
    fn what_came_after_the_last_finished_tick_was_missed() {
        let (gap, newest) = gap_after(|newest| to_wall(newest - 30 * SECOND));
        assert_eq!(gap, Some(Gap { from: newest - 20 * SECOND, to: newest + 10 * SECOND }));
    }

    #[test]
    fn a_last_tick_that_was_kept_in_milliseconds_is_not_missed_again() {
        let (gap, newest) = gap_after(|newest| to_wall(newest / 1_000_000 * 1_000_000));
        assert_ne!(newest % 1_000_000, 0, "this canary's phase has a fraction");
        assert_eq!(gap, None);
    }

    #[test]
    fn where_the_clock_went_back_since_nothing_was_missed() {
        assert_eq!(gap_after(|_| to_wall(START + 3600 * SECOND)).0, None);
        assert_eq!(gap_after(|_| to_wall(START)).0, None);
    }
}
