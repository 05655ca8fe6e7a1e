//! A record of the moments at which this process stood still, and bounds that are prolonged by them.
//!
//! What counts as standing still is decided here and nowhere else, so that verdict, log and metric have one clock: a beat of the
//! watchdog that comes later than [`STANDSTILL`]. A runtime that is merely busy wakes some milliseconds late each time, and so
//! reads each answer some milliseconds late; it does not stand still, and such beats must not add up to an excuse for a target
//! that hangs. What a bound means for a verdict is decided in `environment`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two beats of the watchdog.
pub const BEAT: Duration = Duration::from_millis(50);

/// A beat that is later than this shows that the process stood still. Far above what a process waits for a core on a machine
/// with dozens of busy ones (13 ms were measured with 40 on two cores), and less than what people bound.
const STANDSTILL: Duration = Duration::from_millis(200);

/// Stalls kept: a quarter of an hour of nothing else. Older ones hardly matter to a run that is still going.
const KEPT: usize = 4096;

/// Written by the watchdog and the scheduler, read by runs.
#[derive(Debug, Default)]
pub struct StallLog {
    inner: Mutex<StallState>,
}

#[derive(Debug, Default)]
struct StallState {
    last_beat: Option<Instant>,
    /// In the order in which they were noticed.
    stalls: VecDeque<Stall>,
    /// Stalls that [`StallLog::beat`] has not returned yet.
    news: Vec<Duration>,
}

/// The process stood still from one moment to another, or the machine slept for so long at some moment between them, which the
/// steady clock does not show.
#[derive(Debug, Clone, Copy)]
struct Stall {
    from: Instant,
    to: Instant,
    slept: Option<Duration>,
}

impl Stall {
    fn lasting(&self) -> Duration {
        self.slept.unwrap_or_else(|| self.to.duration_since(self.from))
    }

    /// How much of it lies between two moments. A sleep counts in full if it may have come between them.
    fn between(&self, from: Instant, to: Instant) -> Duration {
        match self.slept {
            None => self.to.min(to).saturating_duration_since(self.from.max(from)),
            Some(slept) if self.from <= to && self.to >= from => slept,
            Some(_) => Duration::ZERO,
        }
    }
}

impl StallLog {
    /// The watchdog is awake at `now` and will be again after [`BEAT`]. Returns the stalls, sleeps of the machine included, that
    /// were noticed since the last beat. Each stall that a verdict can depend on is returned once.
    pub fn beat(&self, now: Instant) -> Vec<Duration> {
        let mut inner = self.lock();
        if let Some(stall) = inner.ongoing(now) {
            inner.keep(stall);
        }
        inner.last_beat = Some(now);
        std::mem::take(&mut inner.news)
    }

    /// The machine slept for so long at some moment between these two. Bounds do not run out while it sleeps, but targets and
    /// networks do not sleep along.
    pub fn slept(&self, from: Instant, to: Instant, slept: Duration) {
        if slept > STANDSTILL {
            self.lock().keep(Stall { from, to, slept: Some(slept) });
        }
    }

    /// How long the watchdog has been overdue at `now`, if the process may be standing still.
    pub fn ongoing(&self, now: Instant) -> Option<Duration> {
        self.lock().ongoing(now).map(|stall| stall.lasting())
    }

    /// How long the process stood still between two moments, a stall that the watchdog has not yet woken from included.
    pub fn stalled_between(&self, from: Instant, to: Instant) -> Duration {
        self.sum(from, to, |_| true)
    }

    /// The same without sleeps of the machine, which durations of the steady clock do not contain.
    pub fn stood_still(&self, from: Instant, to: Instant) -> Duration {
        self.sum(from, to, |stall| stall.slept.is_none())
    }

    /// Takes stalls out of the times that expressions see of an answer that was there at `ended`: its latency, and its phases in
    /// order. Expressions see these times, so that a target is not judged by what the prober did; reports keep the raw ones.
    ///
    /// The phases follow each other without a gap, so that the end of the last one tells when each was. Those of several hops of a
    /// redirect are taken for those of one.
    pub(super) fn take_out<'p>(
        &self,
        latency: &mut Duration,
        phases: impl DoubleEndedIterator<Item = &'p mut Duration>,
        ended: Instant,
    ) {
        let began = ended.checked_sub(*latency).unwrap_or(ended);
        let stood_still = self.stood_still(began, ended);
        if stood_still == Duration::ZERO {
            return;
        }
        *latency = latency.saturating_sub(stood_still);
        let mut end = ended;
        for took in phases.rev() {
            let start = end.checked_sub(*took).unwrap_or(end);
            *took = took.saturating_sub(self.stood_still(start, end));
            end = start;
        }
    }

    fn sum(&self, from: Instant, to: Instant, counts: impl Fn(&&Stall) -> bool) -> Duration {
        let inner = self.lock();
        let ongoing = inner.ongoing(to);
        // The newest is the last, so that whoever asks for the last moments does not look at all there are.
        let over = inner.stalls.iter().rev().take_while(|stall| stall.to >= from);
        over.chain(&ongoing).filter(counts).map(|stall| stall.between(from, to)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, StallState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StallState {
    fn keep(&mut self, stall: Stall) {
        if self.stalls.len() == KEPT {
            self.stalls.pop_front();
        }
        // The list is bounded also without beats, as in a test that only reports sleeps.
        if self.news.len() < KEPT {
            self.news.push(stall.lasting());
        }
        self.stalls.push_back(stall);
    }

    fn ongoing(&self, now: Instant) -> Option<Stall> {
        let expected = self.last_beat? + BEAT;
        (now.saturating_duration_since(expected) > STANDSTILL).then_some(Stall { from: expected, to: now, slept: None })
    }
}

/// A bound on something that began at a moment: prolonged by the time the process stood still since, at most by itself.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'s> {
    stalls: &'s StallLog,
    from: Instant,
    lasting: Duration,
}

impl<'s> Bound<'s> {
    /// A bound of so long from that moment on.
    pub fn new(stalls: &'s StallLog, from: Instant, lasting: Duration) -> Self {
        Self { stalls, from, lasting }
    }

    /// From when on it counts.
    pub fn from(&self) -> Instant {
        self.from
    }

    /// How long it is where nothing stands still.
    pub fn lasting(&self) -> Duration {
        self.lasting
    }

    /// When it passes, as far as is known at `now`.
    pub fn end(&self, now: Instant) -> Instant {
        self.from + self.lasting + self.stalls.stalled_between(self.from, now).min(self.lasting)
    }

    /// How long the process stood still in the time that the bound allows, as far as is known at `now`. More than
    /// [`lasting`](Self::lasting) is more than half of the prolonged bound, which is then not held against a target.
    pub fn stalled(&self, now: Instant) -> Duration {
        self.stalls.stalled_between(self.from, now.min(self.from + self.lasting * 2))
    }

    /// Does some work, if that is over before the bound passes.
    pub async fn hold<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        let mut until = self.from + self.lasting;
        loop {
            if let Ok(done) = tokio::time::timeout_at(until.into(), &mut work).await {
                return Some(done);
            }
            let end = self.end(Instant::now());
            if end <= until {
                return None;
            }
            until = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Phases;

    fn at(start: Instant) -> impl Fn(u64) -> Instant {
        move |millis| start + Duration::from_millis(millis)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_beat_that_comes_late_is_a_stall_and_counts_only_where_it_overlaps() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        assert!(log.beat(start).is_empty());
        assert_eq!(log.beat(at(2000)), [Duration::from_millis(1950)]);
        assert_eq!(log.stalled_between(start, at(1000)), Duration::from_millis(950));
        assert_eq!(log.stalled_between(at(2000), at(2050)), Duration::ZERO);
    }

    #[test]
    fn a_busy_machine_does_not_stand_still_however_many_beats_are_late() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        // Each beat comes 190 ms late, for a minute.
        let told: usize = (0..250).map(|beat| log.beat(at(beat * 240)).len()).sum();
        assert_eq!((told, log.stalled_between(start, at(60_000))), (0, Duration::ZERO));
    }

    #[test]
    fn everything_a_verdict_heeds_is_told_once() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        log.beat(start);
        log.slept(at(10), at(20), 3 * SECOND);
        log.slept(at(20), at(30), Duration::from_millis(100));
        assert_eq!(log.beat(at(1050)), [3 * SECOND, SECOND]);
        assert!(log.beat(at(1100)).is_empty());
        assert_eq!(log.stalled_between(start, at(1100)), 4 * SECOND);
    }

    #[test]
    fn a_sleep_of_the_machine_counts_for_whatever_was_going_on() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        let slept = Duration::from_mins(10);
        log.slept(at(1000), at(1400), slept);
        assert_eq!(log.stalled_between(at(1200), at(31_200)), slept, "begun before it was noticed");
        assert_eq!(log.stalled_between(at(0), at(1300)), slept);
        assert_eq!(log.stalled_between(at(1401), at(31_401)), Duration::ZERO, "begun afterwards");
        assert_eq!(log.stalled_between(at(0), at(999)), Duration::ZERO, "ended before");
    }

    #[test]
    fn a_stall_is_ongoing_from_the_missed_beat_until_the_next_one_and_counts_already() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        assert_eq!(log.ongoing(start), None, "nobody watches yet");
        log.beat(start);
        assert_eq!(log.ongoing(at(250)), None);
        assert_eq!(log.ongoing(at(3000)), Some(Duration::from_millis(2950)));
        assert_eq!(log.stalled_between(at(1000), at(3000)), 2 * SECOND);
        log.beat(at(3000));
        assert_eq!(log.ongoing(at(3000)), None);
        assert_eq!(log.stalled_between(at(1000), at(3000)), 2 * SECOND);
    }

    #[test]
    fn a_bound_is_prolonged_by_the_time_the_process_stood_still_and_at_most_by_itself() {
        let (log, start) = (StallLog::default(), Instant::now());
        let at = at(start);
        let bound = Bound::new(&log, start, 2 * SECOND);
        assert_eq!(bound.end(at(2000)), at(2000));
        let on_time = |from: u64, to| (from..=to).step_by(50).for_each(|beat| drop(log.beat(at(beat))));
        log.beat(at(50));
        on_time(1600, 2000);
        assert_eq!((bound.end(at(2000)), bound.stalled(at(2000))), (at(3500), Duration::from_millis(1500)));
        on_time(3050, 3500);
        assert_eq!((bound.end(at(3500)), bound.stalled(at(3500))), (at(4000), Duration::from_millis(2500)));
        log.beat(at(9000));
        assert_eq!(bound.end(at(9000)), at(4000));
        assert_eq!(bound.stalled(at(9000)), Duration::from_millis(2500 + 450), "what came after it is none of its own");
    }

    #[tokio::test]
    async fn work_goes_on_while_a_bound_is_prolonged_and_not_beyond_that() {
        let log = StallLog::default();
        let start = Instant::now();
        // A second that lies ahead stands for one that has passed.
        log.beat(start);
        log.beat(start + SECOND);
        let bound = Bound::new(&log, start, Duration::from_millis(700));
        let held = bound.hold(tokio::time::sleep_until((start + Duration::from_millis(900)).into())).await;
        assert!(held.is_some() && start.elapsed() >= Duration::from_millis(900));
        assert!(bound.hold(std::future::pending::<()>()).await.is_none());
        assert!(start.elapsed() >= Duration::from_millis(1400));
    }

    #[test]
    fn a_stall_is_taken_out_of_the_phase_in_which_it_was() {
        let (log, start) = (StallLog::default(), Instant::now());
        let millis = Duration::from_millis;
        log.beat(start + millis(1000));
        (29..=40).for_each(|beat| drop(log.beat(start + millis(beat * 50))));
        // Headers came after 1.3 s: 250 ms of the stall lie before that, 150 ms after.
        let raw = Phases {
            connect: Some(millis(300)),
            first_byte: Some(millis(1000)),
            transfer: Some(millis(700)),
            ..Phases::default()
        };
        let (mut net, mut latency) = (raw, millis(2000));
        log.take_out(&mut latency, net.each_mut(), start + millis(2000));
        let wanted = Phases { first_byte: Some(millis(750)), transfer: Some(millis(550)), ..raw };
        assert_eq!((net, latency), (wanted, millis(1600)));
    }
}
