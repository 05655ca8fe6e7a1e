//! What a canary is busy with: its slots, runs asked for by hand, and cleanups.
//!
//! Each canary has a small lock of its own, held for a few instructions at the start and end of a run; nothing here is shared
//! between canaries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::{CanaryId, Overlap};

use super::timing::Nanos;

/// A canary by its identity, which outlives its definition, and what it is doing.
#[derive(Debug)]
pub(super) struct Lane {
    id: CanaryId,
    busy: Mutex<Busy>,
}

#[derive(Debug, Default)]
struct Busy {
    /// As many as have been asked for: the definition says how many there are.
    slots: Vec<Slot>,
    by_hand: u32,
    cleanups: u32,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    running: u32,
    /// The tick that waits for one of the runs allowed at once. A newer tick of the slot takes its place.
    waiting: Option<Nanos>,
}

/// What a [`Place`] is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Slot(u32),
    ByHand,
    Cleanup,
}

/// A place in a lane, left when this is dropped, however the work in it ends.
#[derive(Debug)]
pub(super) struct Place {
    lane: Arc<Lane>,
    purpose: Purpose,
}

impl Lane {
    /// The lane of a canary that does nothing yet.
    pub(super) fn new(id: CanaryId) -> Self {
        Self { id, busy: Mutex::default() }
    }

    /// The canary's id.
    pub(super) fn id(&self) -> &CanaryId {
        &self.id
    }

    /// Takes a slot for a new tick, unless its earlier run goes on and the probe does not want both. A tick that waited in
    /// the slot has lost its turn either way.
    pub(super) fn enter(self: &Arc<Self>, slot: u32, overlap: Overlap) -> Option<Place> {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.waiting = None;
        self.take(entry, slot, overlap)
    }

    /// Whether a slot has no run and no tick that waits.
    pub(super) fn is_free(&self, slot: u32) -> bool {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.running == 0 && entry.waiting.is_none()
    }

    /// Notes that the tick of `due` waits for its turn.
    pub(super) fn wait(&self, slot: u32, due: Nanos) {
        self.lock().slot(slot).waiting = Some(due);
    }

    /// Takes the slot for the tick that waited, unless a newer one has come meanwhile.
    pub(super) fn enter_after_wait(self: &Arc<Self>, slot: u32, due: Nanos, overlap: Overlap) -> Option<Place> {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.waiting.take_if(|waiting| *waiting == due)?;
        self.take(entry, slot, overlap)
    }

    /// The tick of `due` has given up waiting.
    pub(super) fn give_up(&self, slot: u32, due: Nanos) {
        self.lock().slot(slot).waiting.take_if(|waiting| *waiting == due);
    }

    /// Takes a place beside the slots for a run asked for by hand, unless a run goes on and the probe does not want both.
    pub(super) fn enter_by_hand(self: &Arc<Self>, overlap: Overlap) -> Option<Place> {
        let mut busy = self.lock();
        if overlap == Overlap::Skip && busy.runs() > 0 {
            return None;
        }
        busy.by_hand += 1;
        Some(self.place(Purpose::ByHand))
    }

    /// Takes a place for a cleanup, which is in nobody's way.
    pub(super) fn enter_cleanup(self: &Arc<Self>) -> Place {
        self.lock().cleanups += 1;
        self.place(Purpose::Cleanup)
    }

    /// Whether a run, and whether a cleanup is still going.
    pub(super) fn going(&self) -> (bool, bool) {
        let busy = self.lock();
        (busy.runs() > 0, busy.cleanups > 0)
    }

    fn take(self: &Arc<Self>, entry: &mut Slot, slot: u32, overlap: Overlap) -> Option<Place> {
        match overlap {
            Overlap::Skip if entry.running > 0 => None,
            Overlap::Skip | Overlap::Allow => {
                entry.running += 1;
                Some(self.place(Purpose::Slot(slot)))
            }
        }
    }

    fn place(self: &Arc<Self>, purpose: Purpose) -> Place {
        Place { lane: Arc::clone(self), purpose }
    }

    fn lock(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    fn slot(&mut self, slot: u32) -> &mut Slot {
        let slot = slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        &mut self.slots[slot]
    }

    fn runs(&self) -> u32 {
        self.by_hand + self.slots.iter().map(|slot| slot.running).sum::<u32>()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.lane.lock();
        match self.purpose {
            Purpose::Slot(slot) => busy.slot(slot).running -= 1,
            Purpose::ByHand => busy.by_hand -= 1,
            Purpose::Cleanup => busy.cleanups -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cell;

    fn lane() -> Arc<Lane> {
        Arc::new(Lane::new(CanaryId::new("lane", "eu", &Cell::default())))
    }

    #[test]
    fn a_slot_takes_one_run_at_a_time_and_slots_are_judged_apart() {
        let lane = lane();
        let first = lane.enter(0, Overlap::Skip);
        assert!(first.is_some() && lane.enter(0, Overlap::Skip).is_none());
        assert!(lane.enter(1, Overlap::Skip).is_some());
        drop(first);
        assert!(lane.enter(0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_probe_that_allows_overlap_runs_both() {
        let lane = lane();
        let both = (lane.enter(0, Overlap::Allow), lane.enter(0, Overlap::Allow));
        assert!(both.0.is_some() && both.1.is_some());
        drop(both);
        assert_eq!(lane.going(), (false, false));
    }

    #[test]
    fn a_tick_that_waits_gives_way_to_the_next_one_of_its_slot() {
        let lane = lane();
        lane.wait(0, 10);
        assert!(!lane.is_free(0));
        drop(lane.enter(0, Overlap::Skip).expect("a waiting tick holds nothing up"));
        assert!(lane.enter_after_wait(0, 10, Overlap::Skip).is_none(), "its turn was lost");
        lane.wait(0, 20);
        assert!(lane.enter_after_wait(0, 10, Overlap::Skip).is_none());
        assert!(lane.enter_after_wait(0, 20, Overlap::Skip).is_some());
    }

    #[test]
    fn a_run_by_hand_does_not_take_a_ticks_place() {
        let lane = lane();
        let by_hand = lane.enter_by_hand(Overlap::Skip);
        assert!(by_hand.is_some() && lane.enter_by_hand(Overlap::Skip).is_none());
        assert!(lane.enter(0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_cleanup_holds_up_nothing_but_is_known() {
        let lane = lane();
        let cleanup = lane.enter_cleanup();
        assert_eq!(lane.going(), (false, true));
        assert!(lane.enter(0, Overlap::Skip).is_some());
        drop(cleanup);
        assert_eq!(lane.going(), (false, false));
    }
}
