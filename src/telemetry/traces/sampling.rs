//! Which runs are worth a trace. Pure.
//!
//! What `traceparent` tells a target at the start is the same rule, of a run that passes: whoever fails is kept all the same.

use crate::outcome::{CleanupReport, CleanupResult, RunReport, Verdict};

/// Whether a run's trace is exported: always if it was made and did not pass, by the trace id if it passed, never if
/// it was not made. `sample_passed` is the share of passed runs, 0 ≤ share ≤ 1.
pub(super) fn exports_run(report: &RunReport, sample_passed: f64) -> bool {
    match report.verdict {
        Verdict::Passed => report.trace_id.is_in_share(sample_passed),
        Verdict::Failed | Verdict::Errored | Verdict::Blocked => true,
        Verdict::Missed | Verdict::Skipped => false,
    }
}

/// Whether a cleanup's spans are exported: with its run's, and always if something was left behind.
pub(super) fn exports_cleanup(report: &CleanupReport, sample_passed: f64) -> bool {
    match report.result {
        CleanupResult::Clean => exports_run(&report.run, sample_passed),
        CleanupResult::Leaked(_) => true,
    }
}
