//! The one line of a run.

use tracing::{debug, info, warn};

use crate::base::time::millis;
use crate::outcome::{CleanupReport, CleanupResult, RunReport, Verdict};

/// Logs a finished run. Failed and errored runs are warnings, missed and blocked ones information. Passed and skipped runs are
/// debug lines, because 10,000 canaries make too many of them.
pub fn run_finished(report: &RunReport) {
    macro_rules! line {
        ($level:ident) => {{
            let cause = report.cause.as_ref();
            $level!(
                target: "serinus::run",
                canary = report.canary.id.as_str(),
                verdict = report.verdict.as_str(),
                reason = cause.map(|cause| cause.reason.as_str()),
                step = cause.and_then(|cause| cause.step.as_deref()),
                duration_ms = millis(report.duration),
                run_id = %report.run_id,
                trace_id = %report.trace_id,
                "{}",
                cause.map_or("run passed", |cause| cause.message.as_str())
            );
        }};
    }
    match report.verdict {
        Verdict::Failed | Verdict::Errored => line!(warn),
        Verdict::Missed | Verdict::Blocked => line!(info),
        Verdict::Passed | Verdict::Skipped => line!(debug),
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
