//! Which canary is next, and what its start is: the scheduler's decisions, without a clock, a thread or a lock.
//!
//! A min-heap of waking times over one row a canary. An entry whose time is no longer its row's is stale and is passed over,
//! so bringing a tick forward is one push. Every moment of a canary's grid leaves here exactly once: as the tick of a
//! [`Start`], or inside the [`Gap`] of the start that follows a pause.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::outcome::Trigger;
use crate::plan::Canary;

use super::timing::{Due, Nanos, Timing};

/// The scheduler's list of what is due when.
pub(super) struct Agenda {
    rows: Vec<Row>,
    heap: BinaryHeap<Reverse<(Nanos, u32)>>,
}

struct Row {
    canary: Arc<Canary>,
    next: Option<Due>,
    wake: Nanos,
    trigger: Trigger,
}

/// A tick to be started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Which canary, by its place in the plan.
    pub(super) index: u32,
    /// The tick.
    pub(super) due: Due,
    /// Whether it comes on time or was brought forward.
    pub(super) trigger: Trigger,
    /// The ticks before it that nobody was awake for.
    pub(super) gap: Option<Gap>,
}

/// Moments of a canary's grid in `from..to` that were slept through; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The first of them.
    pub(super) from: Nanos,
    /// The tick that is run instead, which is not one of them.
    pub(super) to: Nanos,
}

impl Agenda {
    /// The agenda of some canaries, from the first tick of each after `now`.
    pub(super) fn new(canaries: impl IntoIterator<Item = Arc<Canary>>, now: Nanos) -> Self {
        let rows = canaries
            .into_iter()
            .map(|canary| {
                let next = Timing::of(&canary).after(now);
                Row { next, wake: next.map_or(Nanos::MAX, |due| due.at), trigger: Trigger::Schedule, canary }
            })
            .collect();
        let mut agenda = Self { rows, heap: BinaryHeap::new() };
        agenda.rebuild();
        agenda
    }

    /// When to look again; none if nothing will ever be due.
    pub(super) fn next_wake(&self) -> Option<Nanos> {
        self.heap.peek().map(|&Reverse((wake, _))| wake)
    }

    /// Takes the next start that is due at `now`. Of several ticks of a canary that are overdue it is the newest, and the
    /// others are its gap. `is_free` tells whether a slot has no run: a tick is not brought forward into a busy one.
    pub(super) fn take(&mut self, now: Nanos, is_free: impl Fn(u32, u32) -> bool) -> Option<Start> {
        while let Some(&Reverse((wake, index))) = self.heap.peek().filter(|Reverse((wake, _))| *wake <= now) {
            self.heap.pop();
            let row = &mut self.rows[index as usize];
            let Some(planned) = row.next.filter(|_| row.wake == wake) else { continue };
            if planned.at > now && !is_free(index, planned.slot) {
                row.plan(Some(planned));
                self.heap.push(Reverse((planned.at, index)));
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

    /// Makes a canary's next tick at `at`, if that is earlier. The tick is then used up: those after it stay where they are.
    pub(super) fn bring_forward(&mut self, index: u32, at: Nanos) {
        let row = &mut self.rows[index as usize];
        if row.next.is_some() && at < row.wake {
            row.wake = at;
            row.trigger = Trigger::Confirm;
            self.heap.push(Reverse((at, index)));
        }
    }

    /// The wall clock was set by `by` nanoseconds and now reads `now`: every canary goes on at the nearest moments of the new
    /// time. What is due must have been taken before.
    pub(super) fn wall_clock_set(&mut self, by: i64, now: Nanos) {
        for row in &mut self.rows {
            let timing = Timing::of(&row.canary);
            let confirm = (row.trigger == Trigger::Confirm).then(|| row.wake.saturating_add_signed(by));
            let next = match row.next {
                Some(due) => timing.after_step(due.at.saturating_add_signed(by), now),
                None => timing.after(now),
            };
            row.plan(next);
            if let Some(at) = confirm.filter(|&at| at < row.wake) {
                row.wake = at;
                row.trigger = Trigger::Confirm;
            }
        }
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

impl Row {
    fn plan(&mut self, next: Option<Due>) {
        self.next = next;
        self.wake = next.map_or(Nanos::MAX, |due| due.at);
        self.trigger = Trigger::Schedule;
    }

    fn start(&mut self, index: u32, planned: Due, now: Nanos) -> Start {
        let canary = Arc::clone(&self.canary);
        let timing = Timing::of(&canary);
        let next = timing.after(planned.at);
        if next.is_none_or(|next| next.at > now) {
            let start = Start { index, due: planned, trigger: self.trigger, gap: None };
            self.plan(next);
            return start;
        }
        let due = timing.until(now).filter(|newest| newest.at > planned.at).unwrap_or(planned);
        let gap = (due.at > planned.at).then_some(Gap { from: planned.at, to: due.at });
        self.plan(timing.after(due.at));
        Start { index, due, trigger: Trigger::Schedule, gap }
    }
}
