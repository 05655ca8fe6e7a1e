//! Measures how long, and for how many ticks, a canary has had no counted run. See the column *no data* of the verdict table.

use std::time::Duration;

use super::super::rule::RARE;
use crate::outcome::{NoData, NoDataCount, Reason, Verdict};
use crate::plan::{BlindRule, Probe};

/// What a run takes besides its deadline, such as writing the ledger's entry.
const AROUND_A_RUN: Duration = Duration::from_secs(10);

/// How long a canary may be without a counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Most ticks without a counted run;
    pub(super) ticks: u64,
    /// they count only once they span this time.
    pub(super) limit: Duration,
    /// How long ticks wait for a run that is still going, since it may still end with a result.
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

    /// The limits that apply when the latest tick had no data for this reason: ticks, and the time they span.
    fn of(self, reason: Option<Reason>) -> (u64, Duration) {
        match reason {
            _ if self.interval > RARE => (1, Duration::ZERO),
            // These reasons do not go away by themselves.
            Some(Reason::Secret | Reason::Guard) => (self.ticks.min(2), Duration::ZERO),
            _ => (self.ticks, self.limit),
        }
    }
}

/// A stopwatch that starts with the first tick without a counted run and pauses while runs are skipped. Times are steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clock {
    /// The time it showed when it was last started.
    pub(super) ran: Duration,
    /// When it was last started; absent while it stands.
    pub(super) since: Option<Duration>,
    /// When the first of the ticks was missed that wait for a run which is still going.
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

    /// When the limit will be reached if nothing else happens; never while it is stopped or has too few ticks.
    pub(super) fn due(&self, patience: Patience) -> Option<Duration> {
        let (ticks, limit) = patience.of(self.no_data.reason);
        let due = self.since? + limit.saturating_sub(self.ran);
        if self.no_data.ticks >= ticks {
            return Some(due);
        }
        let waited_out = self.waiting? + patience.run;
        (self.no_data.ticks + self.no_data.waiting >= ticks).then(|| due.max(waited_out))
    }

    /// Whether the limit would be reached within an interval if the next tick had no counted run either. Ticks that still wait
    /// for a run are not counted.
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
