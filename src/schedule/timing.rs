//! The grid of moments at which a canary is due: pure functions of its cadence, its id and a moment.
//!
//! Moments are nanoseconds since the Unix epoch by the wall clock, so that the grid is the same in every process and after every
//! restart. Nothing here reads a clock or keeps state: the caller gives the time, and the same call always has the same result.
//!
//! * `every = "5m"`, `runs = 3`: three ticks an interval, 100 s apart, the first one `phase` after a multiple of the interval
//!   since the epoch. The phase is the id's stable hash within `interval / runs`, which spreads a fleet's load evenly.
//! * `cron`: the moments of the expression themselves, without a phase, because somebody chose them. With `runs` above 1 the
//!   further runs are spread evenly over the *shorter* of the gaps before and after the moment: `*/5` behaves as an interval
//!   of five minutes does, and the last moment of a working week does not spread its runs over the weekend.

use std::time::SystemTime;

use chrono_tz::Tz;

use crate::base::time::{epoch_nanos, from_epoch_nanos, nanos};
use crate::plan::{Cadence, Calendar, Canary};

/// Nanoseconds since the Unix epoch. 64 bits last until the year 2554.
pub(super) type Nanos = u64;

/// A moment of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When.
    pub(super) at: Nanos,
    /// Which of the interval's runs, from 0.
    pub(super) slot: u32,
}

/// The next `count` moments at which a canary is due after `now`, in their order; fewer where its cron expression comes to an end.
/// Pauses and maintenance are not looked at: a tick that they skip is one all the same.
pub fn next_ticks(canary: &Canary, now: SystemTime, count: usize) -> Vec<SystemTime> {
    let timing = Timing::of(canary);
    let first = timing.after(epoch_nanos(now));
    let ticks = std::iter::successors(first, |due| timing.after(due.at));
    ticks.take(count).map(|due| from_epoch_nanos(due.at)).collect()
}

/// The grid of one canary, borrowed from its probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing<'a> {
    cadence: &'a Cadence,
    runs: u32,
    hash: u64,
}

impl<'a> Timing<'a> {
    /// The grid of a canary.
    pub(super) fn of(canary: &'a Canary) -> Self {
        Self { cadence: &canary.probe.cadence, runs: canary.probe.runs.max(1), hash: canary.id.stable_hash() }
    }

    /// The first moment after `now`; none where a cron expression has come to its end.
    pub(super) fn after(self, now: Nanos) -> Option<Due> {
        match self.cadence {
            Cadence::Every(interval) => Some(self.even(*interval).after(now)),
            Cadence::Cron { cron, timezone, .. } => self.cron(cron, *timezone).after(now),
        }
    }

    /// The last moment that is not after `now`; none where there was none yet.
    pub(super) fn until(self, now: Nanos) -> Option<Due> {
        match self.cadence {
            Cadence::Every(interval) => self.even(*interval).until(now),
            Cadence::Cron { cron, timezone, .. } => self.cron(cron, *timezone).until(now),
        }
    }

    /// How many moments lie in `from..to`. Those of a cron expression are counted one by one, up to `most`.
    pub(super) fn count(self, from: Nanos, to: Nanos, most: u64) -> u64 {
        match self.cadence {
            Cadence::Every(interval) => {
                let even = self.even(*interval);
                even.number_before(to).saturating_sub(even.number_before(from))
            }
            Cadence::Cron { cron, timezone, .. } => {
                let cron = self.cron(cron, *timezone);
                let mut next = cron.after(from.saturating_sub(1));
                let mut count = 0;
                while let Some(due) = next.filter(|due| due.at < to && count < most) {
                    count += 1;
                    next = cron.after(due.at);
                }
                count
            }
        }
    }

    /// When the slot of `due` is due again, at least as an estimate to decide when to give up on it.
    pub(super) fn slot_again(self, due: Due) -> Option<Nanos> {
        match self.cadence {
            Cadence::Every(interval) => Some(due.at.saturating_add(nanos(*interval))),
            Cadence::Cron { cron, timezone, .. } => self.cron(cron, *timezone).next_moment(due.at),
        }
    }

    /// The next moment after the wall clock was set. `ideal` is the planned moment, moved along with the clock; `now` is the new
    /// time.
    ///
    /// It is the moment of the grid nearest to `ideal`, so that no less than half and no more than twice the usual distance
    /// passes since the run before. For an interval the moment is never before `now`, because whole fleets would then start
    /// together. A cron moment that the clock was set past is made up for at once.
    pub(super) fn after_step(self, ideal: Nanos, now: Nanos) -> Option<Due> {
        let later = self.after(ideal);
        let earlier = self.until(ideal);
        let nearest = match (earlier, later) {
            (Some(earlier), Some(later)) if ideal - earlier.at <= later.at - ideal => Some(earlier),
            (_, Some(later)) => Some(later),
            (earlier, None) => earlier,
        };
        match self.cadence {
            Cadence::Every(_) => nearest.filter(|due| due.at > now).or_else(|| self.after(now.max(ideal))),
            Cadence::Cron { .. } => nearest,
        }
    }

    fn even(self, interval: std::time::Duration) -> EvenGrid {
        let interval = nanos(interval).max(1);
        let apart = (interval / u64::from(self.runs)).max(1);
        EvenGrid { interval, runs: self.runs, phase: self.hash % apart }
    }

    fn cron(self, cron: &'a croner::Cron, timezone: Tz) -> CronGrid<'a> {
        CronGrid { calendar: Calendar { cron, timezone }, runs: self.runs }
    }
}

/// `runs` moments an interval, from a phase.
#[derive(Debug, Clone, Copy)]
struct EvenGrid {
    interval: u64,
    runs: u32,
    phase: u64,
}

impl EvenGrid {
    /// Moments of the grid before `to`, counted from the epoch.
    fn number_before(self, to: Nanos) -> u64 {
        let Some(since) = to.checked_sub(self.phase) else { return 0 };
        let within = since % self.interval;
        // The offset of slot s is ⌊s·interval/runs⌋, so the slots before `within` are ⌈within·runs/interval⌉ or, where the
        // offset was rounded down, one fewer than the next; the loop settles which.
        let mut slots =
            u32::try_from(u128::from(within) * u128::from(self.runs) / u128::from(self.interval)).unwrap_or(self.runs);
        while slots < self.runs && self.offset(slots) < within {
            slots += 1;
        }
        (since / self.interval).saturating_mul(u64::from(self.runs)).saturating_add(u64::from(slots))
    }

    fn moment(self, number: u64) -> Due {
        let runs = u64::from(self.runs);
        let slot = u32::try_from(number % runs).unwrap_or(0);
        let cycle = (number / runs).saturating_mul(self.interval);
        Due { at: self.phase.saturating_add(cycle).saturating_add(self.offset(slot)), slot }
    }

    fn offset(self, slot: u32) -> u64 {
        let offset = u128::from(slot) * u128::from(self.interval) / u128::from(self.runs);
        u64::try_from(offset).unwrap_or(u64::MAX)
    }

    fn after(self, now: Nanos) -> Due {
        self.moment(self.number_before(now.saturating_add(1)))
    }

    fn until(self, now: Nanos) -> Option<Due> {
        self.number_before(now.saturating_add(1)).checked_sub(1).map(|number| self.moment(number))
    }
}

/// The moments of a cron expression, each followed by its further runs.
#[derive(Debug, Clone, Copy)]
struct CronGrid<'a> {
    calendar: Calendar<'a>,
    runs: u32,
}

impl CronGrid<'_> {
    fn after(self, now: Nanos) -> Option<Due> {
        if self.runs > 1
            && let Some(moment) = self.last_moment(now)
        {
            let spread = self.spread(moment);
            if let Some(slot) = (1..self.runs).find(|&slot| spread.offset(slot) > now - moment) {
                return Some(Due { at: moment + spread.offset(slot), slot });
            }
        }
        self.next_moment(now).map(|at| Due { at, slot: 0 })
    }

    fn until(self, now: Nanos) -> Option<Due> {
        let moment = self.last_moment(now)?;
        if self.runs == 1 {
            return Some(Due { at: moment, slot: 0 });
        }
        let spread = self.spread(moment);
        let slot = (0..self.runs).rev().find(|&slot| spread.offset(slot) <= now - moment)?;
        Some(Due { at: moment + spread.offset(slot), slot })
    }

    /// The runs of a moment, spread over the shorter of the gaps beside it; over a minute where it stands alone.
    fn spread(self, moment: Nanos) -> EvenGrid {
        let before = moment.checked_sub(1).and_then(|before| self.last_moment(before)).map(|last| moment - last);
        let behind = self.next_moment(moment).map(|next| next - moment);
        let gap = before.into_iter().chain(behind).min().unwrap_or(60_000_000_000);
        EvenGrid { interval: gap.max(u64::from(self.runs)), runs: self.runs, phase: 0 }
    }

    fn next_moment(self, now: Nanos) -> Option<Nanos> {
        self.calendar.after(now)
    }

    fn last_moment(self, now: Nanos) -> Option<Nanos> {
        self.calendar.until(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::super::testing::{berlin, every};
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn at(rfc3339: &str) -> Nanos {
        let nanos = DateTime::parse_from_rfc3339(rfc3339).expect("a time").timestamp_nanos_opt();
        nanos.and_then(|at| Nanos::try_from(at).ok()).expect("after 1970")
    }

    /// The `count` moments of a Berlin cron expression after a time, as local times with their offset.
    fn moments(expression: &str, runs: u32, after: &str, count: usize) -> Vec<String> {
        let canary = berlin(expression, runs);
        let timing = Timing::of(&canary);
        let show = |due: Due| {
            let time = DateTime::<Utc>::from_timestamp_nanos(i64::try_from(due.at).expect("before 2262"));
            let local = time.with_timezone(&chrono_tz::Europe::Berlin).format("%d %H:%M:%S%.f%:::z");
            if runs == 1 { local.to_string() } else { format!("{local} #{}", due.slot) }
        };
        std::iter::successors(timing.after(at(after)), |due| timing.after(due.at)).take(count).map(show).collect()
    }

    #[test]
    fn the_phase_of_a_canary_never_changes() {
        // A change here moves every tick of every fleet at its next upgrade.
        let canary = every("sync", Duration::from_mins(5), 3);
        let first = Timing::of(&canary).after(0).expect("an interval has no end");
        assert_eq!(first, Due { at: canary.id.stable_hash() % (100 * SECOND), slot: 0 });
        assert_eq!(Timing::of(&canary).after(first.at), Some(Due { at: first.at + 100 * SECOND, slot: 1 }));
    }

    #[test]
    fn the_next_ticks_are_those_of_the_grid_and_end_where_it_does() {
        let (canary, now) = (every("sync", Duration::from_mins(5), 3), from_epoch_nanos(at("2026-11-21T10:00:00Z")));
        let ticks = next_ticks(&canary, now, 5);
        assert_eq!(ticks.len(), 5);
        assert!(ticks[0] > now && ticks.windows(2).all(|pair| pair[1] == pair[0] + Duration::from_secs(100)), "{ticks:?}");
        let last = berlin("0 0 9 1 1 * 2027", 1);
        assert_eq!(next_ticks(&last, now, 5), [from_epoch_nanos(at("2027-01-01T09:00:00+01:00"))]);
    }

    #[test]
    fn phases_spread_a_fleet_over_its_interval() {
        let mut tenths = [0_u32; 10];
        for number in 0..10_000 {
            let canary = every(&format!("probe-{number}"), Duration::from_secs(10), 1);
            let first = Timing::of(&canary).after(0).expect("an interval has no end");
            tenths[usize::try_from(first.at / SECOND).expect("below 10")] += 1;
        }
        assert!(tenths.iter().all(|count| (850..1150).contains(count)), "{tenths:?}");
    }

    #[test]
    fn looking_back_in_the_night_of_the_repeated_hour_finds_what_looking_forwards_found() {
        for expression in ["0 */2 * * *", "*/20 * * * *", "30 2 * * *"] {
            let canary = berlin(expression, 1);
            let timing = Timing::of(&canary);
            let start = timing.after(at("2026-10-24T12:00:00Z"));
            let chain: Vec<Due> = std::iter::successors(start, |due| timing.after(due.at)).take(60).collect();
            for pair in chain.windows(2) {
                assert_eq!(timing.until(pair[1].at - 1), Some(pair[0]), "{expression}");
            }
        }
    }

    #[test]
    fn the_repeated_hour_of_autumn_is_not_silent() {
        assert_eq!(
            moments("*/20 * * * *", 1, "2026-10-25T01:50:00+02:00", 8),
            [
                "02:00:00+02",
                "02:20:00+02",
                "02:40:00+02",
                "02:00:00+01",
                "02:20:00+01",
                "02:40:00+01",
                "03:00:00+01",
                "03:20:00+01"
            ]
            .map(|time| format!("25 {time}"))
        );
    }

    #[test]
    fn a_daily_moment_in_the_repeated_hour_comes_once() {
        assert_eq!(
            moments("30 2 * * *", 1, "2026-10-24T12:00:00+02:00", 2),
            ["25 02:30:00+02", "26 02:30:00+01"].map(String::from)
        );
    }

    #[test]
    fn a_daily_moment_in_the_skipped_hour_comes_at_its_end() {
        assert_eq!(
            moments("30 2 * * *", 1, "2026-03-28T12:00:00+01:00", 2),
            ["29 03:00:00+02", "30 02:30:00+02"].map(String::from)
        );
    }

    #[test]
    fn a_daily_moment_keeps_its_local_time_over_the_change() {
        assert_eq!(
            moments("30 9 * * *", 1, "2026-03-27T12:00:00+01:00", 3),
            ["28 09:30:00+01", "29 09:30:00+02", "30 09:30:00+02"].map(String::from)
        );
    }

    #[test]
    fn moments_lie_on_whole_seconds_whenever_they_are_asked_for() {
        assert_eq!(moments("*/5 * * * * *", 1, "2026-11-21T10:00:00.123+01:00", 1), ["21 10:00:05+01"]);
        let canary = berlin("*/5 * * * * *", 1);
        let last = Timing::of(&canary).until(at("2026-11-21T10:00:07.123+01:00"));
        assert_eq!(last.map(|due| due.at), Some(at("2026-11-21T10:00:05+01:00")));
    }

    #[test]
    fn runs_of_a_regular_expression_are_spread_as_those_of_an_interval() {
        assert_eq!(
            moments("*/5 * * * *", 3, "2026-11-21T10:00:00+01:00", 4),
            ["21 10:01:40+01 #1", "21 10:03:20+01 #2", "21 10:05:00+01 #0", "21 10:06:40+01 #1"].map(String::from)
        );
    }

    #[test]
    fn runs_of_the_last_moment_of_a_week_stay_near_it() {
        assert_eq!(
            moments("*/30 8-17 * * MON-FRI", 3, "2026-11-20T17:25:00+01:00", 5),
            ["20 17:30:00+01 #0", "20 17:40:00+01 #1", "20 17:50:00+01 #2", "23 08:00:00+01 #0", "23 08:10:00+01 #1"]
                .map(String::from)
        );
    }

    fn grids() -> impl Strategy<Value = std::sync::Arc<Canary>> {
        let cron = prop::sample::select(vec![
            "*/20 * * * *",
            "30 2 * * *",
            "0 9 * * MON-FRI",
            "*/7 * * * * *",
            "15,45 1-3 * * *",
            "0 */2 * * *",
            "@daily",
        ]);
        prop_oneof![
            ("[a-z]{1,8}", 1_u64..4_000_000, 1_u32..=7).prop_map(|(name, millis, runs)| every(
                &name,
                Duration::from_millis(millis),
                runs
            )),
            (cron, 1_u32..=4).prop_map(|(expression, runs)| berlin(expression, runs)),
        ]
    }

    /// Around both changes of the clocks, and any time.
    fn times() -> impl Strategy<Value = Nanos> {
        let hours = 3600 * SECOND;
        prop_oneof![
            (at("2026-10-24T12:00:00Z")..at("2026-10-26T12:00:00Z")),
            (at("2026-03-28T12:00:00Z")..at("2026-03-30T12:00:00Z")),
            (24 * hours..500_000 * hours),
            (at("2026-10-25T00:00:00Z") / SECOND..at("2026-10-25T03:00:00Z") / SECOND).prop_map(|second| second * SECOND),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn asking_forwards_and_backwards_finds_the_same_moments(canary in grids(), now in times()) {
            let timing = Timing::of(&canary);
            let next = timing.after(now).expect("these never end");
            prop_assert!(next.at > now);
            prop_assert_eq!(timing.until(next.at), Some(next), "a moment is its own last moment");
            let last = timing.until(now);
            prop_assert_eq!(timing.until(next.at - 1), last, "nothing lies between");
            if let Some(last) = last {
                prop_assert!(last.at <= now);
                prop_assert_eq!(timing.after(last.at), Some(next), "the last moment leads to the next");
            }
        }

        #[test]
        fn counting_agrees_with_walking(canary in grids(), now in times(), steps in 0_usize..40) {
            let timing = Timing::of(&canary);
            let walk: Vec<Due> =
                std::iter::successors(timing.after(now), |due| timing.after(due.at)).take(steps + 1).collect();
            prop_assert_eq!(timing.count(walk[0].at, walk[steps].at, u64::MAX), steps as u64);
        }

        #[test]
        fn the_runs_of_an_interval_are_spread_evenly(millis in 1_u64..4_000_000, runs in 1_u32..=7, now in times()) {
            let canary = every("even", Duration::from_millis(millis), runs);
            let timing = Timing::of(&canary);
            let first = timing.after(now).expect("an interval has no end");
            let second = timing.after(first.at).expect("an interval has no end");
            let apart = millis * 1_000_000 / u64::from(runs);
            prop_assert!((apart..=apart + 1).contains(&(second.at - first.at)));
            prop_assert_eq!(second.slot, (first.slot + 1) % runs);
        }

        #[test]
        fn a_set_clock_causes_neither_a_second_run_at_once_nor_a_silence(
            millis in 100_u64..400_000,
            runs in 1_u32..=3,
            now in times(),
            set in -20_000_000_000_000_i64..20_000_000_000_000,
        ) {
            let canary = every("set", Duration::from_millis(millis), runs);
            let timing = Timing::of(&canary);
            let last = timing.until(now).expect("long after the epoch");
            let planned = timing.after(now).expect("an interval has no end");
            let set_now = now.saturating_add_signed(set);
            let next = timing.after_step(planned.at.saturating_add_signed(set), set_now).expect("an interval has no end");
            prop_assert!(next.at > set_now);
            prop_assert_eq!(timing.until(next.at), Some(next), "it is on the grid");
            let usual = planned.at - last.at;
            let since_last = (next.at - set_now) + (now - last.at);
            prop_assert!(since_last + 2 >= usual / 2 && since_last <= 2 * usual + 2, "{since_last} of {usual}");
        }
    }
}
