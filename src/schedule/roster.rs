//! The canaries of a plan and their lanes: what the scheduler's thread goes by until a new plan is applied.

use std::collections::HashMap;
use std::sync::Arc;

use crate::plan::{Canary, CanaryId, Plan};

use super::lane::Lane;
use super::windows::Windows;

/// A plan as the scheduler sees it. It never changes; a reload makes a new one that takes over the lanes.
pub(super) struct Roster {
    /// What to run.
    pub(super) plan: Arc<Plan>,
    /// Its windows of maintenance.
    pub(super) windows: Windows,
    /// One for each canary of the plan, in its order.
    lanes: Vec<Arc<Lane>>,
    by_id: HashMap<CanaryId, u32>,
    /// Lanes of canaries that left the plan while they may have been busy.
    leaving: Vec<Arc<Lane>>,
}

impl Roster {
    /// The roster of a plan in a process that did nothing yet.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self::with(plan, |id| Arc::new(Lane::new(id.clone())))
    }

    /// The roster of the plan that follows. A canary that stays keeps its lane, and so does one that comes back while a run of
    /// it still goes on.
    pub(super) fn next(&self, plan: Arc<Plan>) -> Self {
        let mut known: HashMap<&CanaryId, &Arc<Lane>> =
            self.leaving.iter().chain(&self.lanes).map(|lane| (lane.id(), lane)).collect();
        let next = Self::with(plan, |id| known.remove(id).map_or_else(|| Arc::new(Lane::new(id.clone())), Arc::clone));
        // One that leaves only now is kept, busy or not: the scheduler's thread may be about to start its last run.
        let is_wanted = |lane: &Arc<Lane>| self.by_id.contains_key(lane.id()) || lane.going() != (false, false);
        let leaving = known.into_values().filter(|lane| is_wanted(lane)).map(Arc::clone).collect();
        Self { leaving, ..next }
    }

    fn with(plan: Arc<Plan>, mut lane: impl FnMut(&CanaryId) -> Arc<Lane>) -> Self {
        let lanes = plan.canaries.iter().map(|canary| lane(&canary.id)).collect();
        let by_id = plan.canaries.iter().zip(0_u32..).map(|(canary, index)| (canary.id.clone(), index)).collect();
        Self { windows: Windows::of(&plan), plan, lanes, by_id, leaving: Vec::new() }
    }

    /// A canary and its lane, by its place in the plan.
    pub(super) fn at(&self, index: u32) -> (&Arc<Canary>, &Arc<Lane>) {
        (&self.plan.canaries[index as usize], &self.lanes[index as usize])
    }

    /// The place of a canary in the plan.
    pub(super) fn index(&self, id: &CanaryId) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// Every lane that may be busy, also those of canaries that have left.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.lanes.iter().chain(&self.leaving)
    }
}
