//! What waits to be written, bounded so that a store that is away for hours cannot fill the memory.
//!
//! States, incidents and tries are kept by their keys, the newest of each. Runs are dropped in this order: first the steps of
//! runs that came late, then all rows of whole canaries ([`canaries_to_shed`]). History then has a hole for such a canary, and
//! never "fail, fail" where it was "fail, pass, fail". A canary with a failed run in the backlog keeps its rows until the process
//! would run out of memory.

mod evaluation;
mod queue;
mod tries;
mod waiter;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use metrics::counter;
use tokio::sync::oneshot;

use crate::base::time::epoch_ms;
use crate::history::encoding::detail;
use crate::history::{ArtifactRow, Commit, Epoch, EventRow, FactRow, IncidentRow, ObservationRow, Record, StateRow, TimelineRow};
use crate::outcome::{
    CleanupReport, LedgerEnd, LedgerEntry, MayShed, Reason, RunId, RunReport, TraceId, Trigger, Verdict, canaries_to_shed,
};
use crate::plan::{Canary, CanaryId};

pub(super) use queue::{Queue, Work};
pub(super) use tries::Tries;
pub(super) use waiter::Waiter;

/// What could not be kept while the store was away.
pub(super) const DROPPED: &str = "serinus_store_dropped_total";

const DETAILS: &str = "details";
const ARTIFACTS_DROPPED: &str = "artifacts";
const OBSERVATIONS_DROPPED: &str = "observations";
const EVENTS_DROPPED: &str = "events";

/// Passed runs, and others, that wait with their steps.
const PASSED: RunLimit = RunLimit { whole: 4_000, what: "passed" };
const OTHERS: RunLimit = RunLimit { whole: 1_000, what: "not_passed" };

/// With more runs than this, those of whole canaries are dropped.
const RUNS: usize = 50_000;

/// With more runs than this, canaries that failed are dropped too, so that the prober itself does not run out of memory. A long
/// outage of store and targets brings far fewer.
const ALL_RUNS: usize = 1_000_000;

/// Cleanups that may wait; further ones are dropped, as the steps of runs are.
const CLEANUPS: usize = 4_000;

/// Bytes of artifacts, and observations, that may wait; further ones are dropped.
const ARTIFACTS: usize = 32 << 20;
const OBSERVATIONS: usize = 100_000;

/// Events that may wait; further ones are dropped. A program that tells of everything it does must not fill the memory.
const EVENTS: usize = 10_000;

/// Registers what can be dropped, so that it is seen as zero.
pub(super) fn register() {
    for what in [PASSED.what, OTHERS.what, DETAILS, ARTIFACTS_DROPPED, OBSERVATIONS_DROPPED, EVENTS_DROPPED] {
        counter!(DROPPED, "what" => what).increment(0);
    }
}

/// A run's row.
#[derive(Debug, Clone)]
pub(super) struct RunRow {
    pub(super) canary: Arc<Canary>,
    pub(super) run_id: RunId,
    pub(super) trace_id: TraceId,
    pub(super) due_ms: i64,
    pub(super) slot: u32,
    pub(super) late_ms: i64,
    pub(super) duration_us: u64,
    pub(super) verdict: Verdict,
    pub(super) reason: Option<Reason>,
    pub(super) degraded: bool,
    pub(super) counted: bool,
}

impl RunRow {
    /// The row of a run.
    pub(super) fn of(record: &Record) -> Self {
        let report = &*record.report;
        let due_ms = epoch_ms(report.tick.due);
        Self {
            canary: Arc::clone(&report.canary),
            run_id: report.run_id,
            trace_id: report.trace_id,
            due_ms,
            slot: report.tick.slot,
            late_ms: epoch_ms(report.started) - due_ms,
            duration_us: detail::micros(report.duration),
            verdict: report.verdict,
            reason: report.cause.as_ref().map(|cause| cause.reason),
            degraded: report.is_degraded(),
            counted: record.counted,
        }
    }
}

/// A run that waits.
#[derive(Debug)]
pub(super) enum QueuedRun {
    /// With its steps.
    Whole(Record),
    /// The row alone: too many were waiting when it came.
    RowOnly(RunRow),
}

impl QueuedRun {
    fn canary(&self) -> &Canary {
        match self {
            Self::Whole(record) => &record.report.canary,
            Self::RowOnly(line) => &line.canary,
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Whole(record) => record.report.verdict,
            Self::RowOnly(line) => line.verdict,
        }
    }
}

#[derive(Debug)]
struct RunLimit {
    whole: usize,
    what: &'static str,
}

/// Runs in the order in which they came.
#[derive(Debug, Default)]
struct RunQueue {
    waiting: VecDeque<QueuedRun>,
    whole: usize,
}

impl RunQueue {
    fn push(&mut self, run: QueuedRun, bound: &RunLimit) {
        let run = match run {
            QueuedRun::Whole(record) if self.whole < bound.whole => {
                self.whole += 1;
                QueuedRun::Whole(record)
            }
            QueuedRun::Whole(record) => {
                counter!(DROPPED, "what" => DETAILS).increment(1);
                QueuedRun::RowOnly(RunRow::of(&record))
            }
            QueuedRun::RowOnly(line) => QueuedRun::RowOnly(line),
        };
        self.waiting.push_back(run);
    }

    /// Drops what waits of these canaries.
    fn drop_all(&mut self, gone: &HashSet<CanaryId>, bound: &RunLimit) {
        let before = self.waiting.len();
        self.waiting.retain(|run| !gone.contains(&run.canary().id));
        self.whole = self.waiting.iter().filter(|run| matches!(run, QueuedRun::Whole(_))).count();
        counter!(DROPPED, "what" => bound.what).increment((before - self.waiting.len()) as u64);
    }
}

/// The last finished tick of a canary's slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastTick {
    /// See [`Tick::order`](crate::outcome::Tick::order).
    pub(super) order: u64,
    pub(super) due_ms: i64,
}

/// What became of a ledger's entry since it was last written.
#[derive(Debug, Default)]
pub(super) struct LedgerChange {
    pub(super) entry: Option<LedgerEntry>,
    pub(super) names: Option<serde_json::Value>,
    pub(super) retries: u32,
    pub(super) passes: u32,
    pub(super) message: Option<String>,
    pub(super) given_up: bool,
    pub(super) gone: bool,
}

impl LedgerChange {
    /// The entry's cleanup ended so.
    pub(super) fn ended(end: LedgerEnd) -> Self {
        match end {
            LedgerEnd::Gone => Self { gone: true, ..Self::default() },
            LedgerEnd::Again => Self { passes: 1, ..Self::default() },
            LedgerEnd::Retry { message } => Self { retries: 1, message: Some(message), ..Self::default() },
            LedgerEnd::GivenUp { message } => Self { retries: 1, message: Some(message), given_up: true, ..Self::default() },
        }
    }

    fn then(&mut self, later: Self) {
        self.entry = later.entry.or(self.entry.take());
        self.names = later.names.or(self.names.take());
        self.retries = self.retries.saturating_add(later.retries);
        self.passes = self.passes.saturating_add(later.passes);
        self.message = later.message.or(self.message.take());
        self.given_up |= later.given_up;
        self.gone |= later.gone;
    }
}

/// Everything that waits to be written. It is written in one transaction, so that what is durable is always all that came up to
/// some moment.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    passed: RunQueue,
    others: RunQueue,
    /// The number of runs at which it is next tried to drop some.
    look_at: usize,
    pub(super) ticks: HashMap<(CanaryId, u32), (Arc<Canary>, LastTick)>,
    pub(super) states: IndexMap<(&'static str, String), Option<String>>,
    pub(super) incidents: IndexMap<String, IncidentRow>,
    pub(super) timeline: Vec<TimelineRow>,
    pub(super) tries: Tries,
    pub(super) ledger: IndexMap<String, LedgerChange>,
    pub(super) cleanups: VecDeque<Arc<CleanupReport>>,
    pub(super) artifacts: Vec<ArtifactRow>,
    artifact_bytes: usize,
    pub(super) observations: Vec<ObservationRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) facts: IndexMap<String, FactRow>,
    /// The newest epoch of the evaluator that rows came from; see `evaluation`.
    pub(super) evaluator: Option<Epoch>,
    /// Notified when all of it is durable. If there are any, the write is urgent.
    pub(super) waiters: Vec<Waiter>,
}

impl Backlog {
    /// Takes what belongs together. Returns whether it took all of it: rows of an evaluator that was followed by another one are dropped.
    pub(super) fn push(&mut self, mut commit: Commit) -> bool {
        let is_whole = self.admit(&mut commit);
        for record in commit.runs {
            self.tick(&record.report);
            self.run(QueuedRun::Whole(record));
        }
        self.states.extend(commit.states.into_iter().map(|StateRow { kind, key, json }| ((kind, key), json)));
        self.incidents.extend(commit.incidents.into_iter().map(|row| (row.id.clone(), row)));
        self.timeline.extend(commit.timeline);
        self.tries.push(commit.tries, commit.outcomes);
        commit.artifacts.into_iter().for_each(|row| self.artifact(row));
        commit.observations.into_iter().for_each(|row| self.observation(row));
        commit.events.into_iter().for_each(|row| self.event(row.bounded()));
        self.facts.extend(commit.facts.into_iter().map(|row| (row.key.clone(), row)));
        is_whole
    }

    fn artifact(&mut self, row: ArtifactRow) {
        if self.artifact_bytes + row.bytes.len() > ARTIFACTS {
            counter!(DROPPED, "what" => ARTIFACTS_DROPPED).increment(1);
            return;
        }
        self.artifact_bytes += row.bytes.len();
        self.artifacts.push(row);
    }

    fn observation(&mut self, row: ObservationRow) {
        // An observation that is infinite or no number is dropped too.
        if self.observations.len() >= OBSERVATIONS || !row.value.is_finite() || !row.weight.is_finite() {
            counter!(DROPPED, "what" => OBSERVATIONS_DROPPED).increment(1);
            return;
        }
        self.observations.push(row);
    }

    fn event(&mut self, row: EventRow) {
        if self.events.len() >= EVENTS {
            counter!(DROPPED, "what" => EVENTS_DROPPED).increment(1);
            return;
        }
        self.events.push(row);
    }

    /// Takes what became of a run's cleanup.
    pub(super) fn cleanup(&mut self, report: Arc<CleanupReport>) {
        if self.cleanups.len() >= CLEANUPS {
            self.cleanups.pop_front();
            counter!(DROPPED, "what" => DETAILS).increment(1);
        }
        self.cleanups.push_back(report);
    }

    /// Takes a change of the ledger. An entry that is gone again before it was written leaves nothing to write.
    pub(super) fn ledger(&mut self, id: &str, change: LedgerChange) {
        let kept = self.ledger.entry(id.to_owned()).or_default();
        kept.then(change);
        if kept.gone && kept.entry.is_some() {
            self.ledger.swap_remove(id);
        }
    }

    /// Adds somebody who waits for all of it to be durable. Those who have given up are removed now and then.
    pub(super) fn wait(&mut self, done: oneshot::Sender<()>) {
        self.await_by(Waiter::new(done, false));
    }

    fn await_by(&mut self, waiter: Waiter) {
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|waiter| !waiter.is_closed());
        }
        self.waiters.push(waiter);
    }

    /// Takes what came while this one could not be written.
    pub(super) fn absorb(&mut self, mut newer: Self) {
        self.admit_all(&mut newer);
        newer.passed.waiting.into_iter().chain(newer.others.waiting).for_each(|run| self.run(run));
        newer.ticks.into_iter().for_each(|((_, slot), (canary, tick))| self.last(&canary, slot, tick));
        self.states.extend(newer.states);
        self.incidents.extend(newer.incidents);
        self.timeline.extend(newer.timeline);
        self.tries.absorb(newer.tries);
        newer.ledger.into_iter().for_each(|(id, change)| self.ledger(&id, change));
        newer.cleanups.into_iter().for_each(|report| self.cleanup(report));
        newer.artifacts.into_iter().for_each(|row| self.artifact(row));
        newer.observations.into_iter().for_each(|row| self.observation(row));
        newer.events.into_iter().for_each(|row| self.event(row));
        self.facts.extend(newer.facts);
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.waiters.extend(newer.waiters);
    }

    /// Runs that wait: passed ones first, otherwise in the order in which they came.
    pub(super) fn runs(&self) -> impl Iterator<Item = &QueuedRun> {
        self.passed.waiting.iter().chain(&self.others.waiting)
    }

    /// Rows that wait, roughly.
    pub(super) fn rows(&self) -> usize {
        let runs = self.passed.waiting.len() + self.others.waiting.len();
        let incidents = self.incidents.len() + self.timeline.len();
        let kept = self.artifacts.len() + self.observations.len() + self.events.len() + self.facts.len();
        runs + self.states.len() + incidents + self.tries.len() + self.ledger.len() + self.cleanups.len() + kept
    }

    /// Incidents that change with this backlog: their rows, their timelines or the tries made for them.
    pub(super) fn changed_incidents(&self) -> BTreeSet<&str> {
        let own = self.incidents.keys().chain(self.timeline.iter().map(|row| &row.incident));
        own.chain(self.tries.made.values().flat_map(|row| &row.incidents)).map(String::as_str).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0 && self.ticks.is_empty() && self.waiters.is_empty()
    }

    fn run(&mut self, run: QueuedRun) {
        match run.verdict() {
            Verdict::Passed => self.passed.push(run, &PASSED),
            Verdict::Failed | Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {
                self.others.push(run, &OTHERS);
            }
        }
        if self.passed.waiting.len() + self.others.waiting.len() > RUNS.max(self.look_at) {
            self.make_room();
        }
    }

    /// Drops the rows of whole canaries, many at once so that this is rare.
    fn make_room(&mut self) {
        let waiting = self.passed.waiting.len() + self.others.waiting.len();
        let (most, may_shed) =
            if waiting > ALL_RUNS { (ALL_RUNS / 8 * 7, MayShed::Everything) } else { (RUNS / 8 * 7, MayShed::NoFailures) };
        let gone = canaries_to_shed(self.runs().map(|run| (&run.canary().id, run.verdict())), waiting - most, may_shed);
        self.passed.drop_all(&gone, &PASSED);
        self.others.drop_all(&gone, &OTHERS);
        let left = self.passed.waiting.len() + self.others.waiting.len();
        self.look_at = (left + RUNS / 8).min(ALL_RUNS);
        if !gone.is_empty() {
            tracing::warn!(canaries = gone.len(), runs = waiting - left, "the store is too far behind: history has a hole there");
        }
    }

    /// Notes the last tick. A tick that came while an earlier one was still running is not noted, or a crash would lose the
    /// earlier one unnoticed.
    fn tick(&mut self, report: &RunReport) {
        let overlaps = report.cause.as_ref().is_some_and(|cause| cause.reason == Reason::Overlap);
        match report.trigger {
            Trigger::Schedule | Trigger::Confirm | Trigger::Needed if !overlaps => {
                let tick = LastTick { order: report.tick.order, due_ms: epoch_ms(report.tick.due) };
                self.last(&report.canary, report.tick.slot, tick);
            }
            Trigger::Schedule | Trigger::Confirm | Trigger::Needed | Trigger::Manual | Trigger::Test => {}
        }
    }

    fn last(&mut self, canary: &Arc<Canary>, slot: u32, tick: LastTick) {
        let known = self.ticks.entry((canary.id.clone(), slot)).or_insert_with(|| (Arc::clone(canary), tick));
        if (tick.order, tick.due_ms) >= (known.1.order, known.1.due_ms) {
            *known = (Arc::clone(canary), tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::testing::{event, events};

    #[test]
    fn of_events_that_wait_for_hours_so_many_are_kept_and_the_first_ones() {
        let mut backlog = Backlog::default();
        let mut newer = Backlog::default();
        let rows = |from: u64| events((from..from + 6_000).map(|number| event(&number.to_string(), number)));
        backlog.push(rows(0));
        newer.push(rows(6_000));
        backlog.absorb(newer);
        assert_eq!((backlog.rows(), backlog.events.len()), (EVENTS, EVENTS));
        assert_eq!(backlog.events.last().map(|row| row.id.as_str()), Some("9999"));
        assert!(!backlog.is_empty());
    }
}
