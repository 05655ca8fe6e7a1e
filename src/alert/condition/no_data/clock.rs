//! How long, and for how many ticks, a canary has been without a counted run: the verdict table's column *no data*.

use std::time::Duration;

use super::super::rule::RARE;
use crate::outcome::{NoData, NoDataCount, Reason, Verdict};
use crate::plan::{BlindRule, Probe};

/// Said to be going on while a run may still end: what it takes besides its deadline, such as the ledger's entry.
const AROUND_A_RUN: Duration = Duration::from_secs(10);

/// How long a canary may be without a counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// So many ticks,
    pub(super) ticks: u64,
    /// over so long, without a counted run are too many.
    pub(super) limit: Duration,
    /// How long a run may take that ticks wait for: it can still end `failed`, which is a result.
    pub(super) run: Duration,
    /// From a tick to the canary's next; the shortest such pause of a cron expression.
    pub(super) interval: Duration,
}

impl Patience {
    /// How long a canary of this probe may be without a counted run.
    pub(super) fn new(rule: &BlindRule, probe: &Probe, interval: Duration) -> Self {
        Self { ticks: rule.intervals.into(), limit: rule.at_least, run: probe.deadline + AROUND_A_RUN, interval }
    }

    /// How long it may be without one whatever the reason.
    pub(super) fn longest(&self) -> Duration {
        if self.interval > RARE {
            return self.interval;
        }
        self.limit.max(self.interval.saturating_mul(u32::try_from(self.ticks).unwrap_or(u32::MAX)))
    }

    /// How many ticks without data are too many where the latest had none for this reason, and over how long.
    fn of(self, reason: Option<Reason>) -> (u64, Duration) {
        match reason {
            _ if self.interval > RARE => (1, Duration::ZERO),
            // It will not go away by itself.
            Some(Reason::Secret | Reason::Guard) => (self.ticks.min(2), Duration::ZERO),
            _ => (self.ticks, self.limit),
        }
    }
}

/// Runs from the first tick without a counted run on, and stops while runs are skipped. Times are steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clock {
    /// What it showed when it was last started.
    pub(super) ran: Duration,
    /// When it was last started; absent while it stands.
    pub(super) since: Option<Duration>,
    /// When the first tick was missed that waits for a run which has not ended yet.
    pub(super) waiting: Option<Duration>,
    /// The ticks.
    pub(super) no_data: NoData,
}

impl Clock {
    /// What it shows.
    pub(super) fn shows(&self, now: Duration) -> Duration {
        self.ran + self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// The ticks without a counted run.
    pub(super) fn no_data(&self) -> NoData {
        self.no_data
    }

    /// Whether the newest tick brought a counted run, or none has come yet.
    pub(super) fn has_data(&self) -> bool {
        self.no_data == NoData::default() && self.ran.is_zero()
    }

    /// When it will show too much, if nothing else happens; never while it stands, or without enough ticks.
    pub(super) fn due(&self, patience: Patience) -> Option<Duration> {
        let (ticks, limit) = patience.of(self.no_data.reason);
        let due = self.since? + limit.saturating_sub(self.ran);
        if self.no_data.ticks >= ticks {
            return Some(due);
        }
        let waited_out = self.waiting? + patience.run;
        (self.no_data.ticks + self.no_data.waiting >= ticks).then(|| due.max(waited_out))
    }

    /// Whether it would show too much within an interval if the next tick brought no counted run either. Ticks that wait for a run
    /// that may still end are not counted.
    pub(super) fn is_due_soon(&self, patience: Patience, now: Duration) -> bool {
        let (ticks, limit) = patience.of(self.no_data.reason);
        let due = self.since.map(|since| since + limit.saturating_sub(self.ran));
        let waited_out = self.waiting.is_some_and(|waiting| waiting + patience.run <= now);
        let without = self.no_data.ticks + if waited_out { self.no_data.waiting } else { 0 };
        due.is_some_and(|due| due <= now + patience.interval) && without + 1 >= ticks
    }

    /// The clock after a run, or after so many ticks that did not run.
    pub(super) fn after(self, verdict: Verdict, reason: Option<Reason>, ticks: u64, now: Duration) -> Self {
        let no_data = self.no_data.after(verdict, reason, ticks);
        match verdict.no_data() {
            NoDataCount::Resets => Self::default(),
            NoDataCount::RunsOn => {
                let waiting = (no_data.waiting > 0).then(|| self.waiting.unwrap_or(now));
                Self { since: self.since.or(Some(now)), waiting, no_data, ..self }
            }
            NoDataCount::Stops => Self { ran: self.shows(now), since: None, waiting: None, no_data },
        }
    }
}
