//! The ticks that came while no process was there: found at the start, from the last tick that each canary finished.
//!
//! One pass, on a thread that may block, in small portions, so that neither the first runs nor the sinks feel it. If a canary's
//! first tick comes before its portion, its missed ticks are reported first: the store keeps the last finished tick, and a crash
//! in between would lose those before it unnoticed. Ticks after an orderly stop are `down`, those after any other end `crashed`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::base::time::{epoch_nanos, nanos};
use crate::outcome::{OutcomeSink, Reason};
use crate::plan::{Canary, CanaryId};

use super::due_queue::Gap;
use super::missed::{GapCause, REPORTED, report_gap};
use super::timing::{Due, Nanos, Timing};

/// About how many reports all canaries get together. With many canaries each gets fewer, and the rest as a number.
const ALL_REPORTED: usize = 10_000;

/// Reports handed on between two pauses.
const PORTION: usize = 50;

/// A pause: at most a thousand reports a second.
const PAUSE: Duration = Duration::from_millis(50);

/// When an earlier process was last known to look after a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// The last finished tick of each of its slots, or when it came back into the plan after that.
    pub slots: Vec<(u32, SystemTime)>,
    /// Whether that process was stopped in order.
    pub stopped: bool,
}

/// What is not reported yet of the time in which no process was there.
#[derive(Debug)]
pub(super) struct Downtime {
    gaps: Mutex<HashMap<CanaryId, (UnreportedTicks, GapCause)>>,
    reported: usize,
}

impl Downtime {
    /// What the canaries missed before `started`, after each was last seen.
    pub(super) fn new(canaries: &[Arc<Canary>], last_seen: &HashMap<CanaryId, LastSeen>, started: Nanos) -> Self {
        let missed = |canary: &Arc<Canary>| {
            let last = last_seen.get(&canary.id)?;
            Some((canary.id.clone(), unreported(canary, &last.slots, started)?, last.stopped))
        };
        let missed: Vec<(CanaryId, UnreportedTicks, bool)> = canaries.iter().filter_map(missed).collect();
        let reported = (ALL_REPORTED / missed.len().max(1)).clamp(1, REPORTED);
        let cause = |stopped: bool| {
            let (reason, why) = if stopped {
                (Reason::Down, "the service was stopped")
            } else {
                (Reason::Crashed, "the process was not running")
            };
            GapCause { reason, why, reported }
        };
        let gaps = missed.into_iter().map(|(id, unreported, stopped)| (id, (unreported, cause(stopped)))).collect();
        Self { gaps: Mutex::new(gaps), reported }
    }

    /// Reports what a canary missed, if that was not done yet, and returns how many ticks that was. On return the reports were
    /// handed on, by this call or an earlier one.
    pub(super) fn report(&self, canary: &Arc<Canary>, sink: &dyn OutcomeSink) -> u64 {
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        gaps.remove(&canary.id)
            .map_or(0, |(unreported, cause)| report_gap(canary, unreported.gap, &unreported.finished, cause, sink))
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

/// Ticks that were not reported yet.
#[derive(Debug, PartialEq, Eq)]
struct UnreportedTicks {
    gap: Gap,
    /// Until when ticks of each slot have finished all the same.
    finished: Vec<(u32, Nanos)>,
}

/// The ticks until `started` that come after the last finished one of their slot; none where the clock was set back since.
fn unreported(canary: &Canary, slots: &[(u32, SystemTime)], started: Nanos) -> Option<UnreportedTicks> {
    let timing = Timing::of(canary);
    // The store keeps whole milliseconds, so the rest of its millisecond is the same tick.
    let mut finished: Vec<(u32, Nanos)> =
        slots.iter().map(|(slot, last)| (*slot, epoch_nanos(*last).saturating_add(999_999))).collect();
    let newest = finished.iter().map(|(_, last)| *last).max()?;
    // A slot that the probe no longer has, or had not for a while, would make all the ticks since then missed ones.
    finished.retain(|slot| is_current(canary, timing, *slot, newest));
    let first = finished.iter().map(|(_, last)| *last).min()?;
    let from = timing.after(first)?.at;
    let to = timing.after(started).map_or(started.saturating_add(1), |due| due.at);
    (from <= started).then_some(UnreportedTicks { gap: Gap { from, to }, finished })
}

/// Whether the run after a slot's last finished tick can still have been going when `newest` finished.
fn is_current(canary: &Canary, timing: Timing<'_>, (slot, last): (u32, Nanos), newest: Nanos) -> bool {
    // A bound is prolonged by the time the process stood still, at most by itself.
    let going = nanos(canary.probe.deadline).saturating_mul(2);
    let next = timing.slot_again(Due { at: last, slot });
    let second = next.and_then(|at| timing.slot_again(Due { at, slot }));
    second.is_some_and(|second| second.saturating_add(going) >= newest)
}

#[cfg(test)]
mod tests {
    use crate::base::time::from_epoch_nanos;
    use crate::outcome::{CleanupReport, MissedTicks, RunReport};

    use super::super::testing::every;
    use super::*;

    #[derive(Default)]
    struct RecordingSink(Mutex<Vec<Arc<RunReport>>>);

    impl OutcomeSink for RecordingSink {
        fn run_finished(&self, report: &Arc<RunReport>) {
            self.0.lock().unwrap().push(Arc::clone(report));
        }

        fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}

        fn ticks_missed(&self, missed: &MissedTicks) {
            panic!("{missed:?}");
        }
    }

    const SECOND: Nanos = 1_000_000_000;
    const START: Nanos = 1_790_000_000 * SECOND;

    /// What was not seen of a canary with a tick every ten seconds, and its last tick before the start.
    fn gap_after(last: impl Fn(Nanos) -> SystemTime) -> (Option<Gap>, Nanos) {
        let canary = every("down", Duration::from_secs(10), 1);
        let newest = Timing::of(&canary).until(START).expect("long after the epoch").at;
        (unreported(&canary, &[(0, last(newest))], START).map(|unreported| unreported.gap), newest)
    }

    #[test]
    fn what_came_after_the_last_finished_tick_was_missed() {
        let (gap, newest) = gap_after(|newest| from_epoch_nanos(newest - 30 * SECOND));
        assert_eq!(gap, Some(Gap { from: newest - 20 * SECOND, to: newest + 10 * SECOND }));
    }

    #[test]
    fn a_last_tick_that_was_kept_in_milliseconds_is_not_missed_again() {
        let (gap, newest) = gap_after(|newest| from_epoch_nanos(newest / 1_000_000 * 1_000_000));
        assert_ne!(newest % 1_000_000, 0, "this canary's phase has a fraction");
        assert_eq!(gap, None);
    }

    #[test]
    fn where_the_clock_went_back_since_nothing_was_missed() {
        assert_eq!(gap_after(|_| from_epoch_nanos(START + 3600 * SECOND)).0, None);
        assert_eq!(gap_after(|_| from_epoch_nanos(START)).0, None);
    }

    #[test]
    fn a_run_of_one_slot_that_was_going_when_a_later_slot_ended_was_missed() {
        let canary = every("slots", Duration::from_secs(30), 3);
        let timing = Timing::of(&canary);
        let newest = timing.until(START).expect("long after the epoch");
        let back = |ticks: u64| from_epoch_nanos(newest.at - ticks * 10 * SECOND);
        let slot = |ticks: u32| (newest.slot + 3 - ticks) % 3;
        // The slot of the tick before the newest is still at work at that.
        let slots = [(slot(0), back(0)), (slot(1), back(4)), (slot(2), back(2))];
        let unreported = unreported(&canary, &slots, START).expect("one was missed");
        let sink = RecordingSink::default();
        let cause = GapCause { reason: Reason::Crashed, why: "the process was not running", reported: REPORTED };
        assert_eq!(report_gap(&canary, unreported.gap, &unreported.finished, cause, &sink), 1);
        let reported: Vec<_> =
            sink.0.into_inner().unwrap().into_iter().map(|report| (report.tick.slot, report.tick.due)).collect();
        assert_eq!(reported, [(slot(1), back(1))]);
    }

    #[test]
    fn a_slot_that_the_probe_had_long_ago_makes_no_tick_missed() {
        let canary = every("slots", Duration::from_secs(30), 3);
        let newest = Timing::of(&canary).until(START).expect("long after the epoch");
        let other = (newest.slot + 1) % 3;
        let slots = [(newest.slot, from_epoch_nanos(newest.at)), (other, from_epoch_nanos(newest.at - 3_600 * SECOND))];
        assert_eq!(unreported(&canary, &slots, START), None);
    }
}
