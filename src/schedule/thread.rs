//! The thread that starts runs: it waits for the next moment of the agenda and hands what is due to the runtime.
//!
//! It evaluates no expressions, does no I/O and calls no sink; a start costs it a heap operation and a spawn. So a runtime
//! that is busy is seen as lateness, never as silence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::run::StallLog;

use super::agenda::{Agenda, Start};
use super::clock::Clock;
use super::inbox::Confirm;
use super::lane::Lane;
use super::launch::{Entry, LONGEST_WAIT, Launch, Shared, Turn};
use super::timing::{Nanos, Timing};

/// How long the thread sleeps at most, so that a wall clock that was set and a runtime that hangs are noticed.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// A jump of the wall clock that is worth a warning.
const NOTABLE: Duration = Duration::from_secs(1);

/// A hang of the runtime that is worth a log line while it goes on.
const HANG: Duration = Duration::from_secs(1);

/// The state of the scheduler's thread.
pub(super) struct Starter {
    shared: Arc<Shared>,
    lanes: Arc<[Arc<Lane>]>,
    agenda: Agenda,
    clock: Clock,
    stalls: Arc<StallLog>,
    hang_reported: bool,
}

/// A prober whose scheduler is gone must not look alive: whatever supervises the process starts it again.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the scheduler's thread panicked, which is a defect of the prober; the process ends");
            std::process::abort();
        }
    }
}

impl Starter {
    /// A thread's state with the first ticks from now on.
    pub(super) fn new(shared: Arc<Shared>, lanes: Arc<[Arc<Lane>]>, stalls: Arc<StallLog>) -> Self {
        let clock = Clock::start();
        let agenda = Agenda::new(lanes.iter().map(|lane| Arc::clone(&lane.canary)), clock.at(Instant::now()));
        Self { shared, lanes, agenda, clock, stalls, hang_reported: false }
    }

    /// Starts what is due until it is asked to stop.
    pub(super) fn run(mut self) {
        let _guard = AbortOnPanic;
        let mut confirms: Vec<Confirm> = Vec::new();
        loop {
            self.follow_the_wall_clock();
            self.start_due(Instant::now());
            self.notice_a_hang(Instant::now());
            let now = Instant::now();
            let wait = self.agenda.next_wake().map_or(LOOK_AROUND, |wake| self.clock.until(wake, now).min(LOOK_AROUND));
            if !self.shared.inbox.wait(wait, &mut confirms) {
                return;
            }
            for confirm in confirms.drain(..) {
                self.agenda.bring_forward(confirm.index, self.clock.at(confirm.at));
            }
        }
    }

    fn follow_the_wall_clock(&mut self) {
        let Some(jump) = self.clock.check() else { return };
        self.clock.wake_up(jump.slept);
        // What the machine slept over is due by the time that was in force, so it goes first.
        self.start_due(Instant::now());
        self.clock.set(jump.set);
        if jump.set != 0 {
            self.agenda.wall_clock_set(jump.set, self.clock.at(Instant::now()));
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
        let lanes = Arc::clone(&self.lanes);
        while let Some(start) = self.agenda.take(time, |index, slot| lanes[index as usize].is_free(slot)) {
            self.launch(start, time, now);
        }
    }

    fn launch(&self, start: Start, time: Nanos, now: Instant) {
        let Start { index, due, trigger, gap } = start;
        let lane = Arc::clone(&self.lanes[index as usize]);
        let entry = match lane.enter(due.slot) {
            None => Entry::Overlap,
            Some(place) => match Arc::clone(&self.shared.turns).try_acquire_owned() {
                Ok(permit) => Entry::Run(Turn::new(place, permit)),
                Err(_full) => {
                    drop(place);
                    lane.wait(due.slot, due.at);
                    let again = Timing::of(&lane.canary).slot_again(due);
                    let patience = again.map_or(LONGEST_WAIT, |again| Duration::from_nanos(again.saturating_sub(time)));
                    Entry::Wait(now + patience.min(LONGEST_WAIT))
                }
            },
        };
        let launch = Launch { lane, index, due, trigger, gap, entry };
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
