//! How long, and for how many ticks, a canary has been without a counted run: the verdict table's column *no data*.

use std::time::Duration;

use crate::outcome::{NoData, NoDataCount, Reason, Verdict};

/// With longer intervals the first tick without data is one too many.
const RARE: Duration = Duration::from_hours(1);

/// How long a canary may be without a counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So many ticks,
    pub ticks: u64,
    /// over so long, without a counted run make it blind.
    pub limit: Duration,
    /// How long a run may take that ticks wait for: it can still end `failed`, which is a result.
    pub run: Duration,
    /// The probe's interval; the shortest one of a cron expression.
    pub interval: Duration,
}

impl Patience {
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
pub struct Clock {
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
    pub fn shows(&self, now: Duration) -> Duration {
        self.ran + self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// The ticks without a counted run.
    pub fn no_data(&self) -> NoData {
        self.no_data
    }

    /// Whether the newest tick brought a counted run, or none has come yet.
    pub fn has_data(&self) -> bool {
        self.no_data == NoData::default() && self.ran.is_zero()
    }

    /// When it will show too much, if nothing else happens; never while it stands, or without enough ticks.
    pub fn due(&self, patience: Patience) -> Option<Duration> {
        let (ticks, limit) = patience.of(self.no_data.reason);
        let due = self.since? + limit.saturating_sub(self.ran);
        if self.no_data.ticks >= ticks {
            return Some(due);
        }
        let waited_out = self.waiting? + patience.run;
        (self.no_data.ticks + self.no_data.waiting >= ticks).then(|| due.max(waited_out))
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
