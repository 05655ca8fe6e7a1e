//! What surrounds a step (parent span, device, round, budget), and the report that is opened for the step.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use minijinja::Value;

use crate::outcome::{Cause, Reason, SpanId, StepReport, StepResult};
use crate::plan::Step;

use super::context::Context;
use super::subjects::Share;

/// Captures of one step or iteration.
pub(super) type Captures = Vec<(Arc<str>, Value)>;

/// What surrounds a step.
#[derive(Debug, Clone, Default)]
pub(super) struct StepContext {
    /// The span above, if that is not the run's root.
    pub(super) parent: Option<SpanId>,
    /// The device where the step names none.
    pub(super) device: Option<Arc<str>>,
    /// Iteration, inside a loop.
    pub(super) round: Option<u32>,
    /// How long it may poll, as a subject.
    pub(super) share: Option<Share>,
    /// Whether a failure is allowed by what surrounds it. What holds in such a step is no reason for the run to pass.
    pub(super) failure_allowed: bool,
}

/// A step that fails before anything was sent: recorded, and returned as the cause.
pub(super) fn refuse(context: &Context, step: &Step, outer: &StepContext, reason: Reason, message: &str) -> Cause {
    record_refusal(context, step, outer, context.env.cause(reason, Some(&step.name), message))
}

pub(super) fn record_refusal(context: &Context, step: &Step, outer: &StepContext, cause: Cause) -> Cause {
    let now = Instant::now();
    let report = StepReport { subject: cause.subject.clone(), ..open_report(context, step, outer, now) };
    let span_id = report.span_id;
    context.log.open(report);
    context.log.close(span_id, now, Duration::ZERO, StepResult::Failed(cause.clone()));
    cause
}

/// The report of a step that begins at `now`.
pub(super) fn open_report(context: &Context, step: &Step, outer: &StepContext, now: Instant) -> StepReport {
    StepReport {
        name: Arc::clone(&step.name),
        span_id: SpanId::random(),
        parent: outer.parent,
        device: outer.device.clone().unwrap_or_else(default_device),
        round: outer.round,
        subject: None,
        started: context.env.offset(now),
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        convergence: None,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 0,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::NotNeeded,
        allow_failure: step.allow_failure,
    }
}

/// The device of steps that name none.
pub(super) fn default_device() -> Arc<str> {
    static NAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("default"));
    Arc::clone(&NAME)
}
