//! A canary's runs: failures in a row, or K of N.
//!
//! Owns the verdict table's column *failure streak*:
//!
//! | run | streak, window | passes in a row |
//! |---|---|---|
//! | `passed` | resets | +1 |
//! | `failed` | +1 | resets |
//! | `failed` of which only subjects failed | as `passed`, or – where the journey was broken off | +1, or – |
//! | `errored`, `blocked`, `missed`, `skipped` | – | – |
//! | any by hand or by `serinus test` | – | – |
//!
//! "–" neither counts nor resets. A failed run that is not settled makes the canary suspect, and failing once its rule is
//! crossed. A failed run that was made for a dependent makes it failing at once. Both end when the canary is settled or closed; a
//! forgotten streak ends suspicion only. A failing canary never becomes well without runs.

mod hour;
mod row;
mod streak;
mod track;

use std::sync::Arc;
use std::time::Duration;

use super::rule::Rule;
use super::{Run, level};
use crate::alert::fact::LastRun;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::alert::{Failure, Moment};
use crate::outcome::Verdict;
use crate::plan::{Canary, PageRule};
use hour::Hour;
pub(super) use row::StreakRow;
pub use row::fails_since;
pub(super) use streak::Counted;
pub(super) use track::Track;

/// What is known of a canary by its runs.
#[derive(Debug, Clone)]
pub struct Runs {
    canary: Arc<Canary>,
    track: Track,
    /// The latest failed run since it was well, with its order.
    failure: Option<(u64, Arc<Failure>)>,
    hour: Hour,
    /// The verdict and end of its last run; none since this process began.
    latest: Option<(Verdict, Duration)>,
    /// When its row was last written; steady.
    written: Option<Duration>,
    changed: bool,
}

impl Runs {
    /// A canary of which nothing is known.
    pub(super) fn new(canary: Arc<Canary>) -> Self {
        let (track, hour) = (Track::default(), Hour::default());
        Self { canary, track, failure: None, hour, latest: None, written: None, changed: false }
    }

    /// Applies another version of its probe.
    pub(super) fn apply(&mut self, canary: &Arc<Canary>) {
        self.canary = Arc::clone(canary);
    }

    /// Takes a run. Returns the state before it.
    pub(super) fn take(&mut self, run: &Run<'_>) -> State {
        let before = self.state();
        self.latest = Some((run.report.verdict, run.now.steady));
        self.hour.take(run.report.verdict, run.now);
        let Some(failed) = run.count.failed() else { return before };
        let counted = Counted { order: run.report.tick.order, run: run.last(failed), forced: failed && run.needed };
        let order = counted.order;
        if self.track.take(run.rule, counted)
            && let Some(failure) = run.failure.as_ref().filter(|_| failed)
            && self.failure.as_ref().is_none_or(|(latest, _)| order == 0 || *latest <= order)
        {
            self.failure = Some((order, Arc::clone(failure)));
        }
        self.settled();
        // The row of a well canary only says when it last ran, so it is written rarely: a restart gives the canary time for a run
        // anyway.
        let old = self.written.is_none_or(|at| run.now.steady.saturating_sub(at) > run.rule.memory / 6);
        self.changed |= old || before != State::Well || !self.track.is_well();
        before
    }

    /// Runs were dropped before they were evaluated, this many passes among them.
    pub(super) fn lost(&mut self, rule: &Rule, passes: u64) {
        self.track.lost(rule, passes);
        self.changed = true;
    }

    /// Forgets suspicion when its time has come. Returns whether it did.
    pub(super) fn clock(&mut self, rule: &Rule, now: Moment) -> bool {
        let was = self.track.is_well();
        self.track.forget(rule, now.steady);
        self.settled();
        self.changed |= was != self.track.is_well();
        was != self.track.is_well()
    }

    /// When [`clock`](Self::clock) has something to do; steady.
    pub(super) fn due(&self, rule: &Rule) -> Option<Duration> {
        self.track.forgets_at(rule)
    }

    /// Somebody says that it is well.
    pub(super) fn close(&mut self) {
        self.track.close();
        self.settled();
        self.changed = true;
    }

    fn settled(&mut self) {
        // The failure is kept while a late result may still show that it was not well.
        if self.track.is_forgettable() {
            self.failure = None;
        }
    }

    /// The latest failed run, unless it is well.
    fn evidence(&self) -> Option<Arc<Failure>> {
        self.failure.as_ref().filter(|_| !self.track.is_well()).map(|(_, failure)| Arc::clone(failure))
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.track.state(level(&self.canary.probe))
    }

    /// The canary.
    pub fn canary(&self) -> &Arc<Canary> {
        &self.canary
    }

    /// Counted failures in a row, up to the newest counted run.
    pub fn failures(&self) -> u32 {
        self.track.failures()
    }

    /// Its last counted run, also while it is well.
    pub fn last(&self) -> Option<LastRun> {
        self.track.last()
    }

    /// Since when it has not been well; steady.
    pub(super) fn since(&self) -> Option<Duration> {
        self.track.since()
    }

    pub(super) fn latest(&self) -> Option<(Verdict, Duration)> {
        self.latest
    }

    pub(super) fn hour(&self) -> Hour {
        self.hour
    }

    /// What is so of it.
    pub(super) fn fact(&self, rule: &Rule) -> Fact {
        let (id, probe) = (&self.canary.id, &self.canary.probe);
        let evidence = self.evidence();
        let of = match rule.page {
            PageRule::Consecutive(_) => 0,
            PageRule::Window { .. } => self.track.runs(),
        };
        Fact {
            state: self.state(),
            since: self.track.since().or(self.last().map(|last| last.started)).unwrap_or_default(),
            region: Arc::clone(&self.canary.region.name),
            cell: self.canary.cell.to_string().into(),
            interval: rule.interval,
            failed: self.track.failed(),
            of,
            last: self.track.last(),
            last_failed: self.track.last_failed(),
            reason: evidence.as_ref().map(|failure| failure.reason.as_str().into()),
            evidence,
            ..Fact::well(FactKey::Canary(id.clone()), Scope::Probe(Arc::clone(&probe.name)))
        }
    }

    /// The row, if the store does not have it yet.
    pub(super) fn take_changed(&mut self, now: Moment) -> Option<String> {
        std::mem::take(&mut self.changed).then(|| {
            self.written = Some(now.steady);
            self.to_json(now)
        })
    }

    /// The state for the store: a few dozen bytes while it is well.
    pub(super) fn to_json(&self, now: Moment) -> String {
        super::to_json(&row::CanaryRow { runs: StreakRow::of(&self.track, now), failure: self.evidence() })
    }

    /// Restores what [`to_json`](Self::to_json) wrote. All restored runs count as older than any run to come.
    ///
    /// # Errors
    /// If it is no such state.
    pub(super) fn restore(&mut self, json: &str, now: Moment) -> Result<(), serde_json::Error> {
        let row: row::CanaryRow = serde_json::from_str(json)?;
        self.track = row.runs.track(now);
        self.failure = row.failure.map(|failure| (0, failure));
        self.settled();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
