//! Which runs are worth a trace. Pure.

use crate::outcome::{CleanupReport, CleanupResult, RunReport, TraceId, Verdict};

/// Bits of a trace id that W3C Trace Context level 2 wants random, which consistent samplers decide by.
const RANDOM_BITS: u32 = 56;

/// Whether a run's trace is exported: always if it was made and did not pass, by the trace id's hash if it passed, never if
/// it was not made. `sample_passed` is the share of passed runs, 0 ≤ share ≤ 1.
pub(super) fn exports_run(report: &RunReport, sample_passed: f64) -> bool {
    match report.verdict {
        Verdict::Passed => sampled(report.trace_id, sample_passed),
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

/// The rule of OpenTelemetry's consistent probability sampling, so that a target with the same share keeps the same traces:
/// the id's random bits must reach the threshold.
fn sampled(TraceId(id): TraceId, share: f64) -> bool {
    let range = f64::from(2_u8).powi(RANDOM_BITS.cast_signed());
    // The low bits; the mask makes the conversion exact enough for a share.
    #[expect(clippy::cast_precision_loss, reason = "a share does not need the last three of 56 bits")]
    let random = (id & ((1 << RANDOM_BITS) - 1)) as f64;
    random >= (1.0 - share) * range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing_is_exact() {
        for id in [1, 1 << 55, u128::MAX, (1 << RANDOM_BITS) - 1, 1 << RANDOM_BITS] {
            assert!(sampled(TraceId(id), 1.0), "{id:x}");
            assert!(!sampled(TraceId(id & !0xff), 0.0), "{id:x}");
        }
    }

    #[test]
    fn a_share_keeps_about_that_many_and_always_the_same() {
        let ids: Vec<TraceId> = std::iter::repeat_with(TraceId::random).take(20_000).collect();
        let kept = ids.iter().filter(|id| sampled(**id, 0.25)).count();
        assert!((4_500..5_500).contains(&kept), "{kept}");
        assert!(
            ids.iter().filter(|id| sampled(**id, 0.25)).all(|id| sampled(*id, 0.3)),
            "a larger share keeps the same and more"
        );
    }
}
