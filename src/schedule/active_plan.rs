//! The canaries of a plan and what is in flight of each. The scheduler's thread uses it until a new plan is applied.

use std::collections::HashMap;
use std::sync::Arc;

use crate::plan::{Canary, CanaryId, Plan};

use super::in_flight::InFlight;
use super::windows::Windows;

/// A plan as the scheduler sees it. It never changes; a reload makes a new one that takes over what is in flight.
pub(super) struct ActivePlan {
    /// What to run.
    pub(super) plan: Arc<Plan>,
    /// Its windows of maintenance.
    pub(super) windows: Windows,
    /// One for each canary of the plan, in its order.
    in_flight: Vec<Arc<InFlight>>,
    by_id: HashMap<CanaryId, u32>,
    /// What is in flight of canaries that left the plan while they may have been busy.
    leaving: Vec<Arc<InFlight>>,
}

impl ActivePlan {
    /// For a process that did nothing yet.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self::with(plan, |id| Arc::new(InFlight::new(id.clone())))
    }

    /// For the plan that follows. A canary that stays keeps what is in flight, and so does one that comes back while a run of
    /// it still goes on.
    pub(super) fn next(&self, plan: Arc<Plan>) -> Self {
        let mut known: HashMap<&CanaryId, &Arc<InFlight>> =
            self.leaving.iter().chain(&self.in_flight).map(|in_flight| (in_flight.id(), in_flight)).collect();
        let next = Self::with(plan, |id| known.remove(id).map_or_else(|| Arc::new(InFlight::new(id.clone())), Arc::clone));
        // A canary that leaves only now is kept, busy or not: the scheduler's thread may be about to start its last run.
        let is_wanted =
            |in_flight: &Arc<InFlight>| self.by_id.contains_key(in_flight.id()) || in_flight.going() != (false, false);
        let leaving = known.into_values().filter(|in_flight| is_wanted(in_flight)).map(Arc::clone).collect();
        Self { leaving, ..next }
    }

    fn with(plan: Arc<Plan>, mut in_flight: impl FnMut(&CanaryId) -> Arc<InFlight>) -> Self {
        let in_flight = plan.canaries.iter().map(|canary| in_flight(&canary.id)).collect();
        let by_id = plan.canaries.iter().zip(0_u32..).map(|(canary, index)| (canary.id.clone(), index)).collect();
        Self { windows: Windows::of(&plan), plan, in_flight, by_id, leaving: Vec::new() }
    }

    /// A canary and what is in flight of it, by its place in the plan.
    pub(super) fn at(&self, index: u32) -> (&Arc<Canary>, &Arc<InFlight>) {
        (&self.plan.canaries[index as usize], &self.in_flight[index as usize])
    }

    /// The place of a canary in the plan.
    pub(super) fn index(&self, id: &CanaryId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// All that may be in flight, also those of canaries that have left.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &Arc<InFlight>> {
        self.in_flight.iter().chain(&self.leaving)
    }
}
