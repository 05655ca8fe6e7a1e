//! Identifiers of runs, traces and spans.

use std::fmt;

/// Bits of a trace id that W3C Trace Context level 2 wants random, which consistent samplers decide by.
const RANDOM_BITS: u32 = 56;

/// A run's own id (ULID), sent to the target as `x-canary-run-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub ulid::Ulid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A trace's id (W3C Trace Context), never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

impl TraceId {
    /// A random one.
    pub fn random() -> Self {
        Self(fastrand::u128(1..))
    }

    /// Whether it is among the share of traces that is kept, 0 ≤ share ≤ 1. The rule is that of OpenTelemetry's consistent
    /// probability sampling (the id's random bits must reach a threshold), so that a target with the same share keeps the
    /// same traces, and one with a larger share those and more.
    pub fn is_in_share(self, share: f64) -> bool {
        let range = f64::from(2_u8).powi(RANDOM_BITS.cast_signed());
        // The low bits; the mask makes the conversion exact enough for a share.
        #[expect(clippy::cast_precision_loss, reason = "a share does not need the last three of 56 bits")]
        let random = (self.0 & ((1 << RANDOM_BITS) - 1)) as f64;
        random >= (1.0 - share) * range
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A span's id (W3C Trace Context), never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub u64);

impl SpanId {
    /// A random one.
    pub fn random() -> Self {
        Self(fastrand::u64(1..))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing_is_exact() {
        for id in [1, 1 << 55, u128::MAX, (1 << RANDOM_BITS) - 1, 1 << RANDOM_BITS] {
            assert!(TraceId(id).is_in_share(1.0), "{id:x}");
            assert!(!TraceId(id & !0xff).is_in_share(0.0), "{id:x}");
        }
    }

    #[test]
    fn a_share_keeps_about_that_many_and_always_the_same() {
        let ids: Vec<TraceId> = std::iter::repeat_with(TraceId::random).take(20_000).collect();
        let kept: Vec<&TraceId> = ids.iter().filter(|id| id.is_in_share(0.25)).collect();
        assert!((4_500..5_500).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().all(|id| id.is_in_share(0.3)), "a larger share keeps the same and more");
    }
}
