//! Reports of ticks that did not run, and of runs that fell apart before they could report themselves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{Cause, MissedTicks, OutcomeSink, Reason, RunId, RunReport, SpanId, Tick, TraceId, Trigger, Verdict};
use crate::plan::Canary;

use super::agenda::Gap;
use super::clock::to_wall;
use super::timing::{Due, Timing};

/// Ticks of one gap that get a report each: the newest. Older ones are handed on as a number, because a laptop that slept
/// over the weekend must not answer with millions of reports.
pub(super) const REPORTED: usize = 100;

/// Ticks of a cron expression counted one by one in a gap, which takes some 10 ms.
const COUNTED: u64 = 100_000;

/// A tick as the reports name it.
pub(super) fn tick(due: Due) -> Tick {
    Tick { due: to_wall(due.at), slot: due.slot }
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

/// Hands the ticks that were slept through to the sink, oldest first. May take some milliseconds, so not on the thread that
/// starts runs.
pub(super) fn report_gap(canary: &Arc<Canary>, gap: Gap, sink: &dyn OutcomeSink) {
    let timing = Timing::of(canary);
    let mut newest: Vec<Due> = std::iter::successors(timing.until(gap.to - 1), |due| timing.until(due.at.checked_sub(1)?))
        .take_while(|due| due.at >= gap.from)
        .take(REPORTED)
        .collect();
    newest.reverse();
    let before = newest.first().map_or(gap.to, |due| due.at);
    let older = timing.count(gap.from, before, COUNTED);
    if older > 0 {
        let missed = MissedTicks {
            canary: Arc::clone(canary),
            reason: Reason::Slept,
            first: to_wall(gap.from),
            before: to_wall(before),
            count: older,
        };
        sink.ticks_missed(&missed);
    }
    let all = older + newest.len() as u64;
    tracing::warn!(canary = %canary.id, ticks = all, "ticks were missed: the machine slept or the process stood still over them");
    for due in newest {
        let message =
            format!("nobody was awake at this tick: the machine slept or the process stood still over {all} ticks in a row");
        sink.run_finished(&report(canary, Trigger::Schedule, tick(due), Reason::Slept, message));
    }
}
