//! When a count is too high to be chance.

/// Natural logarithm of how improbable a count must be: one in a million.
const IMPROBABLE: f64 = 13.815_510_557_964_274;

/// Standard errors that a mean must lie above its bound for the same.
pub(in super::super) const STANDARD_ERRORS: f64 = 5.0;

/// Runs without which nothing is decided.
pub(in super::super) const LEAST: u32 = 10;

/// The count that independent events, `expected` of them on average, exceed with a probability of at most one in a million:
/// Bernstein's inequality, P(count ≥ expected + t) ≤ exp(−t² / (2·(expected + t/3))), solved for t. At least 9.2, so that a
/// handful of events is never evidence.
pub(in super::super) fn by_chance(expected: f64) -> f64 {
    let third = IMPROBABLE / 3.0;
    expected + third + (third * third + 2.0 * IMPROBABLE * expected).sqrt()
}
