//! What all processes of a fleet probe, as one of them knows it from its own configuration.

use std::sync::Arc;

use super::{Canary, CanaryId, Plan, Region};

impl Plan {
    /// What a process with this plan is called in its fleet: its region, or its regions.
    pub fn member(&self) -> String {
        self.regions.iter().map(|region| &*region.name).collect::<Vec<_>>().join("+")
    }

    /// Whether any of the regions that a process of the fleet is called after is declared.
    pub fn declares(&self, member: &str) -> bool {
        member.split('+').any(|region| self.known_regions.iter().any(|known| **known == *region))
    }

    /// This plan with the canaries that other processes run beside its own. Those others have no variables of their region, since
    /// nobody runs them here.
    pub fn of_fleet(self: &Arc<Self>) -> Arc<Self> {
        if self.probes.iter().all(|probe| probe.elsewhere.is_empty()) {
            return Arc::clone(self);
        }
        let mut canaries = self.canaries.clone();
        for probe in &self.probes {
            for name in &probe.elsewhere {
                let region = Arc::new(Region { name: Arc::clone(name), vars: Vec::new() });
                canaries.extend(probe.cells.iter().map(|cell| {
                    Arc::new(Canary {
                        id: CanaryId::new(&probe.name, name, cell),
                        probe: Arc::clone(probe),
                        region: Arc::clone(&region),
                        cell: Arc::clone(cell),
                    })
                }));
            }
        }
        canaries.sort_by(|one, other| one.id.cmp(&other.id));
        Arc::new(Self { canaries, ..Self::clone(self) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Probe;
    use crate::plan::testing;

    #[test]
    fn the_plan_of_a_fleet_has_the_canaries_of_every_region_in_the_order_of_their_ids() {
        let probe = |elsewhere: &[&str]| Probe {
            elsewhere: elsewhere.iter().map(|region| Arc::from(*region)).collect(),
            ..testing::probe("p")
        };
        let of = |elsewhere: &[&str]| {
            let plan = testing::plan(vec![probe(elsewhere)], &["eu"]);
            (plan.of_fleet(), plan)
        };
        let (fleet, own) = of(&["us", "ap"]);
        let ids: Vec<&str> = fleet.canaries.iter().map(|canary| canary.id.as_str()).collect();
        assert_eq!(ids, ["p/ap", "p/eu", "p/us"]);
        assert_eq!(own.canaries.len(), 1);
        let (fleet, own) = of(&[]);
        assert!(Arc::ptr_eq(&fleet, &own), "there is nobody else");
    }
}
