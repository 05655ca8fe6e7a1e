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
    confirming: Option<Confirming>,
}

/// A confirming run and the next tick of its slot. If the run fails it has seen what that tick was to see, and stands for it; if it
/// passes the tick comes, or a fault that begins then would be seen an interval late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirming {
    /// The run goes on, and the tick is to come.
    Going(Nanos),
    /// The tick came while the run went on, which stands for it however it ends.
    Overtaken,
    /// The run failed before the tick, which is not to be made.
    Failed(Nanos),
}

/// What a tick finds in its slot.
#[derive(Debug)]
pub(super) enum Entered {
    /// A place.
    Free(Place),
    /// An earlier run, and the probe does not want both.
    Busy,
    /// A confirming run stands for the tick: there is nothing to do.
    StoodFor,
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

    /// Takes a slot for the new tick of `due`, unless its earlier run goes on and the probe does not want both. A tick that waited
    /// in the slot has lost its turn either way.
    pub(super) fn enter(self: &Arc<Self>, slot: u32, due: Nanos, overlap: Overlap) -> Entered {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.waiting = None;
        match (entry.confirming, overlap) {
            (Some(Confirming::Failed(tick)), _) if tick == due => {
                entry.confirming = None;
                return Entered::StoodFor;
            }
            (Some(Confirming::Going(tick)), Overlap::Skip) if tick == due => {
                entry.confirming = Some(Confirming::Overtaken);
                return Entered::StoodFor;
            }
            (Some(Confirming::Overtaken) | None, _) => {}
            // The grid is another one, or both run: it stands for no tick.
            (Some(Confirming::Going(_) | Confirming::Failed(_)), _) => entry.confirming = None,
        }
        self.take(entry, slot, overlap).map_or(Entered::Busy, Entered::Free)
    }

    /// Takes a free slot for a run that confirms a failure and may stand for its next tick.
    pub(super) fn enter_to_confirm(self: &Arc<Self>, slot: u32, stands_for: Nanos) -> Place {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.confirming = Some(Confirming::Going(stands_for));
        entry.running += 1;
        self.place(Purpose::Slot(slot))
    }

    /// The confirming run of a slot has ended, or was not made. Says whether it stands for the tick after it.
    pub(super) fn confirmed(&self, slot: u32, failed: bool) -> bool {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        match entry.confirming {
            Some(Confirming::Going(tick)) => {
                entry.confirming = failed.then_some(Confirming::Failed(tick));
                failed
            }
            Some(Confirming::Overtaken) => {
                entry.confirming = None;
                true
            }
            Some(Confirming::Failed(_)) | None => false,
        }
    }

    /// Whether a confirming run that failed stands for the tick of `due`, which was slept through.
    pub(super) fn stood_for(&self, due: Nanos) -> bool {
        let mut busy = self.lock();
        let failed = Some(Confirming::Failed(due));
        busy.slots.iter_mut().find(|slot| slot.confirming == failed).is_some_and(|slot| slot.confirming.take().is_some())
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

    /// A place for the tick of moment 1, if there is one.
    fn enter(lane: &Arc<Lane>, slot: u32, overlap: Overlap) -> Option<Place> {
        match lane.enter(slot, 1, overlap) {
            Entered::Free(place) => Some(place),
            Entered::Busy | Entered::StoodFor => None,
        }
    }

    #[test]
    fn a_confirming_run_stands_for_the_next_tick_if_it_fails_or_is_still_going_then() {
        let lane = lane();
        let is_free = |tick| matches!(lane.enter(0, tick, Overlap::Skip), Entered::Free(_));
        let is_stood_for = |tick| matches!(lane.enter(0, tick, Overlap::Skip), Entered::StoodFor);
        drop(lane.enter_to_confirm(0, 10));
        assert!(!lane.confirmed(0, false), "it passed");
        assert!(is_free(10), "so the tick comes");
        drop(lane.enter_to_confirm(0, 20));
        assert!(lane.confirmed(0, true), "it failed");
        assert!(is_stood_for(20));
        assert!(is_free(30), "only that tick is stood for");
        for failed in [true, false] {
            let going = lane.enter_to_confirm(0, 40);
            assert!(is_stood_for(40), "it is going on when the tick comes");
            assert!(matches!(lane.enter(0, 50, Overlap::Skip), Entered::Busy), "and stands for one tick only");
            assert!(lane.confirmed(0, failed));
            drop(going);
            assert!(is_free(60));
        }
    }

    #[test]
    fn where_both_run_or_the_grid_is_another_one_a_confirming_run_stands_for_nothing() {
        let lane = lane();
        let going = lane.enter_to_confirm(0, 10);
        assert!(matches!(lane.enter(0, 10, Overlap::Allow), Entered::Free(_)));
        assert!(!lane.confirmed(0, true), "the tick was made beside it");
        drop(going);
        drop(lane.enter_to_confirm(0, 20));
        assert!(lane.confirmed(0, true));
        assert!(matches!(lane.enter(0, 15, Overlap::Skip), Entered::Free(_)), "another grid has another tick");
        assert!(matches!(lane.enter(0, 20, Overlap::Skip), Entered::Free(_)));
    }

    #[test]
    fn a_tick_that_was_stood_for_and_slept_through_was_not_missed() {
        let lane = lane();
        drop(lane.enter_to_confirm(0, 10));
        assert!(lane.confirmed(0, true));
        assert!(lane.stood_for(10) && !lane.stood_for(10));
    }

    #[test]
    fn a_slot_takes_one_run_at_a_time_and_slots_are_judged_apart() {
        let lane = lane();
        let first = enter(&lane, 0, Overlap::Skip);
        assert!(first.is_some() && enter(&lane, 0, Overlap::Skip).is_none());
        assert!(enter(&lane, 1, Overlap::Skip).is_some());
        drop(first);
        assert!(enter(&lane, 0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_probe_that_allows_overlap_runs_both() {
        let lane = lane();
        let both = (enter(&lane, 0, Overlap::Allow), enter(&lane, 0, Overlap::Allow));
        assert!(both.0.is_some() && both.1.is_some());
        drop(both);
        assert_eq!(lane.going(), (false, false));
    }

    #[test]
    fn a_tick_that_waits_gives_way_to_the_next_one_of_its_slot() {
        let lane = lane();
        lane.wait(0, 10);
        assert!(!lane.is_free(0));
        drop(enter(&lane, 0, Overlap::Skip).expect("a waiting tick holds nothing up"));
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
        assert!(enter(&lane, 0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_cleanup_holds_up_nothing_but_is_known() {
        let lane = lane();
        let cleanup = lane.enter_cleanup();
        assert_eq!(lane.going(), (false, true));
        assert!(enter(&lane, 0, Overlap::Skip).is_some());
        drop(cleanup);
        assert_eq!(lane.going(), (false, false));
    }
}
