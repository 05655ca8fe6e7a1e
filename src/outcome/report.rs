//! Reports of runs and steps. Every text in them is redacted and bounded when it is put in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::plan::Canary;
use crate::source::Location;

use super::{AttemptReport, Reason, RunId, SpanId, TraceId, Verdict};

/// Why a run was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// Its tick came.
    Schedule,
    /// Made soon after a failure, to confirm it.
    Confirm,
    /// Brought forward in place of its next tick, because a probe that needs it fails.
    Needed,
    /// Asked for by hand, in a running service. Never counts.
    Manual,
    /// `serinus test`. Never counts.
    Test,
}

impl Trigger {
    /// The word of reports and traces.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether runs that were made for this count.
    pub fn counts(self) -> bool {
        match self {
            Self::Schedule | Self::Confirm | Self::Needed => true,
            Self::Manual | Self::Test => false,
        }
    }
}

/// The moment a run was due. Runs are ordered by it, not by completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick {
    /// When it was due.
    pub due: SystemTime,
    /// Which of the interval's `runs` it is, from 0.
    pub slot: u32,
    /// The place in the order in which this process's scheduler launched ticks, from 1; 0 where there is no such order. Runs
    /// are ordered by it, because the wall clock may be set back.
    pub order: u64,
}

/// A finished run (or a tick that did not run: no steps then).
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Its id.
    pub run_id: RunId,
    /// The canary it was of.
    pub canary: Arc<Canary>,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it was due.
    pub tick: Tick,
    /// When it started, by the wall clock.
    pub started: SystemTime,
    /// How long after its tick it started.
    pub lateness: Duration,
    /// From the first step's start to the verdict, by the steady clock.
    pub duration: Duration,
    /// For how much of that this process stood still.
    pub stalled: Duration,
    /// Its trace.
    pub trace_id: TraceId,
    /// The root span.
    pub span_id: SpanId,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass; always there unless it passed.
    pub cause: Option<Cause>,
    /// Steps in the order they were made; loops give one entry an iteration.
    pub steps: Vec<StepReport>,
    /// The run's vars, shown.
    pub vars: Vec<(Arc<str>, String)>,
}

impl RunReport {
    /// Whether it passed, and a `warn` of one of its steps did not hold. It counts as any other passed run.
    pub fn is_degraded(&self) -> bool {
        self.verdict == Verdict::Passed && self.steps.iter().any(|step| step.degraded_by().next().is_some())
    }

    /// What did not hold, as [`StepReport::degraded_by`] of its steps; nothing unless it is degraded.
    pub fn degraded_by(&self) -> impl Iterator<Item = (&StepReport, &ExpectationReport)> {
        let steps = if self.verdict == Verdict::Passed { self.steps.as_slice() } else { &[] };
        steps.iter().flat_map(|step| step.degraded_by().map(move |warning| (step, warning)))
    }
}

impl StepReport {
    /// The warnings that did not hold, or could not be evaluated.
    pub fn degraded_by(&self) -> impl Iterator<Item = &ExpectationReport> {
        self.warnings.iter().filter(|warning| warning.held != Held::Yes)
    }
}

/// Ticks of one canary that did not run and have no report of their own, because there were too many of them in a row.
#[derive(Debug, Clone)]
pub struct MissedTicks {
    /// The canary they were of.
    pub canary: Arc<Canary>,
    /// Why they did not run.
    pub reason: Reason,
    /// When the first of them was due.
    pub first: SystemTime,
    /// They were all due before this; the ticks from here on have reports.
    pub before: SystemTime,
    /// How many; those of a cron expression are counted up to 100,000.
    pub count: u64,
}

/// Why something did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The closed word.
    pub reason: Reason,
    /// One sentence for people: what was tried, with what, what was seen.
    pub message: String,
    /// The step, if one was being made.
    pub step: Option<Arc<str>>,
    /// The subject, if it was about one.
    pub subject: Option<String>,
    /// Attempts made of that step.
    pub attempts: u32,
    /// The expectation that did not hold, as written.
    pub expectation: Option<String>,
    /// Where it is written.
    pub location: Option<Location>,
    /// Parts of the expectation and the values they had.
    pub seen: Vec<SeenValue>,
}

/// A part of an expectation and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenValue {
    /// The part as written, such as `json.status`.
    pub source: String,
    /// Its value in JSON spelling, or why it had none; capped.
    pub value: String,
}

/// Whether an expectation held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It did.
    Yes,
    /// It did not.
    No,
    /// It could not be evaluated, which is a failure.
    NotEvaluable(String),
}

/// One evaluated expectation (or contract, or guard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectationReport {
    /// As written; `contract FILE` for a contract.
    pub source: Arc<str>,
    /// Its author's words for where it does not hold.
    pub say: Option<Arc<str>>,
    /// Where it is written.
    pub location: Location,
    /// Whether it held.
    pub held: Held,
    /// The parts that decided it and their values; filled for those that did not hold, and where everything is asked for.
    pub seen: Vec<SeenValue>,
}

impl ExpectationReport {
    /// Parts that a message tells; the report has them all.
    const TOLD: usize = 10;

    /// One sentence on why it does not hold: the author's words first, then what was seen.
    pub fn message(&self) -> String {
        let source = &self.source;
        let seen: Vec<String> =
            self.seen.iter().take(Self::TOLD).map(|seen| format!("`{}` was {}", seen.source, seen.value)).collect();
        let message = match &self.held {
            Held::Yes => format!("`{source}` holds"),
            Held::No if seen.is_empty() => format!("`{source}` does not hold"),
            Held::No => format!("`{source}` does not hold: {}", seen.join(", ")),
            Held::NotEvaluable(why) => format!("`{source}` could not be evaluated: {why}"),
        };
        self.say.as_ref().map_or_else(|| message.clone(), |say| format!("{say}: {message}"))
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// All expectations held.
    Passed,
    /// It failed; the run goes on only if the step allows it.
    Failed(Cause),
    /// `when` said no.
    NotNeeded,
    /// A guard said no.
    Blocked(Cause),
}

/// One execution of a step (one iteration of it in a loop).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// Its name.
    pub name: Arc<str>,
    /// Its span.
    pub span_id: SpanId,
    /// The span above it, if that is not the run's root (a parallel's entry).
    pub parent: Option<SpanId>,
    /// The device it acted on.
    pub device: Arc<str>,
    /// Iteration from 1, in a loop.
    pub round: Option<u32>,
    /// The entity it was about, in a loop with subjects.
    pub subject: Option<String>,
    /// Start, from the run's start.
    pub started: Duration,
    /// All attempts and pauses together.
    pub duration: Duration,
    /// For how much of that this process stood still.
    pub stalled: Duration,
    /// How long until it held, from the write's end; only of an `eventually` step that held.
    pub convergence: Option<Duration>,
    /// For how much of that this process stood still.
    pub convergence_stalled: Duration,
    /// Attempts in order; long polls keep the first ones and the last.
    pub attempts: Vec<AttemptReport>,
    /// Attempts made, also those not kept.
    pub attempts_made: u32,
    /// Every expectation of the last attempt, held or not.
    pub expectations: Vec<ExpectationReport>,
    /// Every `warn` of the attempt that decided the step, held or not.
    pub warnings: Vec<ExpectationReport>,
    /// Captures, shown.
    pub captures: Vec<(Arc<str>, String)>,
    /// How it ended.
    pub result: StepResult,
    /// Whether its failure is allowed.
    pub allow_failure: bool,
}

/// How a run's cleanup ended.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CleanupResult {
    /// Everything was undone.
    Clean,
    /// Something was left behind.
    Leaked(Vec<Cause>),
}

impl CleanupResult {
    /// The word of reports, metrics and traces.
    pub fn as_str(&self) -> &'static str {
        self.into()
    }
}

/// A finished cleanup. It never changes the run's verdict.
#[derive(Debug, Clone)]
pub struct CleanupReport {
    /// The run it belongs to.
    pub run: Arc<RunReport>,
    /// Start, from the run's start.
    pub started: Duration,
    /// How long it took.
    pub duration: Duration,
    /// Its steps.
    pub steps: Vec<StepReport>,
    /// How it ended.
    pub result: CleanupResult,
}
