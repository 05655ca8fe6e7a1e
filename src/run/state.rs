//! What a run has done so far, kept outside the futures that do it: when a bound cuts them, this is what remains to tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{Cause, SpanId, StepReport, StepResult};

use super::creation::Made;
use super::scope::Names;
use super::silence::{self, Part};
use super::stall::StallLog;
use super::step::http::{HttpRequest, Underway};

/// Attempts a step's report keeps from the start of a long poll; the last one is kept too.
const KEPT_ATTEMPTS: usize = 20;

/// Steps, each round of a loop for itself, of which a run's report keeps requests and answers: thousands of subjects may fail in
/// one run.
const KEPT_EXCHANGES: usize = 100;

/// The journal, the reports and the clocks of one run.
#[derive(Debug)]
pub(super) struct RunState {
    stalls: Arc<StallLog>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Finished steps, in the order they ended.
    steps: Vec<StepReport>,
    /// How many of them kept requests and answers.
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
    /// What is asked.
    pub(super) request: Arc<HttpRequest>,
    /// How far that has come.
    pub(super) underway: Arc<Underway>,
}

/// A step that may have created something, and how to undo it.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    /// The span of the step's execution, which identifies it.
    pub(super) span_id: SpanId,
    /// Path to the step whose `cleanup` undoes it.
    pub(super) step: Arc<str>,
    /// Names as they were, with the step's captures once it has them.
    pub(super) names: Names,
    /// The device that created it.
    pub(super) device: Arc<str>,
    /// What is known of the creation.
    pub(super) made: Made,
    /// Its entry in the ledger, where there is one.
    pub(super) entry: Option<String>,
}

impl RunState {
    /// The state of a run that starts at `now`; its steps' reports tell of these stalls.
    pub(super) fn new(now: Instant, stalls: &Arc<StallLog>) -> Self {
        let inner = Inner {
            steps: Vec::new(),
            shown: 0,
            open: Vec::new(),
            flights: Vec::new(),
            journal: Vec::new(),
            judged: 0,
            ends: HashMap::new(),
            last_end: now,
        };
        Self { stalls: Arc::clone(stalls), inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere in the run is reported as such; what was recorded before it is still true.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// When the last attempt began that failed or was cut, if nothing of what did had a byte of an answer. The run began at
    /// `started`; its subjects and everything else are looked at apart.
    pub(super) fn unanswered(&self, of: Part, started: Instant, now: Instant) -> Option<Instant> {
        let inner = self.lock();
        silence::unanswered(of, (&inner.steps, &inner.open), &inner.flights, started, now)
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
        let mut inner = self.lock();
        let Some(at) = inner.open.iter().position(|report| report.span_id == span_id) else { return };
        let mut report = inner.open.remove(at);
        report.duration = duration;
        report.stalled = stalled;
        report.result = result;
        inner.ends.insert(Arc::clone(&report.name), now);
        inner.last_end = now;
        if report.attempts.iter().any(|attempt| attempt.exchange.is_some()) {
            inner.shown += 1;
            if inner.shown > KEPT_EXCHANGES {
                report.attempts.iter_mut().for_each(|attempt| attempt.exchange = None);
            }
        }
        inner.steps.push(report);
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
        let inner = self.lock();
        step.and_then(|name| inner.ends.get(name).copied()).unwrap_or(inner.last_end)
    }

    /// A step that has a cleanup is about to be sent.
    pub(super) fn intend(&self, undo: Undo) {
        self.lock().journal.push(undo);
    }

    /// What became of it. Gives its entry in the ledger.
    pub(super) fn settle(&self, span_id: SpanId, made: Made, names: Option<Names>) -> Option<String> {
        let mut inner = self.lock();
        let undo = inner.journal.iter_mut().find(|undo| undo.span_id == span_id)?;
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
        let mut inner = self.lock();
        let open = std::mem::take(&mut inner.open);
        for mut report in open {
            report.duration = now.saturating_duration_since(run_started).saturating_sub(report.started);
            report.stalled = self.stalls.stalled_between(run_started + report.started, now);
            if let Some(cause) = cause {
                report.result = StepResult::Failed(Cause { step: Some(Arc::clone(&report.name)), ..cause.clone() });
            }
            inner.steps.push(report);
        }
        let mut steps = std::mem::take(&mut inner.steps);
        steps.sort_by_key(|report| report.started);
        steps
    }
}

/// Adds an attempt to a report, dropping the middle of long polls.
pub(super) fn keep_attempt(report: &mut StepReport, attempt: crate::outcome::AttemptReport) {
    report.attempts_made += 1;
    if report.attempts.len() > KEPT_ATTEMPTS {
        report.attempts.pop();
    }
    report.attempts.push(attempt);
}
