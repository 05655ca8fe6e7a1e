//! What a run writes down: what it has done so far, what must be undone, and the clocks.
//!
//! It is kept outside the futures that do it: when a bound cuts them, this is what remains to tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{AttemptDetail, AttemptReport, Cause, SpanId, StepReport, StepResult};

use super::scope::Names;
use super::stall::StallLog;
use super::step::Attempt;
use super::subjects::Subjects;
use super::undo::{Made, Undo};
use super::waits::Waits;

/// Attempts a step's report keeps from the start of a long poll; the last one is kept too.
const KEPT_ATTEMPTS: usize = 20;

/// Steps, each round of a loop for itself, of which a run's report keeps what was sent and received: thousands of subjects may fail in
/// one run.
const KEPT_TRANSCRIPTS: usize = 100;

/// The journal, the reports and the clocks of one run.
#[derive(Debug)]
pub(super) struct Log {
    stalls: Arc<StallLog>,
    /// How long it has waited for the ledger.
    pub(super) waits: Waits,
    /// The subjects that failed.
    pub(super) subjects: Subjects,
    vars: OnceLock<Names>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    /// Finished steps, in the order they ended.
    steps: Vec<StepReport>,
    /// How many of them kept what was sent and received.
    shown: usize,
    /// Steps being made; several inside a `parallel`.
    open: Vec<StepReport>,
    /// Attempts that are under way.
    flights: Vec<Flight>,
    /// What must be undone, in the order it was made.
    journal: Vec<Undo>,
    /// Expectations and contracts judged by steps whose failure counts.
    judged: usize,
    /// When each step last ended.
    ends: HashMap<Arc<str>, Instant>,
    /// When any step last ended.
    last_end: Instant,
}

/// An attempt under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// The span of the step it belongs to.
    pub(super) span_id: SpanId,
    /// Its own span.
    pub(super) attempt: SpanId,
    /// When it began.
    pub(super) began: Instant,
    /// It, which knows how far it has come.
    pub(super) of_kind: Arc<dyn Attempt>,
}

impl Log {
    /// The state of a run that starts at `now`; its steps' reports tell of these stalls.
    pub(super) fn new(now: Instant, stalls: &Arc<StallLog>) -> Self {
        let written = Written {
            steps: Vec::new(),
            shown: 0,
            open: Vec::new(),
            flights: Vec::new(),
            journal: Vec::new(),
            judged: 0,
            ends: HashMap::new(),
            last_end: now,
        };
        Self {
            stalls: Arc::clone(stalls),
            waits: Waits::default(),
            subjects: Subjects::default(),
            vars: OnceLock::new(),
            written: Mutex::new(written),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        // A panic elsewhere in the run is reported as such; what was recorded before it is still true.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) fn take_off(&self, flight: Flight) {
        self.lock().flights.push(flight);
    }

    /// It is over.
    pub(super) fn land(&self, span_id: SpanId) {
        self.lock().flights.retain(|flight| flight.span_id != span_id);
    }

    /// What is in the air.
    pub(super) fn flights(&self) -> Vec<Flight> {
        self.lock().flights.clone()
    }

    /// Takes what is in the air, because nobody will land it any more.
    pub(super) fn take_flights(&self) -> Vec<Flight> {
        std::mem::take(&mut self.lock().flights)
    }

    /// Looks at the finished steps, the open ones, and the attempts that are under way.
    pub(super) fn look<T>(&self, look: impl FnOnce(&[StepReport], &[StepReport], &[Flight]) -> T) -> T {
        let written = self.lock();
        look(&written.steps, &written.open, &written.flights)
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
        let mut written = self.lock();
        let Some(at) = written.open.iter().position(|report| report.span_id == span_id) else { return };
        let mut report = written.open.remove(at);
        report.duration = duration;
        report.stalled = stalled;
        report.result = result;
        written.ends.insert(Arc::clone(&report.name), now);
        written.last_end = now;
        if report.attempts.iter().filter_map(|attempt| attempt.detail.as_ref()).any(AttemptDetail::has_transcript) {
            written.shown += 1;
            if written.shown > KEPT_TRANSCRIPTS {
                report.attempts.iter_mut().filter_map(|attempt| attempt.detail.as_mut()).for_each(AttemptDetail::drop_transcript);
            }
        }
        written.steps.push(report);
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
        let written = self.lock();
        step.and_then(|name| written.ends.get(name).copied()).unwrap_or(written.last_end)
    }

    /// A step that has a cleanup is about to be sent.
    pub(super) fn intend(&self, undo: Undo) {
        self.lock().journal.push(undo);
    }

    /// What became of it. Gives its entry in the ledger.
    pub(super) fn settle(&self, span_id: SpanId, made: Made, names: Option<Names>) -> Option<String> {
        let mut written = self.lock();
        let undo = written.journal.iter_mut().find(|undo| undo.span_id == span_id)?;
        undo.made = made;
        if let Some(names) = names {
            undo.names = names;
        }
        undo.entry.clone()
    }

    /// Takes what there is to undo, newest first.
    pub(super) fn take_journal(&self) -> Vec<Undo> {
        let mut journal = std::mem::take(&mut self.lock().journal);
        journal.reverse();
        journal
    }

    /// The steps that are being made right now.
    pub(super) fn open_steps(&self) -> Vec<StepReport> {
        self.lock().open.clone()
    }

    /// Ends every open step with `cause` (each under its own name) and takes all reports.
    pub(super) fn finish(&self, now: Instant, run_started: Instant, cause: Option<&Cause>) -> Vec<StepReport> {
        let mut written = self.lock();
        let open = std::mem::take(&mut written.open);
        for mut report in open {
            report.duration = now.saturating_duration_since(run_started).saturating_sub(report.started);
            report.stalled = self.stalls.stalled_between(run_started + report.started, now);
            if let Some(cause) = cause {
                report.result = StepResult::Failed(Cause { step: Some(Arc::clone(&report.name)), ..cause.clone() });
            }
            written.steps.push(report);
        }
        let mut steps = std::mem::take(&mut written.steps);
        steps.sort_by_key(|report| report.started);
        steps
    }
}

/// Adds an attempt to a report, dropping the middle of long polls.
pub(super) fn keep_attempt(report: &mut StepReport, attempt: AttemptReport) {
    report.attempts_made += 1;
    if report.attempts.len() > KEPT_ATTEMPTS {
        report.attempts.pop();
    }
    report.attempts.push(attempt);
}
