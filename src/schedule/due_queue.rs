//! Which canary starts next and why: the scheduler's decisions, without a clock, a thread or a lock.
//!
//! A min-heap of waking times over one row a canary. An entry whose time is no longer its row's is stale and is passed over,
//! so an early run before the next tick is one push. Every moment of a canary's grid leaves here exactly once: as the tick of a
//! [`Start`], or inside the [`Gap`] of the start that follows a pause. An early run is one more start; whether it replaces the
//! tick after it is decided by how it ends, in its `in_flight`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::outcome::{Trigger, Verdict};
use crate::plan::{Canary, CanaryId};

use super::timing::{Due, Nanos, Timing};

/// The scheduler's list of what is due when.
pub(super) struct DueQueue {
    rows: Vec<CanaryRow>,
    heap: BinaryHeap<Reverse<(Nanos, u32)>>,
}

struct CanaryRow {
    canary: Arc<Canary>,
    next: Option<Due>,
    /// The earlier of the next tick and the early run.
    wake: Nanos,
    /// A run before the next tick.
    early: Option<(Nanos, EarlyReason)>,
}

/// A tick to be started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Which canary, by its place in the plan.
    pub(super) index: u32,
    /// The tick, or when the early run is due, and in which slot.
    pub(super) due: Due,
    /// Whether it is a tick or an early run.
    pub(super) kind: StartKind,
    /// The ticks before it that nobody was awake for.
    pub(super) gap: Option<Gap>,
}

/// Why something is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartKind {
    /// A tick of the grid.
    Tick,
    /// A run before the next tick.
    Early {
        /// Why.
        why: EarlyReason,
        /// The next tick of the grid, which it replaces if it ends so.
        replaces: Nanos,
    },
}

/// Why a run is made before the next tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EarlyReason {
    /// A second opinion on a failure.
    Confirm,
    /// A probe that needs it fails.
    Needed,
}

impl EarlyReason {
    /// Whether a run that ended so replaces the next tick. A confirming run that passed does not, or a fault that begins then
    /// would be seen an interval late; one that is needed is made in place of that tick, unless it says nothing.
    pub(super) fn replaces_tick(self, verdict: Verdict) -> bool {
        match (self, verdict) {
            (Self::Confirm | Self::Needed, Verdict::Failed) | (Self::Needed, Verdict::Passed) => true,
            (Self::Confirm, Verdict::Passed) | (_, Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped) => {
                false
            }
        }
    }
}

impl StartKind {
    /// What its run is reported as.
    pub(super) fn trigger(self) -> Trigger {
        match self {
            Self::Tick => Trigger::Schedule,
            Self::Early { why: EarlyReason::Confirm, .. } => Trigger::Confirm,
            Self::Early { why: EarlyReason::Needed, .. } => Trigger::Needed,
        }
    }
}

/// Moments of a canary's grid in `from..to` that were slept through; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The first of them.
    pub(super) from: Nanos,
    /// The tick that is run instead, which is not one of them.
    pub(super) to: Nanos,
}

impl DueQueue {
    /// The queue of some canaries, from the first tick of each after `now`.
    pub(super) fn new(canaries: impl IntoIterator<Item = Arc<Canary>>, now: Nanos) -> Self {
        let rows = canaries.into_iter().map(|canary| CanaryRow::new(canary, now)).collect();
        let mut due_queue = Self { rows, heap: BinaryHeap::new() };
        due_queue.rebuild();
        due_queue
    }

    /// When to look again; none if nothing will ever be due.
    pub(super) fn next_wake(&self) -> Option<Nanos> {
        self.heap.peek().map(|&Reverse((wake, _))| wake)
    }

    /// Takes the next start that is due at `now`. Of several ticks of a canary that are overdue it is the newest, and the
    /// others are its gap. `is_free` tells whether a slot has no run: nothing is made early in a busy one.
    pub(super) fn take(&mut self, now: Nanos, is_free: impl Fn(u32, u32) -> bool) -> Option<Start> {
        while let Some(&Reverse((wake, index))) = self.heap.peek().filter(|Reverse((wake, _))| *wake <= now) {
            self.heap.pop();
            let row = &mut self.rows[index as usize];
            let Some(planned) = row.next.filter(|_| row.wake == wake) else { continue };
            if let Some((at, why)) = row.early.filter(|_| planned.at > now) {
                row.plan(Some(planned));
                self.heap.push(Reverse((planned.at, index)));
                if is_free(index, planned.slot) {
                    let kind = StartKind::Early { why, replaces: planned.at };
                    return Some(Start { index, due: Due { at, slot: planned.slot }, kind, gap: None });
                }
                continue;
            }
            let start = row.start(index, planned, now);
            if row.next.is_some() {
                self.heap.push(Reverse((row.wake, index)));
            }
            return Some(start);
        }
        None
    }

    /// Has a canary run at `at`, if that is before its next tick and before another early run. The grid stays where it is.
    pub(super) fn early(&mut self, index: u32, at: Nanos, why: EarlyReason) {
        let row = &mut self.rows[index as usize];
        if row.next.is_some() && at < row.wake {
            row.early_at(at, why);
            self.heap.push(Reverse((at, index)));
        }
    }

    /// The wall clock was set by `by` nanoseconds and now reads `now`: every canary goes on at the nearest moments of the new
    /// time. Due starts must have been taken before.
    ///
    /// Where it was set back, moments of the grid come a second time and are ticks again: an hour without probing would be
    /// worse than two runs that bear the same time.
    pub(super) fn wall_clock_set(&mut self, by: i64, now: Nanos) {
        for row in &mut self.rows {
            let timing = Timing::of(&row.canary);
            let early = row.early.map(|(at, why)| (at.saturating_add_signed(by), why));
            let next = match row.next {
                Some(due) => timing.after_step(due.at.saturating_add_signed(by), now),
                None => timing.after(now),
            };
            row.plan(next);
            if let Some((at, why)) = early.filter(|&(at, _)| at < row.wake) {
                row.early_at(at, why);
            }
        }
        self.rebuild();
    }

    /// Takes over the canaries of a new plan at `now`. One whose moments are the same goes on as it was, an early run that
    /// waits included; one whose moments changed goes on with the first of its new ones; one that is gone has no more. What is
    /// due must have been taken before.
    pub(super) fn apply(&mut self, canaries: impl IntoIterator<Item = Arc<Canary>>, now: Nanos) {
        let mut known: HashMap<CanaryId, CanaryRow> = self.rows.drain(..).map(|row| (row.canary.id.clone(), row)).collect();
        self.rows = canaries
            .into_iter()
            .map(|canary| match known.remove(&canary.id) {
                Some(row) => row.redefined(canary, now),
                None => CanaryRow::new(canary, now),
            })
            .collect();
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.heap = self
            .rows
            .iter()
            .zip(0_u32..)
            .filter(|(row, _)| row.next.is_some())
            .map(|(row, index)| Reverse((row.wake, index)))
            .collect();
    }
}

impl CanaryRow {
    fn new(canary: Arc<Canary>, now: Nanos) -> Self {
        let mut row = Self { canary, next: None, wake: Nanos::MAX, early: None };
        row.plan(row.after(now));
        row
    }

    fn redefined(mut self, canary: Arc<Canary>, now: Nanos) -> Self {
        let same = self.canary.probe.cadence == canary.probe.cadence && self.canary.probe.runs == canary.probe.runs;
        self.canary = canary;
        if !same {
            self.plan(self.after(now));
        }
        self
    }

    /// The first moment after `now`.
    fn after(&self, now: Nanos) -> Option<Due> {
        Timing::of(&self.canary).after(now)
    }

    fn plan(&mut self, next: Option<Due>) {
        self.next = next;
        self.wake = next.map_or(Nanos::MAX, |due| due.at);
        self.early = None;
    }

    fn early_at(&mut self, at: Nanos, why: EarlyReason) {
        (self.wake, self.early) = (at, Some((at, why)));
    }

    fn start(&mut self, index: u32, planned: Due, now: Nanos) -> Start {
        let canary = Arc::clone(&self.canary);
        let timing = Timing::of(&canary);
        let next = self.after(planned.at);
        if next.is_none_or(|next| next.at > now) {
            self.plan(next);
            return Start { index, due: planned, kind: StartKind::Tick, gap: None };
        }
        let due = timing.until(now).filter(|newest| newest.at > planned.at).unwrap_or(planned);
        let gap = (due.at > planned.at).then_some(Gap { from: planned.at, to: due.at });
        self.plan(self.after(due.at));
        Start { index, due, kind: StartKind::Tick, gap }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::testing::{berlin, every};
    use super::*;

    const SECOND: Nanos = 1_000_000_000;
    const START: Nanos = 1_790_000_000 * SECOND;
    const FREE: fn(u32, u32) -> bool = |_, _| true;

    /// A queue of one canary with a tick every ten seconds, and its first tick.
    fn one() -> (DueQueue, Nanos) {
        let due_queue = DueQueue::new([every("one", Duration::from_secs(10), 1)], START);
        let first = due_queue.next_wake().expect("an interval has no end");
        (due_queue, first)
    }

    fn ticks(due_queue: &mut DueQueue, now: Nanos) -> Vec<(Nanos, Trigger)> {
        std::iter::from_fn(|| due_queue.take(now, FREE)).map(|start| (start.due.at, start.kind.trigger())).collect()
    }

    #[test]
    fn a_tick_is_taken_when_it_is_due_and_once() {
        let (mut due_queue, first) = one();
        assert_eq!(ticks(&mut due_queue, first - 1), []);
        assert_eq!(ticks(&mut due_queue, first), [(first, Trigger::Schedule)]);
        assert_eq!(ticks(&mut due_queue, first + 9 * SECOND), []);
        assert_eq!(due_queue.next_wake(), Some(first + 10 * SECOND));
    }

    #[test]
    fn after_a_long_sleep_one_run_starts_and_the_rest_is_its_gap() {
        let (mut due_queue, first) = one();
        let start = due_queue.take(first + 35 * SECOND, FREE).expect("ticks are overdue");
        assert_eq!(start.due.at, first + 30 * SECOND);
        assert_eq!(start.gap, Some(Gap { from: first, to: first + 30 * SECOND }));
        assert_eq!(due_queue.take(first + 35 * SECOND, FREE), None);
        assert_eq!(due_queue.next_wake(), Some(first + 40 * SECOND));
    }

    #[test]
    fn a_confirming_run_is_one_more_and_knows_the_tick_it_may_stand_for() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 3 * SECOND, EarlyReason::Confirm);
        let start = due_queue.take(first + 3 * SECOND, FREE).expect("it is due");
        assert_eq!(
            (start.due.at, start.kind),
            (first + 3 * SECOND, StartKind::Early { why: EarlyReason::Confirm, replaces: first + 10 * SECOND })
        );
        assert_eq!(due_queue.take(first + 9 * SECOND, FREE), None);
        assert_eq!(ticks(&mut due_queue, first + 10 * SECOND), [(first + 10 * SECOND, Trigger::Schedule)], "the grid stays");
    }

    #[test]
    fn a_confirmation_after_the_next_tick_changes_nothing() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 12 * SECOND, EarlyReason::Confirm);
        assert_eq!(ticks(&mut due_queue, first + 12 * SECOND), [(first + 10 * SECOND, Trigger::Schedule)]);
        assert_eq!(due_queue.next_wake(), Some(first + 20 * SECOND));
    }

    #[test]
    fn of_two_early_runs_the_earlier_counts() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 4 * SECOND, EarlyReason::Confirm);
        due_queue.early(0, first + 6 * SECOND, EarlyReason::Needed);
        due_queue.early(0, first + 2 * SECOND, EarlyReason::Needed);
        let expected = [(first + 2 * SECOND, Trigger::Needed)];
        assert_eq!(ticks(&mut due_queue, first + 2 * SECOND), expected);
        assert_eq!(ticks(&mut due_queue, first + 9 * SECOND), []);
    }

    #[test]
    fn nothing_is_confirmed_in_a_busy_slot_and_the_tick_keeps_its_time() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 3 * SECOND, EarlyReason::Confirm);
        assert_eq!(due_queue.take(first + 3 * SECOND, |_, _| false), None);
        assert_eq!(ticks(&mut due_queue, first + 10 * SECOND), [(first + 10 * SECOND, Trigger::Schedule)]);
    }

    #[test]
    fn a_set_clock_moves_a_confirmation_along_with_it() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 3 * SECOND, EarlyReason::Confirm);
        due_queue.wall_clock_set(-3600 * 1_000_000_000, first + SECOND - 3600 * SECOND);
        let moved = first + 3 * SECOND - 3600 * SECOND;
        assert_eq!(due_queue.next_wake(), Some(moved));
        assert_eq!(ticks(&mut due_queue, moved), [(moved, Trigger::Confirm)]);
    }

    #[test]
    fn a_clock_set_forward_past_a_daily_moment_makes_up_for_it_once() {
        let day = 86_400 * SECOND;
        let mut due_queue = DueQueue::new([berlin("0 9 * * *", 1)], START);
        let nine = due_queue.next_wake().expect("there is a tomorrow");
        due_queue.wall_clock_set(1_800_000_000_000, nine + 1200 * SECOND);
        assert_eq!(ticks(&mut due_queue, nine + 1200 * SECOND), [(nine, Trigger::Schedule)]);
        assert_eq!(due_queue.next_wake(), Some(nine + day));
    }

    #[test]
    fn a_clock_set_back_over_a_daily_moment_does_not_repeat_it() {
        let day = 86_400 * SECOND;
        let mut due_queue = DueQueue::new([berlin("0 9 * * *", 1)], START);
        let nine = due_queue.next_wake().expect("there is a tomorrow");
        ticks(&mut due_queue, nine);
        due_queue.wall_clock_set(-1_800_000_000_000, nine - 1800 * SECOND);
        assert_eq!(due_queue.next_wake(), Some(nine + day));
    }

    #[test]
    fn a_new_plan_leaves_a_confirmation_of_an_unchanged_canary_pending() {
        let (mut due_queue, first) = one();
        ticks(&mut due_queue, first);
        due_queue.early(0, first + 3 * SECOND, EarlyReason::Confirm);
        let again = || every("one", Duration::from_secs(10), 1);
        due_queue.apply([every("another", Duration::from_hours(10), 1), again()], first + SECOND);
        let start = due_queue.take(first + 3 * SECOND, FREE).expect("it is due");
        assert_eq!((start.index, start.due.at), (1, first + 3 * SECOND));
        assert_eq!(start.kind, StartKind::Early { why: EarlyReason::Confirm, replaces: first + 10 * SECOND });
        due_queue.apply([again()], first + 4 * SECOND);
        assert_eq!(due_queue.next_wake(), Some(first + 10 * SECOND));
    }

    #[test]
    fn what_stands_for_the_next_tick_follows_from_why_it_was_made_and_how_it_ended() {
        use Verdict::{Blocked, Errored, Failed, Missed, Passed, Skipped};
        for (verdict, confirm, needed) in [
            (Passed, false, true),
            (Failed, true, true),
            (Errored, false, false),
            (Missed, false, false),
            (Blocked, false, false),
            (Skipped, false, false),
        ] {
            assert_eq!(
                (EarlyReason::Confirm.replaces_tick(verdict), EarlyReason::Needed.replaces_tick(verdict)),
                (confirm, needed),
                "{verdict:?}"
            );
        }
    }

    #[derive(Debug, Clone)]
    enum Event {
        Apply(usize),
        Sleep(Nanos),
        Early(u32, Nanos, EarlyReason),
        Busy(Nanos),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => (0..3 * SECOND).prop_map(Event::Sleep),
            1 => (0..100 * SECOND).prop_map(Event::Sleep),
            2 => (0_u32..3, 0..5 * SECOND).prop_map(|(index, after)| Event::Early(index, after, EarlyReason::Confirm)),
            1 => (0_u32..3).prop_map(|index| Event::Early(index, 0, EarlyReason::Needed)),
            1 => (0..3 * SECOND).prop_map(Event::Busy),
            2 => (0_usize..3).prop_map(Event::Apply),
        ];
        prop::collection::vec(event, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_tick_is_lost_or_doubled_however_the_thread_wakes(events in events(), millis in 300_u64..9_000, runs in 1_u32..4) {
            let mut canaries =
                [every("a", Duration::from_millis(millis), 1), every("b", Duration::from_millis(millis), runs), berlin("*/7 * * * * *", runs)];
            let mut due_queue = DueQueue::new(canaries.clone(), START);
            let mut seen: [Vec<Due>; 3] = Default::default();
            let mut now = START;
            for event in events {
                let free = !matches!(event, Event::Busy(_));
                match event {
                    Event::Sleep(time) | Event::Busy(time) => now += time,
                    Event::Apply(by) => {
                        // The canaries stay, their places in the plan change.
                        canaries.rotate_left(by);
                        seen.rotate_left(by);
                        due_queue.apply(canaries.clone(), now);
                    }
                    Event::Early(index, after, why) => due_queue.early(index, now + after, why),
                }
                while let Some(start) = due_queue.take(now, |_, _| free) {
                    let timing = Timing::of(&canaries[start.index as usize]);
                    prop_assert!(start.due.at <= now, "nothing is early");
                    if let StartKind::Early { replaces, .. } = start.kind {
                        prop_assert_eq!(timing.after(now).map(|due| due.at), Some(replaces));
                        continue;
                    }
                    let seen = &mut seen[start.index as usize];
                    if let Some(gap) = start.gap {
                        prop_assert_eq!(timing.until(gap.from).map(|due| due.at), Some(gap.from), "a gap begins with a moment");
                        let missed = std::iter::successors(timing.until(gap.from), |due| timing.after(due.at));
                        seen.extend(missed.take_while(|due| due.at < gap.to));
                    }
                    seen.push(start.due);
                }
                prop_assert!(due_queue.next_wake().is_none_or(|wake| wake > now), "everything due was taken");
            }
            for (canary, seen) in canaries.iter().zip(seen) {
                let timing = Timing::of(canary);
                let grid: Vec<Due> = std::iter::successors(timing.after(START), |due| timing.after(due.at)).take(seen.len()).collect();
                prop_assert_eq!(&seen, &grid, "every moment of the grid, once, in order");
                let last = seen.last().map_or(START, |due| due.at);
                prop_assert!(timing.after(last).is_none_or(|next| next.at > now), "none is left behind");
            }
        }

        #[test]
        fn a_set_clock_leaves_no_canary_out(set in -7_200_000_000_000_i64..7_200_000_000_000, wait in 0..20 * SECOND) {
            let canaries: Vec<_> = (0..20).map(|number| every(&format!("c{number}"), Duration::from_secs(10), 1)).collect();
            let mut due_queue = DueQueue::new(canaries, START);
            ticks(&mut due_queue, START + wait);
            let now = (START + wait).saturating_add_signed(set);
            due_queue.wall_clock_set(set, now);
            prop_assert_eq!(due_queue.take(now, FREE), None, "no burst");
            let started: Vec<u32> = std::iter::from_fn(|| due_queue.take(now + 15 * SECOND, FREE)).map(|start| start.index).collect();
            prop_assert_eq!(started.len(), 20, "no gap");
            prop_assert_eq!(started.into_iter().collect::<BTreeSet<_>>().len(), 20);
        }
    }
}
