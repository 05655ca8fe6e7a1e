//! What a run writes down: what it has done so far, what must be undone, and the clocks.
//!
//! It is kept outside the futures that execute the run: when a bound cuts them, it is what is left to report.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{AttemptDetail, AttemptReport, Cause, Held, SpanId, StepReport, StepResult};

use super::scope::Names;
use super::stall::StallLog;
use super::step::Attempt;
use super::subjects::Subjects;
use super::undo::{CreationStatus, Undo};

/// Attempts a step's report keeps of a long poll; the last one is kept too.
const KEPT_ATTEMPTS: usize = 20;

/// Steps, each round of a loop for itself, of which a run's report keeps what was sent and received: thousands of subjects may fail in
/// one run.
const KEPT_TRANSCRIPTS: usize = 100;

/// Passed rounds of loops of which a run's report keeps what was expected and captured; of those after them it keeps that they passed,
/// and when.
const KEPT_ROUNDS: usize = 200;

/// What must be undone, the reports and the clocks of one run.
#[derive(Debug)]
pub(super) struct Log {
    stalls: Arc<StallLog>,
    /// How long it has waited for the ledger.
    pub(super) waits: LedgerWaits,
    /// The subjects that failed.
    pub(super) subjects: Subjects,
    vars: OnceLock<Names>,
    state: Mutex<LogState>,
}

#[derive(Debug)]
struct LogState {
    /// Finished steps, in the order they ended.
    steps: Vec<StepReport>,
    /// How many of them kept what was sent and received.
    shown: usize,
    /// How many of them are passed rounds of loops.
    passed_rounds: usize,
    /// How many of those have a warning that did not hold.
    warned_rounds: usize,
    /// Steps being made; several inside a `parallel`.
    open: Vec<StepReport>,
    /// Attempts that are under way.
    open_attempts: Vec<OpenAttempt>,
    /// What must be undone, in the order it was made.
    undos: Vec<Undo>,
    /// Expectations and contracts judged by steps whose failure counts.
    judged: usize,
    /// When each step last ended.
    ends: HashMap<Arc<str>, Instant>,
    /// When any step last ended.
    last_end: Instant,
}

impl LogState {
    /// Of so many rounds that did not hold all, what did not is kept: also where it is the last round that makes the run degraded.
    fn keep_warnings(&mut self, report: &mut StepReport) {
        self.warned_rounds += usize::from(report.degraded_by().next().is_some());
        if self.passed_rounds <= KEPT_ROUNDS {
            return;
        }
        let keeps = self.warned_rounds <= KEPT_ROUNDS;
        report.warnings.retain(|warning| keeps && warning.held != Held::Yes);
        report.warnings.shrink_to_fit();
    }
}

/// An attempt under way.
#[derive(Debug, Clone)]
pub(super) struct OpenAttempt {
    /// The span of the step it belongs to.
    pub(super) span_id: SpanId,
    /// Its own span.
    pub(super) attempt: SpanId,
    /// When it began.
    pub(super) began: Instant,
    /// The attempt, which knows how far it has come.
    pub(super) of_kind: Arc<dyn Attempt>,
}

impl Log {
    /// The state of a run that starts at `now`; its steps' reports tell of these stalls.
    pub(super) fn new(now: Instant, stalls: &Arc<StallLog>) -> Self {
        let state = LogState {
            steps: Vec::new(),
            shown: 0,
            passed_rounds: 0,
            warned_rounds: 0,
            open: Vec::new(),
            open_attempts: Vec::new(),
            undos: Vec::new(),
            judged: 0,
            ends: HashMap::new(),
            last_end: now,
        };
        Self {
            stalls: Arc::clone(stalls),
            waits: LedgerWaits::default(),
            subjects: Subjects::default(),
            vars: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LogState> {
        // A panic elsewhere in the run is reported as such; what was recorded before it is still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's vars have been evaluated.
    pub(super) fn remember_vars(&self, vars: &Names) {
        let _ = self.vars.set(Arc::clone(vars));
    }

    /// The run's vars, as far as they were evaluated.
    pub(super) fn vars(&self) -> Names {
        self.vars.get().cloned().unwrap_or_default()
    }

    /// A step begins.
    pub(super) fn open(&self, report: StepReport) {
        self.lock().open.push(report);
    }

    /// An attempt of an open step begins.
    pub(super) fn attempt_started(&self, open: OpenAttempt) {
        self.lock().open_attempts.push(open);
    }

    /// The attempt of this step is over.
    pub(super) fn attempt_ended(&self, span_id: SpanId) {
        self.lock().open_attempts.retain(|open| open.span_id != span_id);
    }

    /// The attempts under way.
    pub(super) fn open_attempts(&self) -> Vec<OpenAttempt> {
        self.lock().open_attempts.clone()
    }

    /// Takes the attempts under way, because they were cut.
    pub(super) fn take_open_attempts(&self) -> Vec<OpenAttempt> {
        std::mem::take(&mut self.lock().open_attempts)
    }

    /// Looks at the finished steps, the open ones, and the attempts that are under way.
    pub(super) fn look<T>(&self, look: impl FnOnce(&[StepReport], &[StepReport], &[OpenAttempt]) -> T) -> T {
        let state = self.lock();
        look(&state.steps, &state.open, &state.open_attempts)
    }

    /// Adds to the report of a step that is being made.
    pub(super) fn update(&self, span_id: SpanId, change: impl FnOnce(&mut StepReport)) {
        if let Some(report) = self.lock().open.iter_mut().find(|report| report.span_id == span_id) {
            change(report);
        }
    }

    /// A step ended at `now`.
    pub(super) fn close(&self, span_id: SpanId, now: Instant, duration: Duration, result: StepResult) {
        let stalled = now.checked_sub(duration).map_or(Duration::ZERO, |began| self.stalls.stalled_between(began, now));
        let mut state = self.lock();
        let Some(at) = state.open.iter().position(|report| report.span_id == span_id) else { return };
        let mut report = state.open.remove(at);
        report.duration = duration;
        report.stalled = stalled;
        report.result = result;
        state.ends.insert(Arc::clone(&report.name), now);
        state.last_end = now;
        if report.attempts.iter().filter_map(|attempt| attempt.detail.as_ref()).any(AttemptDetail::has_transcript) {
            state.shown += 1;
            if state.shown > KEPT_TRANSCRIPTS {
                report.attempts.iter_mut().filter_map(|attempt| attempt.detail.as_mut()).for_each(AttemptDetail::drop_transcript);
            }
        }
        if report.round.is_some() && report.result == StepResult::Passed {
            state.passed_rounds += 1;
            if state.passed_rounds > KEPT_ROUNDS {
                (report.expectations, report.captures) = (Vec::new(), Vec::new());
            }
            state.keep_warnings(&mut report);
        }
        state.steps.push(report);
    }

    /// So many expectations of a step whose failure counts were judged.
    pub(super) fn count_judged(&self, judged: usize) {
        self.lock().judged += judged;
    }

    /// Expectations judged so far.
    pub(super) fn judged(&self) -> usize {
        self.lock().judged
    }

    /// When `step` last ended; when the step before the current one did, if none is named or it was never made.
    pub(super) fn end_of(&self, step: Option<&str>) -> Instant {
        let state = self.lock();
        step.and_then(|name| state.ends.get(name).copied()).unwrap_or(state.last_end)
    }

    /// A step that has a cleanup is about to be sent.
    pub(super) fn intend(&self, undo: Undo) {
        self.lock().undos.push(undo);
    }

    /// What became of it. Gives its entry in the ledger.
    pub(super) fn settle(&self, id: SpanId, made: CreationStatus, names: Option<Names>) -> Option<String> {
        let mut state = self.lock();
        let undo = state.undos.iter_mut().find(|undo| undo.id == id)?;
        undo.made = made;
        if let Some(names) = names {
            undo.names = names;
        }
        undo.entry.clone()
    }

    /// Takes what there is to undo, newest first.
    pub(super) fn take_undos(&self) -> Vec<Undo> {
        let mut undos = std::mem::take(&mut self.lock().undos);
        undos.reverse();
        undos
    }

    /// The steps that are being made right now.
    pub(super) fn open_steps(&self) -> Vec<StepReport> {
        self.lock().open.clone()
    }

    /// Ends every open step with `cause` (each under its own name) and takes all reports.
    pub(super) fn finish(&self, now: Instant, run_started: Instant, cause: Option<&Cause>) -> Vec<StepReport> {
        let mut state = self.lock();
        let open = std::mem::take(&mut state.open);
        for mut report in open {
            report.duration = now.saturating_duration_since(run_started).saturating_sub(report.started);
            report.stalled = self.stalls.stalled_between(run_started + report.started, now);
            if let Some(cause) = cause {
                report.result = StepResult::Failed(Cause { step: Some(Arc::clone(&report.name)), ..cause.clone() });
            }
            state.steps.push(report);
        }
        let mut steps = std::mem::take(&mut state.steps);
        steps.sort_by_key(|report| report.started);
        // The newest passed run of each canary is held, mostly with fewer steps than a vector has room for at first.
        steps.shrink_to_fit();
        steps
    }
}

/// Adds an attempt to a report. Of long polls those are dropped that saw what the one before them saw.
pub(super) fn keep_attempt(report: &mut StepReport, attempt: AttemptReport) {
    report.attempts_made += 1;
    if report.attempts.len() > KEPT_ATTEMPTS {
        make_room(&mut report.attempts);
    }
    if report.attempts.is_empty() {
        // Most steps have one.
        report.attempts.reserve_exact(1);
    }
    report.attempts.push(attempt);
}

/// Drops one of many attempts: the newest that saw the same as the one before it, which then counts it; the newest of all where each
/// saw something else.
fn make_room(attempts: &mut Vec<AttemptReport>) {
    match (1..attempts.len()).rev().find(|&at| attempts[at].is_alike(&attempts[at - 1])) {
        Some(at) => {
            let dropped = attempts.remove(at);
            attempts[at - 1].alike += 1 + dropped.alike;
        }
        None => drop(attempts.pop()),
    }
}

/// How long a run has waited for the ledger, which its bound does not count. Waits that overlap count once.
#[derive(Debug, Default)]
pub(super) struct LedgerWaits(Mutex<LedgerWaitState>);

#[derive(Debug, Default)]
struct LedgerWaitState {
    over: Duration,
    going: u32,
    since: Option<Instant>,
}

/// A wait, until it is dropped.
pub(super) struct LedgerWait<'a>(&'a LedgerWaits);

impl LedgerWaits {
    /// A wait begins.
    pub(super) fn begin(&self) -> LedgerWait<'_> {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.going += 1;
        waited.since.get_or_insert_with(Instant::now);
        LedgerWait(self)
    }

    /// All waits together, those that go on at `now` included.
    pub(super) fn total(&self, now: Instant) -> Duration {
        let waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.over + waited.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Drop for LedgerWait<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.going -= 1;
        if waited.going == 0
            && let Some(since) = waited.since.take()
        {
            waited.over += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Reason, testing};

    #[test]
    fn of_a_long_poll_each_other_answer_is_kept_and_what_is_alike_is_counted() {
        let poll = |saw: &dyn Fn(u32) -> String| {
            let mut report = StepReport { attempts_made: 0, ..testing::step("poll") };
            for number in 0..500 {
                let (started, failure) = (Duration::from_secs(number.into()), Some((Reason::Expectation, saw(number))));
                let attempt = AttemptReport {
                    span_id: SpanId(1),
                    started,
                    duration: Duration::ZERO,
                    detail: None,
                    failure,
                    alike: 0,
                    certificate: None,
                };
                keep_attempt(&mut report, attempt);
            }
            let kept: Vec<(u64, u32)> = report.attempts.iter().map(|kept| (kept.started.as_secs(), kept.alike)).collect();
            (report.attempts_made, kept)
        };
        let (made, kept) = poll(&|_| "pending".to_owned());
        assert_eq!((made, kept.len()), (500, 21));
        assert_eq!(kept[19..], [(19, 479), (499, 0)]);
        let (_, kept) = poll(&|number| if number == 250 { "gone" } else { "pending" }.to_owned());
        assert_eq!((kept.len(), kept.iter().map(|(_, alike)| 1 + alike).sum::<u32>()), (21, 500));
        assert!(kept.contains(&(250, 0)), "{kept:?}");
        let (_, kept) = poll(&|number| number.to_string());
        assert_eq!((kept.len(), kept[19], kept[20]), (21, (19, 0), (499, 0)));
    }

    #[test]
    fn waits_that_overlap_count_once_and_one_that_goes_on_counts_already() {
        let waits = LedgerWaits::default();
        let began = Instant::now();
        let (first, second) = (waits.begin(), waits.begin());
        let later = began + Duration::from_mins(1);
        let going = waits.total(later);
        assert!(going <= Duration::from_mins(1) && going > Duration::from_secs(30), "{going:?}");
        drop(first);
        assert!(waits.total(later) > Duration::from_secs(30), "the second goes on");
        drop(second);
        assert_eq!(waits.total(later), waits.total(later + Duration::from_mins(1)), "nothing goes on");
    }
}
