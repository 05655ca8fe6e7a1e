//! The grid of moments at which a canary is due: pure functions of its cadence, its id and a moment.
//!
//! Moments are nanoseconds since the Unix epoch by the wall clock, so that the grid is the same in every process and after
//! every restart. Nothing here reads a clock or remembers anything: whoever asks says what time it is, and the same question
//! always has the same answer.
//!
//! * `every = "5m"`, `runs = 3`: three ticks an interval, 100 s apart, the first one `phase` after a multiple of the interval
//!   since the epoch. The phase is the id's stable hash within `interval / runs`, which spreads a fleet's load evenly.
//! * `cron`: the moments of the expression themselves, without a phase, because somebody chose them. With `runs` above 1 the
//!   further runs are spread evenly over the *shorter* of the gaps before and after the moment: `*/5` behaves as an interval
//!   of five minutes does, and the last moment of a working week does not spread its runs over the weekend.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::plan::{Cadence, Canary};

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
            Cadence::Cron { cron, timezone } => self.cron(cron, *timezone).after(now),
        }
    }

    /// The last moment that is not after `now`; none where there was none yet.
    pub(super) fn until(self, now: Nanos) -> Option<Due> {
        match self.cadence {
            Cadence::Every(interval) => self.even(*interval).until(now),
            Cadence::Cron { cron, timezone } => self.cron(cron, *timezone).until(now),
        }
    }

    /// How many moments lie in `from..to`. Those of a cron expression are counted one by one, up to `most`.
    pub(super) fn count(self, from: Nanos, to: Nanos, most: u64) -> u64 {
        match self.cadence {
            Cadence::Every(interval) => {
                let even = self.even(*interval);
                even.number_before(to).saturating_sub(even.number_before(from))
            }
            Cadence::Cron { cron, timezone } => {
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

    /// When the slot of `due` is due again, or may be thought to be for the purpose of giving up on it.
    pub(super) fn slot_again(self, due: Due) -> Option<Nanos> {
        match self.cadence {
            Cadence::Every(interval) => Some(due.at.saturating_add(nanos(*interval))),
            Cadence::Cron { cron, timezone } => self.cron(cron, *timezone).next_moment(due.at),
        }
    }

    /// The moment to be next after the wall clock was set, when without that `planned` would have been, which is now called
    /// `ideal`. `now` is the new time.
    ///
    /// It is the moment of the grid nearest to `ideal`, so that between one half and one and a half of the usual distance
    /// passes since the run before: neither a second run at once nor a silence. An interval never goes back behind `now` for
    /// it, since whole fleets would then start together; a cron moment that the clock was set past is made up for at once.
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

    fn even(self, interval: std::time::Duration) -> Even {
        let interval = nanos(interval).max(1);
        let apart = (interval / u64::from(self.runs)).max(1);
        Even { interval, runs: self.runs, phase: self.hash % apart }
    }

    fn cron(self, cron: &'a croner::Cron, timezone: Tz) -> Moments<'a> {
        Moments { cron, timezone, runs: self.runs }
    }
}

/// `runs` moments an interval, from a phase.
#[derive(Debug, Clone, Copy)]
struct Even {
    interval: u64,
    runs: u32,
    phase: u64,
}

impl Even {
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
struct Moments<'a> {
    cron: &'a croner::Cron,
    timezone: Tz,
    runs: u32,
}

impl Moments<'_> {
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
    fn spread(self, moment: Nanos) -> Even {
        let before = moment.checked_sub(1).and_then(|before| self.last_moment(before)).map(|last| moment - last);
        let behind = self.next_moment(moment).map(|next| next - moment);
        let gap = before.into_iter().chain(behind).min().unwrap_or(60_000_000_000);
        Even { interval: gap.max(u64::from(self.runs)), runs: self.runs, phase: 0 }
    }

    fn next_moment(self, now: Nanos) -> Option<Nanos> {
        let found = self.cron.find_next_occurrence(&self.local(now)?, false).ok()?;
        unix_nanos(&found).filter(|&at| at > now)
    }

    fn last_moment(self, now: Nanos) -> Option<Nanos> {
        let found = self.cron.find_previous_occurrence(&self.local(now)?, true).ok()?;
        unix_nanos(&found).filter(|&at| at <= now)
    }

    fn local(self, at: Nanos) -> Option<DateTime<Tz>> {
        let at = i64::try_from(at).ok()?;
        Some(DateTime::<Utc>::from_timestamp_nanos(at).with_timezone(&self.timezone))
    }
}

fn unix_nanos(at: &DateTime<Tz>) -> Option<Nanos> {
    at.timestamp_nanos_opt().and_then(|at| Nanos::try_from(at).ok())
}

/// A duration in nanoseconds; what does not fit is for ever.
pub(super) fn nanos(duration: std::time::Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
