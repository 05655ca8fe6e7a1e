//! One canary: when it is at page level, since when, and when it is well again.
//!
//! Owns the verdict table's columns *failure streak* and, with `outcome::NoData`, *no data*:
//!
//! | run | streak, window | passes in a row | ticks without data |
//! |---|---|---|---|
//! | `passed` | resets | +1 | resets |
//! | `failed` | +1 | resets | resets |
//! | `failed` of which only subjects failed | – | – | resets |
//! | `errored`, `blocked` | – | – | runs on |
//! | `missed` | – | – | runs on; waits for the run that it overlapped |
//! | `skipped` | – | – | stops |
//! | any by hand or by `serinus test` | – | – | – |
//!
//! "–" neither counts nor resets. Silence never makes a canary well: what is at page level stays there until enough runs passed.
//! It must not look at a clock, open incidents or send anything. One more verdict is a row in [`Count::of`].

mod clock;
mod count;
mod course;
mod row;
mod rule;
mod track;

use std::sync::Arc;
use std::time::Duration;

use crate::outcome::{Reason, RunReport, Trigger, Verdict};

use super::{Failure, Moment};
pub use clock::{Clock, Patience};
pub use count::Count;
pub(super) use count::{contains, went_to_its_end};
pub(super) use course::Passage;
pub(super) use row::CourseRow;
pub use rule::CanaryRule;
pub(super) use track::Track;

/// A run as its canary sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    /// What it counts as for the streak.
    pub count: Count,
    /// How many ticks it is about; a run is one.
    pub ticks: u64,
    /// Its place among the runs of this process, `Tick.order`; 0 means after all that are known.
    pub order: u64,
    /// How long ago it started, by the steady clock.
    pub age: Duration,
    /// What a page would tell of it, if it failed.
    pub failure: Option<Arc<Failure>>,
}

impl Seen {
    /// What a canary sees of a run that has just ended. `failure` is what a page would tell of it.
    pub fn of(report: &RunReport, failure: Option<Arc<Failure>>) -> Self {
        Self {
            verdict: report.verdict,
            reason: report.cause.as_ref().map(|cause| cause.reason),
            count: Count::of(report),
            ticks: 1,
            order: report.tick.order,
            age: report.duration,
            failure,
        }
    }
}

/// What a run changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that an incident would want to know.
    Nothing,
    /// It failed; whether the canary is at page level did not change.
    Failed,
    /// The canary is at page level now.
    Crossed,
    /// It was at page level and is well again.
    Recovered,
}

/// How a canary stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No counted run, or none recent enough to say.
    Unknown,
    /// The last counted run passed.
    Passing,
    /// The last so many counted runs failed.
    Failing(u32),
}

/// What is known of a canary.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CanaryState {
    track: Track,
    clock: Clock,
    /// The latest failed run that the present problem consists of, with its order.
    failure: Option<(u64, Arc<Failure>)>,
}

impl CanaryState {
    /// A canary that has just been added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a run in, whichever order runs end in.
    pub fn seen(&mut self, rule: &CanaryRule, seen: Seen, now: Moment) -> Change {
        if seen.count == Count::Never {
            return Change::Nothing;
        }
        self.clock = self.clock.after(seen.verdict, seen.reason, seen.ticks, now.steady);
        let Some(passage) = seen.count.passage() else { return Change::Nothing };
        let change = self.track.take(rule, seen.order, now.steady.saturating_sub(seen.age), passage);
        if let Some(failure) = seen.failure.filter(|_| passage == Passage::Failed)
            && self.failure.as_ref().is_none_or(|(order, _)| seen.order == 0 || *order <= seen.order)
        {
            self.failure = Some((seen.order, failure));
        }
        if self.track.is_well() {
            self.failure = None;
        }
        change
    }

    /// Results gave way before they were seen, so many passes among them: what failed before is not in a row with what fails
    /// after. Whoever is at page level stays there.
    pub fn lost(&mut self, rule: &CanaryRule, passes: u64) {
        self.track.lost(rule, passes);
    }

    /// Brings it to page level because it failed at `since` together with others, unless it has passed often enough after that
    /// to be well again. Says whether it is at page level now and was not before.
    pub fn raise(&mut self, rule: &CanaryRule, since: Duration) -> bool {
        self.track.raise(rule, since)
    }

    /// Whether it is at page level.
    pub fn is_paging(&self) -> bool {
        self.track.paging_since().is_some()
    }

    /// When the failures began that it is at page level for, or that may bring it there; steady time.
    pub fn failing_since(&self) -> Option<Duration> {
        self.track.failing_since()
    }

    /// Counted failures in a row, up to the newest counted run.
    pub fn failures(&self) -> u32 {
        self.track.failures()
    }

    /// What a page tells of its latest failure; nothing once it is well.
    pub fn failure(&self) -> Option<&Arc<Failure>> {
        self.failure.as_ref().map(|(_, failure)| failure)
    }

    /// When the newest counted run started; steady time.
    pub fn last_counted(&self) -> Option<Duration> {
        self.track.last_counted()
    }

    /// How it stands: unknown if it has had no counted run for longer than the rule's memory.
    pub fn standing(&self, rule: &CanaryRule, now: Moment) -> Standing {
        match self.last_counted() {
            Some(last) if now.steady.saturating_sub(last) <= rule.memory => match self.failures() {
                0 => Standing::Passing,
                failures => Standing::Failing(failures),
            },
            Some(_) | None => Standing::Unknown,
        }
    }

    /// How long it has been without a counted run, for [`Blind`](super::blind::Blind).
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The state for the store: a few dozen bytes while it is well.
    pub fn to_json(&self, now: Moment) -> String {
        row::to_json(self, now)
    }

    /// The state that [`to_json`](Self::to_json) wrote, perhaps in an earlier process: whatever it has seen is older than any
    /// run to come.
    ///
    /// # Errors
    /// If it is no such state.
    pub fn from_json(json: &str, now: Moment) -> Result<Self, serde_json::Error> {
        row::from_json(json, now)
    }
}

/// Whether runs with this trigger count at all.
pub(super) fn counts(trigger: Trigger) -> bool {
    match trigger {
        Trigger::Schedule | Trigger::Confirm | Trigger::Needed => true,
        Trigger::Manual | Trigger::Test => false,
    }
}

#[cfg(test)]
mod tests;
