//! Reports made by hand, for the unit tests of every module. What a test is about it sets itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{
    Cause, ExpectationReport, Held, Reason, RunId, RunReport, SeenValue, SpanId, StepReport, StepResult, Tick, TraceId, Trigger,
    Verdict,
};
use crate::plan::Canary;
use crate::source::SourceFile;

/// A run that took no time, of a tick at this moment.
pub(crate) fn run(canary: &Arc<Canary>, verdict: Verdict, due: SystemTime) -> RunReport {
    RunReport {
        run_id: RunId(ulid::Ulid::nil()),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due, slot: 0, order: 0 },
        started: due,
        lateness: Duration::ZERO,
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        trace_id: TraceId(1),
        span_id: SpanId(1),
        verdict,
        cause: None,
        steps: Vec::new(),
        vars: Vec::new(),
    }
}

/// A step that passed in no time.
pub(crate) fn step(name: &str) -> StepReport {
    StepReport {
        name: name.into(),
        span_id: SpanId(7),
        parent: None,
        device: "default".into(),
        round: None,
        subject: None,
        started: Duration::ZERO,
        duration: Duration::ZERO,
        stalled: Duration::ZERO,
        convergence: None,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    }
}

/// A step that passed, of which this `warn` did not hold.
pub(crate) fn warned(name: &str, source: &str) -> StepReport {
    let location = SourceFile::new("probes/p.toml", source).location(0);
    let seen = vec![SeenValue { source: "latency".to_owned(), value: "0.7".to_owned() }];
    let warning = ExpectationReport { source: source.into(), say: Some("it drags".into()), location, held: Held::No, seen };
    StepReport { warnings: vec![warning], ..step(name) }
}

/// Why something failed, before any attempt of a step.
pub(crate) fn cause(reason: Reason, message: &str) -> Cause {
    Cause {
        reason,
        message: message.to_owned(),
        step: None,
        subject: None,
        attempts: 0,
        expectation: None,
        location: None,
        seen: Vec::new(),
    }
}
