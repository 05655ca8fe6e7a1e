//! How fast a probe's budget burns, of bad runs or of degraded ones: multi-window, multi-burn-rate.
//!
//! After "The Site Reliability Workbook" (Google, 2018), chapter 5 "Alerting on SLOs", section 6 "Multiwindow, Multi-Burn-Rate
//! Alerts": a rule holds when the burn rate (share of bad runs ÷ (1 − objective)) reaches its threshold over a long window *and* over a
//! short one of a twelfth of it, which shows that it still burns. The workbook's windows are those that spend a share of a 30-day budget
//! at that rate (its table 5-8); here they follow from the objective's own window W, long = W × share ÷ rate:
//!
//! | level | rate | share of the budget | long window | W = 30 d | W = 24 h |
//! |---|---|---|---|---|---|
//! | page | 14.4 | 2 % | W ÷ 720 | 1 h | 2 min |
//! | page | 6 | 5 % | W ÷ 120 | 6 h | 12 min |
//! | warn | 1 | 10 % | W ÷ 10 | 3 d | 2.4 h |
//!
//! Two conditions are added, because canaries run far less often than users do. The long window must hold at least 10 runs, and
//! more bad ones than chance yields once in a million if the budget is spent at exactly its rate (so at least 10 bad runs). The
//! short window is at least two intervals long, so that it is not empty during an outage. An objective that allows more than 1 ÷
//! rate of bad runs cannot burn that fast, and has no such rule. Only a bad run raises a level; a rule that holds ends with its
//! short window.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ratio::{Buckets, Clears, Held, Slots, WindowLength, WindowRule, buckets};
use super::super::rule::Rule as Cadence;
use super::super::{Changed, PlanContext, Rules, Run, row, to_json};
use super::budget::{Budget, Burn};
use super::excluded::{self, ExcludedRuns};
use super::tally::{ByRegion, Runs};
use super::{LEAST_RUNS, by_chance};
use super::{Shown, base, state};
use crate::alert::Moment;
use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey};
use crate::history::{RestoredState, StateRow};
use crate::plan::Probe;

/// Buckets of a long window.
const LONG: u64 = 48;

/// Buckets of a short one.
const SHORT: u64 = LONG / 12;

struct Rule {
    level: Level,
    rate: f64,
    /// The SLO's window divided by the long one.
    part: u32,
}

const RULES: [Rule; 3] = [
    Rule { level: Level::Page, rate: 14.4, part: 720 },
    Rule { level: Level::Page, rate: 6.0, part: 120 },
    Rule { level: Level::Warn, rate: 1.0, part: 10 },
];

/// A budget of one probe, over all its canaries. A few KiB once its windows are full, whatever they are.
#[derive(Debug)]
pub(in super::super) struct BurnRate {
    probe: Arc<Probe>,
    of: Budget,
    interval: Duration,
    windows: [Buckets<ByRegion, Burn>; RULES.len()],
    /// The whole window of the objective, for display only.
    whole: Buckets<ByRegion, ()>,
    excluded: ExcludedRuns<bool>,
    /// What there is to say of the last run that did not keep to it.
    last: Option<Box<str>>,
    shown: Shown,
    /// When it was judged last; steady.
    asked: Duration,
    changed: bool,
}

/// The store's row.
#[derive(Debug, Serialize, Deserialize)]
struct BurnRateRow {
    rings: [buckets::BucketsRow<ByRegion>; RULES.len()],
    latches: [Option<HeldBurnRow>; RULES.len()],
    #[serde(default)]
    whole: Option<buckets::BucketsRow<ByRegion>>,
    #[serde(default, skip_serializing_if = "excluded::ExcludedRow::is_empty")]
    apart: excluded::ExcludedRow<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Box<str>>,
}

/// The store's row of a rule that holds.
#[derive(Debug, Serialize, Deserialize)]
struct HeldBurnRow {
    seen: Burn,
    at_ms: i64,
}

impl BurnRate {
    pub(in super::super) fn new(probe: &Arc<Probe>, of: Budget) -> Self {
        let slo = probe.slo.as_ref().map_or(Duration::ZERO, |slo| slo.window);
        Self {
            probe: Arc::clone(probe),
            of,
            interval: Cadence::of(probe).interval,
            windows: RULES.map(|rule| Buckets::of(slo / rule.part, LONG)),
            whole: Buckets::of(slo, LONG),
            excluded: ExcludedRuns::default(),
            last: None,
            shown: Shown::default(),
            asked: Duration::ZERO,
            changed: false,
        }
    }

    /// The share of runs that may be bad; an objective of 100 % has no budget to burn.
    fn budget(&self) -> Option<f64> {
        self.of.share(self.probe.slo.as_ref()?).filter(|budget| *budget > 0.0)
    }

    /// The share of the budget that is left, over the recorded part of the objective's window; at least 0.
    pub(in super::super) fn left(&self, now: Moment) -> Option<f64> {
        let budget = self.budget()?;
        let upto = self.whole.number(now.steady);
        let spent = buckets::sum(self.whole.ratio.window(upto, LONG)).total().rate(budget);
        Some((1.0 - spent).max(0.0))
    }

    /// Judges the rules: all of them after a bad run, otherwise only those that hold. A rule that holds need not be proven again.
    fn judge(&mut self, bad: bool, now: Duration) {
        self.asked = now;
        let Some(budget) = self.budget().filter(|_| self.probe.alert.burn_rate) else { return };
        let interval = self.interval;
        for (rule, window) in RULES.iter().zip(&mut self.windows) {
            let before = window.ratio.held().map(|held| held.seen);
            if !bad && before.is_none() {
                continue;
            }
            let short = SHORT.max(window.spanning(interval * 2)).min(LONG);
            let recorded = window.recorded(now);
            let upto = window.number(now).max(window.ratio.newest());
            let was_alone = before.is_some_and(|burn| burn.alone);
            let crossed = |long: &Slots<ByRegion>, short: &Slots<ByRegion>, held: bool| {
                let [long, short] = [long, short].map(|slots| buckets::sum(slots).total());
                let alone = rule.holds(long.alone(), short.alone(), budget, held && was_alone);
                rule.holds(long, short, budget, held).then(|| Burn {
                    rate: long.rate(budget),
                    long: recorded,
                    recent: short.rate(budget),
                    bad: long.bad(),
                    runs: long.all(),
                    alone,
                })
            };
            let window_rule = WindowRule { over: WindowLength::Time { long: LONG, short }, crossed, clears: Clears::ShortWindow };
            window.ratio.judge(&window_rule, upto, now);
        }
    }

    /// Resizes the windows to those of the probe.
    fn fit(&mut self) {
        let span = self.probe.slo.as_ref().map_or(Duration::ZERO, |slo| slo.window);
        for (rule, window) in RULES.iter().zip(&mut self.windows) {
            window.resize(span / rule.part);
        }
        self.whole.resize(span);
        self.shown = self.shows();
    }

    /// The rule that decides the level: one that pages before one that warns, the fastest first.
    fn worst(&self) -> Option<(usize, &Held<Burn>)> {
        let held = |level: Level| {
            let mut rules = self.windows.iter().enumerate().filter(move |(at, _)| RULES[*at].level == level);
            rules.find_map(|(at, window)| Some((at, window.ratio.held()?)))
        };
        held(Level::Page).or_else(|| held(Level::Warn))
    }

    fn shows(&self) -> Shown {
        let level = self.worst().map(|(at, _)| RULES[at].level);
        let alone = self.windows.iter().zip(&RULES).filter(|(_, rule)| Some(rule.level) == level);
        let holds_alone = alone.filter_map(|(window, _)| window.ratio.held()).any(|held| held.seen.alone);
        Shown { state: state(&self.probe, level), holds_alone: holds_alone || level.is_none() }
    }

    fn fact(&self) -> Fact {
        let well = base(&self.probe, self.of.objective(), self.interval);
        let (Some((at, held)), Some(budget)) = (self.worst(), self.budget()) else { return well };
        let burn = held.seen;
        let since = self.windows.iter().filter_map(|window| window.ratio.held()).map(|held| held.since).min();
        let window = &self.windows[at];
        let shown = self.shows();
        Fact {
            state: shown.state,
            holds_alone: shown.holds_alone,
            since: since.unwrap_or(held.since),
            failed: burn.bad,
            of: burn.runs,
            words: Some(self.of.words(&burn, budget, self.last.as_deref()).into()),
            shares: buckets::sum(window.ratio.window(window.ratio.newest(), LONG)).shares(budget, RULES[at].rate),
            ..well
        }
    }

    fn tell(&mut self, more: bool, out: &mut Vec<Changed>) {
        let mut shown = self.shown;
        shown.tell(|| self.fact(), self.shows(), more, out);
        self.changed |= shown != self.shown;
        self.shown = shown;
    }

    /// Counts a run and takes out what other members tell of. Returns whether a bucket of the shortest window was begun.
    fn count(&mut self, run: &Run<'_>, good: bool) -> bool {
        let (canary, region) = (&run.report.canary.id, &run.report.canary.region.name);
        let now = run.now.steady;
        for (at, good) in self.excluded.begin(canary, run.part) {
            for window in &mut self.windows {
                if let Some(bucket) = window.past(at) {
                    bucket.take_out(region, !good);
                }
            }
        }
        if let Some(since) = self.excluded.together(run.together) {
            for window in &mut self.windows {
                let first = window.number(since);
                window.ratio.all_mut().filter(|(number, _)| *number >= first).for_each(|(_, bucket)| bucket.take_all_out());
            }
        }
        self.whole.at(now).0.count(region, !good, false);
        let out = self.excluded.count(canary, run.part, now, good) || run.together.is_some();
        let begun = self.windows.each_mut().map(|window| {
            let (bucket, begun) = window.at(now);
            bucket.count(region, !good, out);
            begun
        });
        begun[0]
    }
}

impl Rule {
    fn holds(&self, long: Runs, short: Runs, budget: f64, held: bool) -> bool {
        let is_proven = || {
            let expected = f64::from(long.all()) * budget;
            long.all() >= LEAST_RUNS && f64::from(long.bad()) > by_chance(expected)
        };
        // A rule that holds ends with its short window.
        let burns = short.rate(budget) >= self.rate;
        burns && (held || long.rate(budget) >= self.rate && is_proven())
    }
}

impl Rules for BurnRate {
    fn apply(&mut self, to: &PlanContext<'_>, out: &mut Vec<Changed>) {
        let Some((probe, rule, _)) = to.probe else { return };
        self.probe = Arc::clone(probe);
        self.interval = rule.interval;
        self.fit();
        let has_rules = probe.alert.burn_rate && self.budget().is_some();
        if !has_rules && self.worst().is_some() {
            out.push(Changed::removed(super::objective_key(probe, self.of.objective())));
            self.windows.iter_mut().for_each(|window| window.ratio.hold(None));
            (self.shown, self.changed) = (self.shows(), true);
        }
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        let (Some(good), Some(_)) = (self.of.is_kept_by(run.report), self.budget()) else { return };
        if !good {
            self.last = self.of.told(run.report);
        }
        let more = self.count(run, good);
        // It is written once per bucket, so that a crash loses at most the current bucket.
        self.changed |= more;
        self.judge(!good, run.now.steady);
        self.tell(more, out);
    }

    fn clock(&mut self, now: Moment, out: &mut Vec<Changed>) {
        self.judge(false, now.steady);
        self.tell(false, out);
    }

    fn due(&self) -> Option<Duration> {
        // A bucket leaves the short window when the next one begins.
        let held = self.windows.iter().filter(|window| window.ratio.held().is_some());
        held.map(|window| window.next(self.asked)).min()
    }

    fn facts(&self) -> Vec<Fact> {
        self.worst().map(|_| self.fact()).into_iter().collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        if *key == super::objective_key(&self.probe, self.of.objective()) {
            self.windows.iter_mut().for_each(|window| window.ratio.hold(None));
            self.changed = true;
            self.tell(false, out);
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !self.of.row().is_of(row) {
            return Ok(false);
        }
        let kept: BurnRateRow = serde_json::from_str(&row.json)?;
        let steady = |wall_ms| now.steady_of(wall_ms);
        self.windows = kept.rings.map(|kept| Buckets::from_row(kept, LONG, steady));
        for (window, latch) in self.windows.iter_mut().zip(kept.latches) {
            window.ratio.hold(latch.map(|latch| Held { since: steady(latch.at_ms), seen: latch.seen, quiet: 0 }));
        }
        self.whole = kept.whole.map_or_else(|| self.whole.clone(), |kept| Buckets::from_row(kept, LONG, steady));
        self.excluded = ExcludedRuns::from_row(kept.apart, now);
        self.last = kept.last;
        self.asked = now.steady;
        self.fit();
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let wall_ms = |steady| now.wall_ms_of(steady);
        let latch = |held: &Held<Burn>| HeldBurnRow { seen: held.seen, at_ms: wall_ms(held.since) };
        let kept = BurnRateRow {
            rings: self.windows.each_ref().map(|window| window.to_row(wall_ms)),
            latches: self.windows.each_ref().map(|window| window.ratio.held().map(latch)),
            whole: Some(self.whole.to_row(wall_ms)),
            apart: self.excluded.to_row(now),
            last: self.last.clone(),
        };
        vec![row(self.of.row(), &*self.probe.name, Some(to_json(&kept)))]
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        if std::mem::take(&mut self.changed) { self.rows(now) } else { Vec::new() }
    }
}
