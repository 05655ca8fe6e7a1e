//! Reports of ticks that did not run, and of runs that panicked before they could report themselves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::time::from_epoch_nanos;
use crate::outcome::{Cause, MissedTicks, OutcomeSink, Reason, RunId, RunReport, SpanId, Tick, TraceId, Trigger, Verdict};
use crate::plan::Canary;

use super::due_queue::Gap;
use super::timing::{Due, Nanos, Timing};

/// Ticks of one gap that get a report each: the newest. Older ones are handed on as a number, because a laptop that slept
/// over the weekend must not answer with millions of reports.
pub(super) const REPORTED: usize = 100;

/// Ticks of a cron expression counted one by one in a gap, which takes some 10 ms.
const COUNTED: u64 = 100_000;

/// A tick as the reports name it; `order` is its place among those that were launched, 0 if it never was.
pub(super) fn tick(due: Due, order: u64) -> Tick {
    Tick { due: from_epoch_nanos(due.at), slot: due.slot, order }
}

/// The report of a tick that has no run which could report it: no steps, no vars.
pub(super) fn report(canary: &Arc<Canary>, trigger: Trigger, tick: Tick, reason: Reason, message: String) -> Arc<RunReport> {
    let now = SystemTime::now();
    Arc::new(RunReport {
        run_id: RunId(ulid::Ulid::generate()),
        canary: Arc::clone(canary),
        trigger,
        tick,
        started: now,
        lateness: now.duration_since(tick.due).unwrap_or_default(),
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        trace_id: TraceId::random(),
        span_id: SpanId::random(),
        verdict: Verdict::of(reason),
        cause: Some(cause(reason, message)),
        steps: Vec::new(),
        vars: Vec::new(),
    })
}

/// A cause that is about no step.
pub(super) fn cause(reason: Reason, message: String) -> Cause {
    Cause { reason, message, step: None, subject: None, attempts: 0, expectation: None, location: None, seen: Vec::new() }
}

/// The report of a run that overlapped a pause or maintenance: it does not count, and still says how the run ended.
pub(super) fn skipped(run: &RunReport, reason: Reason, message: &str) -> Arc<RunReport> {
    let message = match &run.cause {
        Some(was) => format!("{message}; without that it had {} because of {}: {}", run.verdict, was.reason, was.message),
        None => format!("{message}; without that it had {}", run.verdict),
    };
    Arc::new(RunReport { verdict: Verdict::of(reason), cause: Some(cause(reason, message)), ..run.clone() })
}

/// Why nobody was there for the ticks of a gap, and how many of them get a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct GapCause {
    pub(super) reason: Reason,
    pub(super) why: &'static str,
    pub(super) reported: usize,
}

impl GapCause {
    /// The machine slept, or the process stood still.
    pub(super) const SLEPT: Self =
        Self { reason: Reason::Slept, why: "the machine slept or the process stood still", reported: REPORTED };
}

/// Hands the ticks of a gap to the sink, oldest first, and returns how many they are. Ticks of a slot up to the moment that
/// `finished` has for it are none of them. May take some milliseconds, so not on the thread that starts runs.
pub(super) fn report_gap(
    canary: &Arc<Canary>,
    gap: Gap,
    finished: &[(u32, Nanos)],
    cause: GapCause,
    sink: &dyn OutcomeSink,
) -> u64 {
    let GapCause { reason, why, reported } = cause;
    let timing = Timing::of(canary);
    let mut newest: Vec<Due> = std::iter::successors(timing.until(gap.to - 1), |due| timing.until(due.at.checked_sub(1)?))
        .take_while(|due| due.at >= gap.from)
        .take(reported)
        .collect();
    newest.reverse();
    let before = newest.first().map_or(gap.to, |due| due.at);
    newest.retain(|due| !finished.iter().any(|(slot, last)| *slot == due.slot && due.at <= *last));
    let older = timing.count(gap.from, before, COUNTED);
    if older > 0 {
        let missed = MissedTicks {
            canary: Arc::clone(canary),
            reason,
            first: from_epoch_nanos(gap.from),
            before: from_epoch_nanos(before),
            count: older,
        };
        sink.ticks_missed(&missed);
    }
    let all = older + newest.len() as u64;
    for due in newest {
        let message = format!("nobody was awake at this tick: {why} over {all} ticks in a row");
        sink.run_finished(&report(canary, Trigger::Schedule, tick(due, 0), reason, message));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crate::outcome::CleanupReport;

    use super::super::testing::{berlin, every};
    use super::*;

    #[derive(Default)]
    struct RecordingSink {
        reports: Mutex<Vec<Arc<RunReport>>>,
        numbers: Mutex<Vec<MissedTicks>>,
    }

    impl OutcomeSink for RecordingSink {
        fn run_finished(&self, report: &Arc<RunReport>) {
            self.reports.lock().unwrap().push(Arc::clone(report));
        }

        fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}

        fn ticks_missed(&self, missed: &MissedTicks) {
            self.numbers.lock().unwrap().push(missed.clone());
        }
    }

    /// What the sink hears of a gap of `ticks` ticks: ticks handed on as a number, and the reports.
    fn gap_of(canary: &Arc<Canary>, ticks: usize) -> (u64, Vec<Arc<RunReport>>) {
        let timing = Timing::of(canary);
        let grid: Vec<Due> =
            std::iter::successors(timing.after(1_790_000_000_000_000_000), |due| timing.after(due.at)).take(ticks + 1).collect();
        let (first, run) = (grid[0], grid[ticks]);
        let kept = RecordingSink::default();
        let all = report_gap(canary, Gap { from: first.at, to: run.at }, &[], GapCause::SLEPT, &kept);
        let reports = kept.reports.into_inner().unwrap();
        assert_eq!(all, ticks as u64);
        let numbers = kept.numbers.into_inner().unwrap();
        let dues: Vec<Tick> = reports.iter().map(|report| report.tick).collect();
        let expected: Vec<Tick> = grid[ticks.saturating_sub(REPORTED)..ticks].iter().map(|due| tick(*due, 0)).collect();
        assert_eq!(dues, expected, "the newest, in order, without the one that runs");
        for number in &numbers {
            assert_eq!((number.first, number.before), (from_epoch_nanos(first.at), dues[0].due));
        }
        (numbers.iter().map(|number| number.count).sum(), reports)
    }

    #[test]
    fn each_tick_of_a_short_sleep_has_a_report_of_its_own() {
        let (number, reports) = gap_of(&every("short", Duration::from_secs(10), 3), 7);
        assert_eq!((number, reports.len()), (0, 7));
        for report in reports {
            assert_eq!(report.verdict, Verdict::Missed);
            assert_eq!(report.cause.as_ref().map(|cause| cause.reason), Some(Reason::Slept));
            assert!(report.steps.is_empty());
        }
    }

    #[test]
    fn of_a_long_sleep_the_newest_are_reported_and_the_rest_is_counted() {
        let (number, reports) = gap_of(&every("long", Duration::from_secs(10), 3), 100_000);
        assert_eq!((number, reports.len()), (100_000 - REPORTED as u64, REPORTED));
        let (number, reports) = gap_of(&berlin("*/7 * * * * *", 2), 1_000);
        assert_eq!((number, reports.len()), (1_000 - REPORTED as u64, REPORTED));
    }
}
