//! What all processes of a fleet probe, as one of them knows it from its own configuration.

use std::sync::Arc;

use super::{Canary, CanaryId, Plan, Probe, Region};

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

    /// This plan for a process that runs nothing of it: its own canaries are among those that other processes run.
    #[must_use]
    pub fn run_by_others(&self) -> Arc<Self> {
        let is_run = |region: &Region, probe: &Probe| {
            self.canaries.iter().any(|canary| canary.region.name == region.name && canary.probe.name == probe.name)
        };
        let by_others = |probe: &Arc<Probe>| {
            let own = self.regions.iter().filter(|region| is_run(region, probe)).map(|region| Arc::clone(&region.name));
            Arc::new(Probe { elsewhere: probe.elsewhere.iter().cloned().chain(own).collect(), ..Probe::clone(probe) })
        };
        let probes = self.probes.iter().map(by_others).collect();
        Arc::new(Self { probes, regions: Vec::new(), canaries: Vec::new(), ..self.clone() })
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

    #[test]
    fn a_plan_that_others_run_has_no_region_of_its_own_and_the_same_canaries_in_the_fleet() {
        let everywhere = Probe { elsewhere: vec!["us".into()], ..testing::probe("p") };
        let plan = testing::plan(vec![everywhere], &["ap", "eu"]);
        let by_others = plan.run_by_others();
        assert!(by_others.canaries.is_empty() && by_others.regions.is_empty() && by_others.member().is_empty());
        let ids = |plan: Arc<Plan>| plan.of_fleet().canaries.iter().map(|canary| canary.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(by_others).len(), 3);
        assert_eq!(ids(plan.run_by_others()), ids(plan));
    }
}
