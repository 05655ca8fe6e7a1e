//! Which canaries have no counted runs.
//!
//! Owns the rule *no data*: a canary is without data after a number of ticks without a counted run that span a minimum time,
//! outside maintenance and pauses. Only its next counted run ends that; a pause does not. A canary that has no tick due is never
//! without data. A region in which more than half of the canaries, or more than ten probes, are without data is blind until none
//! of them is.
//!
//! The ticks of a region are spread over an interval, so an outage of the whole region reaches its canaries one by one. When the
//! first canary is without data, those that would follow within their interval are counted too. If together they make the region
//! blind, all of them become without data at once. So there is one ring about the region and none about the canaries that came
//! first.
//!
//! Only the canary with the next timer is looked at, and a passing run sets no timer.

mod blind;
mod clock;
mod row;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::rule::Rule;
use super::{Changed, Input, PlanContext, RuleEvent, Rules, Run, evidence, level};
use crate::alert::Moment;
use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::history::{RestoredState, StateRow};
use crate::outcome::{Cause, Reason, Verdict};
use crate::plan::{BlindRule, Canary, CanaryId};
use blind::RegionCanaries;
use clock::{Clock, Patience};

/// The canaries of all regions.
#[derive(Debug)]
pub(super) struct NoData {
    rule: BlindRule,
    watched: HashMap<CanaryId, Watch>,
    /// When each canary that can be without data is to be looked at.
    timers: BinaryHeap<Reverse<(Duration, CanaryId)>>,
    regions: BTreeMap<Arc<str>, RegionCanaries>,
    /// Rows that are not written yet.
    changed: BTreeSet<CanaryId>,
    changed_regions: BTreeSet<Arc<str>>,
    /// Rows of canaries that are not watched yet.
    restored: HashMap<CanaryId, Restored>,
}

/// What was kept of a canary.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Restored {
    clock: Clock,
    failing: bool,
}

#[derive(Debug)]
struct Watch {
    canary: Arc<Canary>,
    patience: Patience,
    clock: Clock,
    /// It cannot be without data before this, so that a process that has just started gives it time for one run.
    not_before: Duration,
    /// The time of its timer. Timers with another time are out of date.
    entry: Option<Duration>,
    /// Whether it is without data, and since when.
    failing: Option<Duration>,
    /// Why the latest tick had no counted run, in words.
    words: Option<Arc<str>>,
    /// Whether the store has a row of it.
    stored: bool,
}

impl Watch {
    fn due(&self) -> Option<Duration> {
        self.clock.due(self.patience).map(|due| due.max(self.not_before))
    }

    /// Whether it will be without data within an interval if no run counts until then.
    fn is_due_soon(&self, now: Duration) -> bool {
        self.not_before <= now + self.patience.interval && self.clock.is_due_soon(self.patience, now)
    }
}

impl Default for NoData {
    fn default() -> Self {
        Self {
            rule: crate::plan::Alerting::default().blind,
            watched: HashMap::new(),
            timers: BinaryHeap::new(),
            regions: BTreeMap::new(),
            changed: BTreeSet::new(),
            changed_regions: BTreeSet::new(),
            restored: HashMap::new(),
        }
    }
}

impl NoData {
    /// Since when a canary is without data, if it is.
    pub(super) fn since(&self, canary: &CanaryId) -> Option<Duration> {
        self.watched.get(canary)?.failing
    }

    /// Watches a canary, or applies another rule to it. A new canary is given time for one run, so that a process that was down
    /// does not begin with pages. It is given none if the process before had just started, too.
    fn watch(&mut self, canary: &Arc<Canary>, to: &PlanContext<'_>) {
        let patience = Patience::new(&self.rule, &canary.probe, Rule::of(&canary.probe).interval);
        if let Some(watch) = self.watched.get_mut(&canary.id) {
            (watch.canary, watch.patience, watch.entry) = (Arc::clone(canary), patience, None);
        } else {
            let kept = self.restored.remove(&canary.id);
            let again = to.started_before.is_some_and(|before| to.now.steady.saturating_sub(before) < patience.longest());
            let tick = canary.probe.cadence.next_within(to.now.wall).min(first_tick(canary));
            let not_before = if again { Duration::ZERO } else { to.now.steady + tick + patience.run };
            let Restored { clock, failing } = kept.unwrap_or_default();
            let since = to.now.steady.saturating_sub(clock.shows(to.now.steady));
            let watch = Watch {
                canary: Arc::clone(canary),
                patience,
                clock,
                not_before,
                entry: None,
                failing: failing.then_some(since),
                words: None,
                stored: kept.is_some(),
            };
            self.watched.insert(canary.id.clone(), watch);
        }
        self.set_timer(&canary.id);
    }

    /// One of its ticks ended, or several with the same reason.
    fn tick(&mut self, id: &CanaryId, ended: TickEnd<'_>, now: Moment, out: &mut Vec<Changed>) {
        let Some(watch) = self.watched.get_mut(id) else { return };
        let had_data = watch.clock.has_data();
        let reason = watch.clock.no_data().reason;
        watch.clock = watch.clock.after(ended.verdict, ended.reason, ended.ticks, now.steady);
        if watch.clock.has_data() {
            if had_data && watch.failing.is_none() {
                return;
            }
            watch.words = None;
            self.changed.insert(id.clone());
            self.well(id, out);
            return;
        }
        watch.words = ended.why.map(|why| evidence::cut(why, evidence::SENTENCE).into()).or(watch.words.take());
        // It may be due earlier now. A timer that fires too early does no harm.
        let nearer = watch.due().is_some_and(|due| watch.entry.is_none_or(|entry| due < entry));
        let news = watch.failing.is_some() && reason != watch.clock.no_data().reason;
        self.changed.insert(id.clone());
        if news {
            out.extend(self.fact(id).map(Changed::now));
        } else if nearer {
            self.set_timer(id);
        }
    }

    /// It has data again, or somebody says that it is well.
    fn well(&mut self, id: &CanaryId, out: &mut Vec<Changed>) {
        let Some(fact) = self.fact(id) else { return };
        let Some(watch) = self.watched.get_mut(id) else { return };
        if watch.failing.take().is_none() {
            return;
        }
        out.push(Changed::now(Fact { state: State::Well, reason: None, words: None, ..fact }));
        self.leave(id);
    }

    /// The canary is without data, and so are its followers if together they make the region blind.
    fn fail(&mut self, id: &CanaryId, now: Moment, out: &mut Vec<Changed>) {
        let Some(region) = self.watched.get(id).map(|watch| Arc::clone(&watch.canary.region.name)) else { return };
        let mut failing = self.followers(id, &region, now);
        failing.push(id.clone());
        for id in &failing {
            if let Some(watch) = self.watched.get_mut(id) {
                watch.failing = Some(now.steady.saturating_sub(watch.clock.shows(now.steady)));
                self.changed.insert(id.clone());
            }
        }
        if self.join(&region, &failing) {
            failing = self.regions.get(&region).map(|region| region.failing().cloned().collect()).unwrap_or_default();
        }
        out.extend(failing.iter().filter_map(|id| self.fact(id)).map(Changed::now));
    }

    /// Sets its timer, unless it is without data already or has none.
    fn set_timer(&mut self, canary: &CanaryId) {
        if let Some(watch) = self.watched.get_mut(canary)
            && watch.failing.is_none()
            && let Some(due) = watch.due()
        {
            watch.entry = Some(due);
            self.timers.push(Reverse((due, canary.clone())));
        }
    }

    /// What is so of a watched canary.
    fn fact(&self, id: &CanaryId) -> Option<Fact> {
        let watch = self.watched.get(id)?;
        let (probe, region) = (&watch.canary.probe, &watch.canary.region.name);
        let of_region = self.regions.get(region).is_some_and(RegionCanaries::is_blind);
        let scope = if of_region { Scope::Blind(Arc::clone(region)) } else { Scope::NoData(Arc::clone(&probe.name)) };
        let pages = if self.rule.page { level(probe) } else { Level::Warn };
        Some(Fact {
            state: watch.failing.map_or(State::Well, |_| State::Failing(pages)),
            since: watch.failing.unwrap_or_default(),
            region: Arc::clone(region),
            cell: watch.canary.cell.to_string().into(),
            interval: watch.patience.interval,
            reason: watch.clock.no_data().reason.map(|reason| reason.as_str().into()),
            words: watch.words.clone(),
            ..Fact::well(FactKey::NoData(id.clone()), scope)
        })
    }
}

/// How one or several ticks ended.
#[derive(Clone, Copy)]
struct TickEnd<'a> {
    verdict: Verdict,
    reason: Option<Reason>,
    ticks: u64,
    why: Option<&'a str>,
}

/// The longest time until the next tick of a canary with even ticks.
fn first_tick(canary: &Canary) -> Duration {
    match canary.probe.cadence {
        crate::plan::Cadence::Every(interval) => interval / canary.probe.runs.max(1),
        crate::plan::Cadence::Cron { .. } => Duration::MAX,
    }
}

impl Rules for NoData {
    fn apply(&mut self, to: &PlanContext<'_>, out: &mut Vec<Changed>) {
        self.rule = to.alerting.blind;
        let stay: BTreeSet<&CanaryId> = to.plan.canaries.iter().map(|canary| &canary.id).collect();
        let gone: Vec<CanaryId> = self.watched.keys().filter(|id| !stay.contains(id)).cloned().collect();
        for id in gone {
            if self.since(&id).is_some() {
                out.push(Changed::removed(FactKey::NoData(id.clone())));
            }
            self.watched.remove(&id);
            self.changed.remove(&id);
        }
        for canary in &to.plan.canaries {
            self.watch(canary, to);
        }
        self.count_regions();
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        if run.count == super::Count::Never {
            return;
        }
        let report = run.report;
        let cause: Option<&Cause> = report.cause.as_ref();
        let (reason, why) = (cause.map(|cause| cause.reason), cause.map(|cause| cause.message.as_str()));
        self.tick(&report.canary.id, TickEnd { verdict: report.verdict, reason, ticks: 1, why }, run.now, out);
    }

    fn event(&mut self, what: &RuleEvent<'_>, now: Moment, out: &mut Vec<Changed>) {
        match what {
            RuleEvent::Missed(missed) | RuleEvent::Input(Input::Lost { ticks: missed, .. }) => {
                let ended = TickEnd { verdict: Verdict::Missed, reason: Some(missed.reason), ticks: missed.count, why: None };
                self.tick(&missed.canary.id, ended, now, out);
            }
            RuleEvent::Input(_) | RuleEvent::Lost(_) | RuleEvent::Removed(_) => {}
        }
    }

    fn clock(&mut self, now: Moment, out: &mut Vec<Changed>) {
        while self.due().is_some_and(|due| due <= now.steady) {
            let Some(Reverse((at, canary))) = self.timers.pop() else { break };
            let Some(watch) = self.watched.get_mut(&canary).filter(|watch| watch.entry == Some(at)) else { continue };
            watch.entry = None;
            if watch.due().is_some_and(|due| due <= now.steady) {
                self.fail(&canary, now, out);
            } else {
                self.set_timer(&canary);
            }
        }
    }

    fn due(&self) -> Option<Duration> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    fn facts(&self) -> Vec<Fact> {
        let failing = self.regions.values().flat_map(RegionCanaries::failing);
        failing.filter_map(|id| self.fact(id)).collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        let FactKey::NoData(id) = key else { return };
        let Some(watch) = self.watched.get_mut(id).filter(|watch| watch.failing.is_some()) else { return };
        watch.clock = Clock::default();
        self.changed.insert(id.clone());
        self.well(id, out);
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        self.read(row, now)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let canaries =
            self.watched.iter().filter(|(_, watch)| watch.stored || !watch.clock.has_data() || watch.failing.is_some());
        canaries
            .map(|(id, _)| self.canary_row(id, now))
            .chain(self.regions.keys().map(|region| self.region_row(region)))
            .collect()
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        let mut rows = Vec::new();
        for id in std::mem::take(&mut self.changed) {
            let row = self.canary_row(&id, now);
            let stored = row.json.is_some();
            // A row that was never stored need not be deleted.
            let had = self.watched.get_mut(&id).is_none_or(|watch| std::mem::replace(&mut watch.stored, stored));
            if had || stored {
                rows.push(row);
            }
        }
        rows.extend(std::mem::take(&mut self.changed_regions).iter().map(|region| self.region_row(region)));
        rows
    }
}

#[cfg(test)]
mod tests;
