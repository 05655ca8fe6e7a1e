//! The thread that starts runs: it waits for the next moment of the queue and hands what is due to the runtime.
//!
//! It evaluates no expressions, does no I/O and calls no sink; a start costs it a heap operation and a spawn. So a runtime
//! that is busy is seen as lateness, never as silence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::run::StallLog;

use super::active_plan::ActivePlan;
use super::clock::Clock;
use super::due_queue::{DueQueue, Gap, Start, StartKind};
use super::in_flight::{Entered, InFlight};
use super::inbox::Requests;
use super::launch::{Admission, LONGEST_WAIT, Launch, RunPermit};
use super::state::SchedulerState;
use super::timing::{Nanos, Timing};

/// How long the thread sleeps at most, so that a wall clock that was set and a runtime that hangs are noticed.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// A jump of the wall clock that is worth a warning.
const NOTABLE: Duration = Duration::from_secs(1);

/// A hang of the runtime that is worth a log line while it goes on.
const HANG: Duration = Duration::from_secs(1);

/// The state of the scheduler's thread.
pub(super) struct SchedulerThread {
    shared: Arc<SchedulerState>,
    active_plan: Arc<ActivePlan>,
    due_queue: DueQueue,
    clock: Clock,
    stalls: Arc<StallLog>,
    /// When the clocks were compared last.
    checked: Instant,
    /// Ticks launched in this process.
    launched: u64,
    hang_reported: bool,
}

impl SchedulerThread {
    /// A thread's state with the first ticks from now on.
    pub(super) fn new(shared: Arc<SchedulerState>, stalls: Arc<StallLog>) -> Self {
        let active_plan = shared.active_plan();
        let clock = Clock::start();
        let checked = Instant::now();
        let due_queue = DueQueue::new(active_plan.plan.canaries.iter().cloned(), clock.at(checked));
        Self { shared, active_plan, due_queue, clock, stalls, checked, launched: 0, hang_reported: false }
    }

    /// The moment up to which ticks are those of an earlier process.
    pub(super) fn started(&self) -> Nanos {
        self.clock.at(self.checked)
    }

    /// Starts what is due until it is asked to stop.
    pub(super) fn run(mut self) {
        loop {
            self.follow_the_wall_clock();
            self.start_due(Instant::now());
            self.notice_a_hang(Instant::now());
            let now = Instant::now();
            self.shared.punctuality.looked(now);
            let wait = self.due_queue.next_wake().map_or(LOOK_AROUND, |wake| self.clock.until(wake, now).min(LOOK_AROUND));
            let Requests { early, active_plan, stop } = self.shared.inbox.wait(wait);
            if stop {
                return;
            }
            if let Some(active_plan) = active_plan {
                self.apply(active_plan);
            }
            for ask in early {
                if let Some(index) = self.active_plan.index(&ask.canary) {
                    self.due_queue.early(index, self.clock.at(ask.at), ask.why);
                }
            }
        }
    }

    /// Starts what is due by now with the old plan, then goes on with the new one.
    fn apply(&mut self, active_plan: Arc<ActivePlan>) {
        let now = Instant::now();
        self.start_due(now);
        self.due_queue.apply(active_plan.plan.canaries.iter().cloned(), self.clock.at(now));
        self.active_plan = active_plan;
    }

    fn follow_the_wall_clock(&mut self) {
        let looked = std::mem::replace(&mut self.checked, Instant::now());
        let Some(jump) = self.clock.check() else { return };
        if jump.slept > 0 {
            self.stalls.slept(looked, Instant::now(), Duration::from_nanos(jump.slept));
        }
        self.clock.wake_up(jump.slept);
        // Ticks that the machine slept through are due by the old time, so they are started first.
        self.start_due(Instant::now());
        self.clock.set(jump.set);
        if jump.set != 0 {
            self.due_queue.wall_clock_set(jump.set, self.clock.at(Instant::now()));
        }
        let (slept, set) = (Duration::from_nanos(jump.slept), Duration::from_nanos(jump.set.unsigned_abs()));
        let direction = if jump.set < 0 { "back" } else { "forward" };
        if slept + set >= NOTABLE {
            tracing::warn!(?slept, ?set, direction, "the wall clock jumped; ticks go on at the nearest moments of the new time");
        } else {
            tracing::debug!(?slept, ?set, direction, "the wall clock was corrected, and the ticks with it");
        }
    }

    fn start_due(&mut self, now: Instant) {
        let time = self.clock.at(now);
        let active_plan = Arc::clone(&self.active_plan);
        while let Some(start) = self.due_queue.take(time, |index, slot| active_plan.at(index).1.is_free(slot)) {
            self.launch(start, time, now);
        }
    }

    fn launch(&mut self, start: Start, time: Nanos, now: Instant) {
        let Start { index, due, kind, gap } = start;
        let (canary, in_flight) = self.active_plan.at(index);
        let gap = gap.and_then(|gap| missed(Timing::of(canary), in_flight, gap));
        if let StartKind::Early { replaces, .. } = kind {
            let place = in_flight.enter_early(due.slot, replaces);
            let Ok(permit) = self.shared.run_permits.try_take() else {
                // All run permits are taken; the tick will come.
                in_flight.early_ended(due.slot, false);
                return;
            };
            self.hand_over(start, None, Admission::Run(RunPermit::new(place, permit)), time, now);
            return;
        }
        let admission = match in_flight.enter(due.slot, due.at, canary.probe.overlap) {
            Entered::Replaced if gap.is_none() => return,
            Entered::Replaced => Admission::Replaced,
            Entered::Busy => Admission::Overlap,
            Entered::Free(place) => match self.shared.run_permits.try_take() {
                Ok(permit) => Admission::Run(RunPermit::new(place, permit)),
                Err(_full) => {
                    drop(place);
                    in_flight.wait(due.slot, due.at);
                    let again = Timing::of(canary).slot_again(due);
                    let patience = again.map_or(LONGEST_WAIT, |again| Duration::from_nanos(again.saturating_sub(time)));
                    Admission::Wait(now + patience.min(LONGEST_WAIT))
                }
            },
        };
        self.hand_over(start, gap, admission, time, now);
    }

    fn hand_over(&mut self, start: Start, gap: Option<Gap>, admission: Admission, time: Nanos, now: Instant) {
        let Start { index, due, kind, gap: _ } = start;
        self.launched += 1;
        let (canary, in_flight) = self.active_plan.at(index);
        let launch = Launch {
            canary: Arc::clone(canary),
            in_flight: Arc::clone(in_flight),
            due,
            order: self.launched,
            late: Duration::from_nanos(time.saturating_sub(gap.map_or(due.at, |gap| gap.from))),
            launched: now,
            kind,
            gap,
            admission,
        };
        self.shared.runs.spawn_on(launch.carry_out(Arc::clone(&self.shared)), &self.shared.runtime);
    }

    fn notice_a_hang(&mut self, now: Instant) {
        let hang = self.stalls.ongoing(now).filter(|&hang| hang > HANG);
        if let (Some(hang), false) = (hang, self.hang_reported) {
            tracing::warn!(?hang, "the runtime that probes does not answer; runs are late until it does");
        }
        self.hang_reported = hang.is_some();
    }
}

/// The gap without its first tick if an early run replaced that.
fn missed(timing: Timing<'_>, in_flight: &InFlight, gap: Gap) -> Option<Gap> {
    if !in_flight.takes_replaced(gap.from) {
        return Some(gap);
    }
    let from = timing.after(gap.from).map_or(gap.to, |due| due.at);
    (from < gap.to).then_some(Gap { from, ..gap })
}
