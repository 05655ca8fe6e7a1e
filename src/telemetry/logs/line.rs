//! The one line of a run.

use std::borrow::Cow;

use tracing::{debug, info, warn};

use crate::base::time::millis;
use crate::outcome::{CleanupReport, CleanupResult, ExpectationReport, RunReport, StepReport, Verdict};

/// Logs a finished run. Failed and errored runs are warnings, missed, blocked and degraded ones information. Other passed runs and
/// skipped ones are debug lines, because 10,000 canaries make too many of them.
pub fn run_finished(report: &RunReport) {
    let degraded_by = report.degraded_by().next();
    macro_rules! line {
        ($level:ident) => {{
            let cause = report.cause.as_ref();
            $level!(
                target: "serinus::run",
                canary = report.canary.id.as_str(),
                verdict = report.verdict.as_str(),
                reason = cause.map(|cause| cause.reason.as_str()),
                degraded = degraded_by.map(|_| true),
                step = step(report, degraded_by),
                duration_ms = millis(report.duration),
                run_id = %report.run_id,
                trace_id = %report.trace_id,
                "{}",
                message(report, degraded_by)
            );
        }};
    }
    match report.verdict {
        Verdict::Failed | Verdict::Errored => line!(warn),
        Verdict::Missed | Verdict::Blocked => line!(info),
        Verdict::Passed if degraded_by.is_some() => line!(info),
        Verdict::Passed | Verdict::Skipped => line!(debug),
    }
}

/// The step that the line is about.
fn step<'r>(report: &'r RunReport, degraded_by: Option<(&'r StepReport, &ExpectationReport)>) -> Option<&'r str> {
    let of_cause = || report.cause.as_ref().and_then(|cause| cause.step.as_deref());
    degraded_by.map(|(step, _)| &*step.name).or_else(of_cause)
}

/// What the line says. The author's words come first, and of several warnings the first one is told.
fn message<'r>(report: &'r RunReport, degraded_by: Option<(&StepReport, &ExpectationReport)>) -> Cow<'r, str> {
    match (&report.cause, degraded_by) {
        (Some(cause), _) => cause.message.as_str().into(),
        (None, Some((_, warning))) => format!("run passed, degraded: {}", warning.message()).into(),
        (None, None) => "run passed".into(),
    }
}

/// Logs a cleanup that left something behind; a clean one is not logged.
pub fn cleanup_finished(report: &CleanupReport) {
    match &report.result {
        CleanupResult::Clean => {}
        CleanupResult::Leaked(causes) => {
            for cause in causes {
                warn!(
                    target: "serinus::run",
                    canary = report.run.canary.id.as_str(),
                    reason = cause.reason.as_str(),
                    step = cause.step.as_deref(),
                    run_id = %report.run.run_id,
                    trace_id = %report.run.trace_id,
                    "cleanup left something behind: {}",
                    cause.message
                );
            }
        }
    }
}
