//! What is in flight of a canary: runs in its slots, runs asked for by hand, and cleanups.
//!
//! Each canary has a small lock of its own, held for a few instructions at the start and end of a run; nothing here is shared
//! between canaries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::{CanaryId, Overlap};

use super::timing::Nanos;

/// A canary by its identity, which outlives its definition, and what it is doing.
#[derive(Debug)]
pub(super) struct InFlight {
    id: CanaryId,
    busy: Mutex<Occupancy>,
}

#[derive(Debug, Default)]
struct Occupancy {
    /// The slots used so far; the probe says how many there are.
    slots: Vec<Slot>,
    by_hand: u32,
    cleanups: u32,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    running: u32,
    /// The tick that waits for one of the runs allowed at once. A newer tick of the slot takes its place.
    waiting: Option<Nanos>,
    early: Option<EarlyRun>,
}

/// An early run and the next tick of its slot, which it replaces if it ends so (see [`EarlyReason::replaces_tick`](super::due_queue::EarlyReason::replaces_tick)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EarlyRun {
    /// The run goes on, and the tick is to come.
    Going(Nanos),
    /// The tick came while the run went on. The run replaces it, however it ends.
    Overtaken,
    /// The run ended before the tick and replaces it: the tick is not to be made.
    Replaces(Nanos),
    /// The run before replaces the tick already, and one more goes on.
    Again(Nanos),
}

/// What a tick finds in its slot.
#[derive(Debug)]
pub(super) enum Entered {
    /// A place.
    Free(InFlightGuard),
    /// An earlier run, and the probe does not want both.
    Busy,
    /// An early run replaces the tick: there is nothing to do.
    Replaced,
}

/// What an [`InFlightGuard`] is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InFlightKind {
    Slot(u32),
    ByHand,
    Cleanup,
}

/// A place among what is in flight, left when this is dropped, however the work in it ends.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    in_flight: Arc<InFlight>,
    kind: InFlightKind,
}

impl InFlight {
    /// Of a canary that does nothing yet.
    pub(super) fn new(id: CanaryId) -> Self {
        Self { id, busy: Mutex::default() }
    }

    /// The canary's id.
    pub(super) fn id(&self) -> &CanaryId {
        &self.id
    }

    /// Takes a slot for the new tick of `due`, unless its earlier run goes on and the probe does not want both. A tick that waited
    /// in the slot has lost its place either way.
    pub(super) fn enter(self: &Arc<Self>, slot: u32, due: Nanos, overlap: Overlap) -> Entered {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.waiting = None;
        match (entry.early, overlap) {
            (Some(EarlyRun::Replaces(tick) | EarlyRun::Again(tick)), _) if tick == due => {
                entry.early = None;
                return Entered::Replaced;
            }
            (Some(EarlyRun::Going(tick)), Overlap::Skip) if tick == due => {
                entry.early = Some(EarlyRun::Overtaken);
                return Entered::Replaced;
            }
            (Some(EarlyRun::Overtaken) | None, _) => {}
            // The grid has changed, or both run: the early run replaces no tick.
            (Some(EarlyRun::Going(_) | EarlyRun::Replaces(_) | EarlyRun::Again(_)), _) => entry.early = None,
        }
        self.take(entry, slot, overlap).map_or(Entered::Busy, Entered::Free)
    }

    /// Takes a free slot for an early run, which may replace its next tick. Of several before one tick the first that ends so
    /// replaces it: none takes a further tick away.
    pub(super) fn enter_early(self: &Arc<Self>, slot: u32, replaces: Nanos) -> InFlightGuard {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        let again = entry.early == Some(EarlyRun::Replaces(replaces));
        entry.early = Some(if again { EarlyRun::Again(replaces) } else { EarlyRun::Going(replaces) });
        entry.running += 1;
        self.guard(InFlightKind::Slot(slot))
    }

    /// The early run of a slot has ended in a way that replaces its next tick or not, or was not made. Says whether it does
    /// replace it.
    pub(super) fn early_ended(&self, slot: u32, replaces: bool) -> bool {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        match entry.early {
            Some(EarlyRun::Going(tick)) => {
                entry.early = replaces.then_some(EarlyRun::Replaces(tick));
                replaces
            }
            Some(EarlyRun::Overtaken) => {
                entry.early = None;
                true
            }
            Some(EarlyRun::Again(tick)) => {
                entry.early = Some(EarlyRun::Replaces(tick));
                false
            }
            Some(EarlyRun::Replaces(_)) | None => false,
        }
    }

    /// Whether an early run replaces the tick of `due`, which was slept through.
    pub(super) fn takes_replaced(&self, due: Nanos) -> bool {
        let mut busy = self.lock();
        let replaces = [Some(EarlyRun::Replaces(due)), Some(EarlyRun::Again(due))];
        busy.slots.iter_mut().find(|slot| replaces.contains(&slot.early)).is_some_and(|slot| slot.early.take().is_some())
    }

    /// Whether a slot has no run and no tick that waits.
    pub(super) fn is_free(&self, slot: u32) -> bool {
        let mut busy = self.lock();
        let entry = busy.slot(slot);
        entry.running == 0 && entry.waiting.is_none()
    }

    /// Whether a run of it goes on, by a tick or by hand.
    pub(super) fn is_running(&self) -> bool {
        self.lock().runs() > 0
    }

    /// Notes that the tick of `due` waits until it may run.
    pub(super) fn wait(&self, slot: u32, due: Nanos) {
        self.lock().slot(slot).waiting = Some(due);
    }

    /// Takes the slot for the tick that waited, unless a newer one has come meanwhile.
    pub(super) fn enter_after_wait(self: &Arc<Self>, slot: u32, due: Nanos, overlap: Overlap) -> Option<InFlightGuard> {
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
    pub(super) fn enter_by_hand(self: &Arc<Self>, overlap: Overlap) -> Option<InFlightGuard> {
        let mut busy = self.lock();
        if overlap == Overlap::Skip && busy.runs() > 0 {
            return None;
        }
        busy.by_hand += 1;
        Some(self.guard(InFlightKind::ByHand))
    }

    /// Takes a place for a cleanup, which is in nobody's way.
    pub(super) fn enter_cleanup(self: &Arc<Self>) -> InFlightGuard {
        self.lock().cleanups += 1;
        self.guard(InFlightKind::Cleanup)
    }

    /// Whether a run, and whether a cleanup is still going.
    pub(super) fn going(&self) -> (bool, bool) {
        let busy = self.lock();
        (busy.runs() > 0, busy.cleanups > 0)
    }

    fn take(self: &Arc<Self>, entry: &mut Slot, slot: u32, overlap: Overlap) -> Option<InFlightGuard> {
        match overlap {
            Overlap::Skip if entry.running > 0 => None,
            Overlap::Skip | Overlap::Allow => {
                entry.running += 1;
                Some(self.guard(InFlightKind::Slot(slot)))
            }
        }
    }

    fn guard(self: &Arc<Self>, kind: InFlightKind) -> InFlightGuard {
        InFlightGuard { in_flight: Arc::clone(self), kind }
    }

    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy {
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

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut busy = self.in_flight.lock();
        match self.kind {
            InFlightKind::Slot(slot) => busy.slot(slot).running -= 1,
            InFlightKind::ByHand => busy.by_hand -= 1,
            InFlightKind::Cleanup => busy.cleanups -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cell;

    fn in_flight() -> Arc<InFlight> {
        Arc::new(InFlight::new(CanaryId::new("in_flight", "eu", &Cell::default())))
    }

    /// A place for the tick of moment 1, if there is one.
    fn enter(in_flight: &Arc<InFlight>, slot: u32, overlap: Overlap) -> Option<InFlightGuard> {
        match in_flight.enter(slot, 1, overlap) {
            Entered::Free(place) => Some(place),
            Entered::Busy | Entered::Replaced => None,
        }
    }

    #[test]
    fn an_early_run_stands_for_the_next_tick_if_it_ends_so_or_is_still_going_then() {
        let in_flight = in_flight();
        let is_free = |tick| matches!(in_flight.enter(0, tick, Overlap::Skip), Entered::Free(_));
        let is_stood_for = |tick| matches!(in_flight.enter(0, tick, Overlap::Skip), Entered::Replaced);
        drop(in_flight.enter_early(0, 10));
        assert!(!in_flight.early_ended(0, false), "it passed");
        assert!(is_free(10), "so the tick comes");
        drop(in_flight.enter_early(0, 20));
        assert!(in_flight.early_ended(0, true), "it failed");
        assert!(is_stood_for(20));
        assert!(is_free(30), "only that tick is replaced");
        for failed in [true, false] {
            let going = in_flight.enter_early(0, 40);
            assert!(is_stood_for(40), "it is going on when the tick comes");
            assert!(matches!(in_flight.enter(0, 50, Overlap::Skip), Entered::Busy), "and replaces one tick only");
            assert!(in_flight.early_ended(0, failed));
            drop(going);
            assert!(is_free(60));
        }
    }

    #[test]
    fn where_both_run_or_the_grid_is_another_one_an_early_run_stands_for_nothing() {
        let in_flight = in_flight();
        let going = in_flight.enter_early(0, 10);
        assert!(matches!(in_flight.enter(0, 10, Overlap::Allow), Entered::Free(_)));
        assert!(!in_flight.early_ended(0, true), "the tick was made beside it");
        drop(going);
        drop(in_flight.enter_early(0, 20));
        assert!(in_flight.early_ended(0, true));
        assert!(matches!(in_flight.enter(0, 15, Overlap::Skip), Entered::Free(_)), "another grid has another tick");
        assert!(matches!(in_flight.enter(0, 20, Overlap::Skip), Entered::Free(_)));
    }

    #[test]
    fn several_early_runs_before_one_tick_stand_for_that_tick_alone() {
        let in_flight = in_flight();
        drop(in_flight.enter_early(0, 10));
        assert!(in_flight.early_ended(0, true));
        for replaces in [true, false] {
            drop(in_flight.enter_early(0, 10));
            assert!(!in_flight.early_ended(0, replaces), "the first one bears the tick's name");
        }
        let going = in_flight.enter_early(0, 10);
        assert!(matches!(in_flight.enter(0, 10, Overlap::Skip), Entered::Replaced), "while one more goes on");
        assert!(!in_flight.early_ended(0, true));
        drop(going);
        assert!(matches!(in_flight.enter(0, 20, Overlap::Skip), Entered::Free(_)));
        drop(in_flight.enter_early(0, 30));
        assert!(in_flight.early_ended(0, true));
        drop(in_flight.enter_early(0, 30));
        assert!(in_flight.takes_replaced(30) && !in_flight.takes_replaced(30), "slept through");
    }

    #[test]
    fn a_tick_that_was_stood_for_and_slept_through_was_not_missed() {
        let in_flight = in_flight();
        drop(in_flight.enter_early(0, 10));
        assert!(in_flight.early_ended(0, true));
        assert!(in_flight.takes_replaced(10) && !in_flight.takes_replaced(10));
    }

    #[test]
    fn a_slot_takes_one_run_at_a_time_and_slots_are_judged_apart() {
        let in_flight = in_flight();
        let first = enter(&in_flight, 0, Overlap::Skip);
        assert!(first.is_some() && enter(&in_flight, 0, Overlap::Skip).is_none());
        assert!(enter(&in_flight, 1, Overlap::Skip).is_some());
        drop(first);
        assert!(enter(&in_flight, 0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_probe_that_allows_overlap_runs_both() {
        let in_flight = in_flight();
        let both = (enter(&in_flight, 0, Overlap::Allow), enter(&in_flight, 0, Overlap::Allow));
        assert!(both.0.is_some() && both.1.is_some());
        drop(both);
        assert_eq!(in_flight.going(), (false, false));
    }

    #[test]
    fn a_tick_that_waits_gives_way_to_the_next_one_of_its_slot() {
        let in_flight = in_flight();
        in_flight.wait(0, 10);
        assert!(!in_flight.is_free(0));
        drop(enter(&in_flight, 0, Overlap::Skip).expect("a waiting tick holds nothing up"));
        assert!(in_flight.enter_after_wait(0, 10, Overlap::Skip).is_none(), "a newer tick took its place");
        in_flight.wait(0, 20);
        assert!(in_flight.enter_after_wait(0, 10, Overlap::Skip).is_none());
        assert!(in_flight.enter_after_wait(0, 20, Overlap::Skip).is_some());
    }

    #[test]
    fn a_run_by_hand_does_not_take_a_ticks_place() {
        let in_flight = in_flight();
        let by_hand = in_flight.enter_by_hand(Overlap::Skip);
        assert!(by_hand.is_some() && in_flight.enter_by_hand(Overlap::Skip).is_none());
        assert!(enter(&in_flight, 0, Overlap::Skip).is_some());
    }

    #[test]
    fn a_cleanup_holds_up_nothing_but_is_known() {
        let in_flight = in_flight();
        let cleanup = in_flight.enter_cleanup();
        assert_eq!(in_flight.going(), (false, true));
        assert!(enter(&in_flight, 0, Overlap::Skip).is_some());
        drop(cleanup);
        assert_eq!(in_flight.going(), (false, false));
    }
}
