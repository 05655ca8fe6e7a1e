//! Everything the sandbox chooses follows from a seed: ids, sizes, jitter, and whom a fault with a share hits.
//!
//! Owns the hashing and nothing else. Must not read a clock or draw from a random source: the same seed and the same order
//! of requests give the same product.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The seed all choices are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }

    /// A point in 0 ≤ point < 1 that is always the same for one entity in one domain.
    pub(super) fn point(self, domain: &str, entity: &str) -> f64 {
        // The upper 53 bits are what a double holds exactly, so that no rounding reaches 1.
        #[expect(clippy::cast_precision_loss, reason = "53 bits and 2^53 are exact as doubles")]
        let point = (self.hash(domain, entity) >> 11) as f64 / (1_u64 << 53) as f64;
        point
    }

    /// A duration between `low` and `high` for one entity.
    pub(super) fn between(self, domain: &str, entity: &str, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.point(domain, entity))
    }

    fn hash(self, domain: &str, entity: &str) -> u64 {
        // FNV-1a over both words, with a byte between them that occurs in neither, then a finaliser.
        let bytes = domain.bytes().chain([0xff]).chain(entity.bytes());
        let fnv = bytes
            .fold(0xcbf2_9ce4_8422_2325 ^ mix(self.0), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        mix(fnv)
    }
}

/// Hands out ids that look random, never repeat, and are the same for the same seed.
#[derive(Debug)]
pub(super) struct Ids {
    seed: Seed,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    /// The next id, such as `reg_4f0c…`.
    pub(super) fn next(&self, prefix: &str) -> Arc<str> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // `mix` maps numbers one to one, so two ids of one counter are never the same.
        format!("{prefix}_{:016x}", mix(mix(self.seed.0).wrapping_add(number))).into()
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood 2014): one to one, and near inputs give far outputs.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_points_lies_below_that_share() {
        let seed = Seed::new(7);
        let below = (0..10_000).filter(|n| seed.point("fault", &format!("user-{n}")) < 0.4).count();
        assert!((3_800..4_200).contains(&below), "{below} of 10,000 lie below 0.4");
    }

    #[test]
    fn domains_and_seeds_choose_independently() {
        let both = |a: Seed, b: Seed, domain: &str| {
            (0..1_000).filter(|n| a.point("one", &n.to_string()) < 0.5 && b.point(domain, &n.to_string()) < 0.5).count()
        };
        assert!((200..300).contains(&both(Seed::new(1), Seed::new(1), "two")));
        assert!((200..300).contains(&both(Seed::new(1), Seed::new(2), "one")));
    }

    #[test]
    fn ids_never_repeat_and_follow_from_the_seed() {
        let ids = |seed| {
            let ids = Ids::new(Seed::new(seed));
            (0..1_000).map(|_| ids.next("reg")).collect::<Vec<_>>()
        };
        let unique: std::collections::BTreeSet<_> = ids(3).into_iter().collect();
        assert_eq!(unique.len(), 1_000);
        assert_eq!(ids(3), ids(3));
        assert_ne!(ids(3), ids(4));
    }
}
