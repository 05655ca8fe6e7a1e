//! Which faults are on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::super::origin::Origin;
use super::super::seed::Seed;
use super::{FaultName, FaultScope};

/// The switches of a running sandbox. Clones switch the same sandbox.
#[derive(Debug, Clone)]
pub struct Faults {
    seed: Seed,
    active: Arc<RwLock<BTreeMap<FaultName, FaultScope>>>,
}

/// An entity is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Hit {
    /// The fault's delay in product time, zero for faults that have none.
    pub(in crate::sandbox) delay: Duration,
}

impl Faults {
    pub(in crate::sandbox) fn new(seed: Seed) -> Self {
        Self { seed, active: Arc::default() }
    }

    /// Switches a fault on from the next request or stage on; its earlier scope, if any, no longer holds.
    pub fn set(&self, name: FaultName, scope: FaultScope) {
        self.active.write().unwrap_or_else(PoisonError::into_inner).insert(name, scope);
    }

    /// Switches a fault off; what it destroyed stays destroyed, what it held up goes on. Nothing happens if it is off.
    pub fn clear(&self, name: FaultName) {
        self.active.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
    }

    /// Switches all faults off.
    pub fn clear_all(&self) {
        self.active.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The faults that are on, in the order of [`FaultName::ALL`], with whom they hit.
    pub fn active(&self) -> Vec<(FaultName, FaultScope)> {
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        active.iter().map(|(&name, scope)| (name, scope.clone())).collect()
    }

    /// Whether a fault is on and hits this entity: always the same answer for one entity, seed and scope.
    pub(in crate::sandbox) fn hit(&self, name: FaultName, origin: &Origin, entity: &str) -> Option<Hit> {
        let active = self.active.read().unwrap_or_else(PoisonError::into_inner);
        let scope = active.get(&name)?;
        let hit = scope.covers(origin) && self.seed.point(name.as_str(), entity) < scope.share();
        hit.then(|| Hit { delay: scope.delay().or(name.default_delay()).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(seed: u64, share: f64) -> Vec<bool> {
        let faults = Faults::new(Seed::new(seed));
        faults.set(FaultName::PlaylistNotSynced, FaultScope::all().with_share(share).unwrap());
        (0..1_000).map(|n| faults.hit(FaultName::PlaylistNotSynced, &Origin::default(), &format!("user-{n}")).is_some()).collect()
    }

    #[test]
    fn a_share_hits_the_same_entities_for_the_same_seed_and_others_for_another() {
        assert_eq!(hits(1, 0.4), hits(1, 0.4));
        assert_ne!(hits(1, 0.4), hits(2, 0.4));
        let count = hits(1, 0.4).into_iter().filter(|&hit| hit).count();
        assert!((350..450).contains(&count), "{count} of 1,000");
    }

    #[test]
    fn a_smaller_share_hits_a_part_of_what_a_larger_one_hits() {
        assert!(hits(1, 0.2).into_iter().zip(hits(1, 0.6)).all(|(small, large)| large || !small));
        assert!(hits(1, 1.0).into_iter().all(|hit| hit));
        assert!(!hits(1, 0.0).into_iter().any(|hit| hit));
    }

    #[test]
    fn a_fault_that_is_off_hits_nobody() {
        let faults = Faults::new(Seed::new(1));
        faults.set(FaultName::PaymentErrors, FaultScope::all());
        assert!(faults.hit(FaultName::PaymentErrors, &Origin::default(), "a").is_some());
        assert!(faults.hit(FaultName::PaymentTimeouts, &Origin::default(), "a").is_none());
        faults.clone().clear(FaultName::PaymentErrors);
        assert!(faults.hit(FaultName::PaymentErrors, &Origin::default(), "a").is_none());
    }
}
