//! How long a canary has been without a counted run: the verdict table's column *no counted result*.

use std::time::Duration;

use crate::outcome::{Reason, Verdict};

/// How long a canary may be without a counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Without a counted run for so long it is blind.
    pub limit: Duration,
    /// How long a run may take that ticks wait for: it can still end `failed`, which is a result.
    pub run: Duration,
    /// The probe's interval, the longest one of a cron expression.
    pub interval: Duration,
}

/// Runs while no counted run comes, and stops while runs are skipped. Times are steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// What it showed when it was last started.
    pub(super) ran: Duration,
    /// When it was last started; absent while it stands.
    pub(super) since: Option<Duration>,
    /// When the first tick was missed that waits for a run which has not ended yet.
    pub(super) waiting: Option<Duration>,
}

impl Clock {
    /// A clock that starts now.
    pub fn started(now: Duration) -> Self {
        Self { ran: Duration::ZERO, since: Some(now), waiting: None }
    }

    /// What it shows.
    pub fn shows(&self, now: Duration) -> Duration {
        self.ran + self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// When it will show too much, if nothing else happens; never while it stands.
    pub fn due(&self, patience: Patience) -> Option<Duration> {
        let due = self.since? + patience.limit.saturating_sub(self.ran);
        Some(self.waiting.map_or(due, |waiting| due.max(waiting + patience.run)))
    }

    /// The clock after a run or a tick that did not run.
    pub(super) fn after(self, verdict: Verdict, reason: Option<Reason>, now: Duration) -> Self {
        match verdict {
            Verdict::Passed | Verdict::Failed => Self::started(now),
            Verdict::Errored | Verdict::Blocked => Self { since: self.since.or(Some(now)), waiting: None, ..self },
            Verdict::Missed => {
                let waits = reason == Some(Reason::Overlap);
                let waiting = self.waiting.or(waits.then_some(now));
                Self { since: self.since.or(Some(now)), waiting, ..self }
            }
            Verdict::Skipped => Self { ran: self.shows(now), since: None, waiting: None },
        }
    }
}
