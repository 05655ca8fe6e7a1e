//! Whether a probe's latency keeps its bounds.
//!
//! A bound is broken over a window when that is no chance: for a mean, when it lies five standard errors above the bound; for a quantile,
//! when more durations lie above the bound than chance yields once in a million where exactly the allowed share does (and never with
//! fewer than 10 durations, nor with fewer than 10 above). Broken over the SLO's whole window, and still over the bound in the last
//! twelfth of it, it is worth a look by day. Broken beyond chance in that short window too, somebody is woken. Both end when the
//! plain mean or quantile of the short window is no longer above the bound, which is at least two intervals long.
//!
//! A duration that a failed run never reached counts as lost: above every bound for a quantile, and in no mean.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ratio::histogram::{Histogram, Several};
use super::super::ratio::{Buckets, Clears, Held, Slots, buckets};
use super::super::rule::Rule;
use super::super::{Changed, PlanContext, RowKind, Rules, Run, row, to_json};
use super::excluded::{self, ExcludedRuns};
use super::tally::Samples;
use super::{LEAST_RUNS, STANDARD_ERRORS, by_chance};
use super::{Shown, base, fine, state, whole};
use crate::alert::Moment;
use crate::alert::fact::{Level, Objective};
use crate::alert::{Fact, FactKey};
use crate::history::{RestoredState, StateRow};
use crate::outcome::{RunReport, StepReport, StepResult, Verdict};
use crate::plan::{LatencyOf, LatencySlo, Probe};

/// Buckets of the SLO's window.
const LONG: u64 = 24;

/// How often counts are written while runs come. A crash loses what was not written.
const WRITTEN: Duration = Duration::from_mins(5);

/// Buckets of the short one.
const SHORT: u64 = LONG / 12;

/// Which measure of the latency has a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The mean.
    Mean,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
}

impl Measure {
    /// Every measure, as `[slo]` writes them.
    pub const ALL: [Self; 3] = [Self::Mean, Self::P95, Self::P99];

    /// The word in configuration and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    fn bound(self, slo: &LatencySlo) -> Option<Duration> {
        match self {
            Self::Mean => slo.mean,
            Self::P95 => slo.p95,
            Self::P99 => slo.p99,
        }
    }

    /// The measure of these durations; a quantile is at most 5 % too high. Nothing without durations, or if the quantile is a
    /// lost one.
    pub fn of(self, durations: &Histogram) -> Option<Duration> {
        match self.quantile() {
            None => durations.mean(),
            Some(share) => durations.quantile(share),
        }
    }

    fn quantile(self) -> Option<f64> {
        match self {
            Self::Mean => None,
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
        }
    }

    /// Whether the plain measure is above the bound.
    fn is_over(self, durations: &Several<'_>, bound: Duration) -> bool {
        match self.quantile() {
            None => durations.mean() > bound.as_secs_f64(),
            Some(share) => durations.above(bound) > (1.0 - share) * durations.count_with_lost(),
        }
    }

    /// Whether the bound is broken beyond chance.
    fn is_broken(self, durations: &Several<'_>, bound: Duration) -> bool {
        let (count, seen, highest) = match self.quantile() {
            None => (durations.count(), durations.mean(), bound.as_secs_f64() + STANDARD_ERRORS * durations.error_of_mean()),
            Some(share) => {
                let count = durations.count_with_lost();
                (count, durations.above(bound), by_chance((1.0 - share) * count))
            }
        };
        count >= f64::from(LEAST_RUNS) && seen > highest
    }
}

/// A bound that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// What was bounded.
    pub measure: Measure,
    /// The bound.
    pub bound: Duration,
    /// The measure over the SLO's window; a quantile is at most 5 % too high. Nothing if it is a lost one.
    pub seen: Option<Duration>,
    /// What it was over the short window.
    pub recent: Option<Duration>,
    /// Durations in the SLO's window.
    pub samples: u32,
    /// Lost durations, which are not among these.
    #[serde(default)]
    pub lost: u32,
    /// The recorded part of the SLO's window; zero if an earlier version did not store it.
    #[serde(default)]
    pub over: Duration,
    /// Whether the bound would also be broken without the runs that other members tell of.
    #[serde(default = "yes")]
    pub alone: bool,
}

fn yes() -> bool {
    true
}

/// The latency of one probe, over all its canaries. Up to 24 sparse histograms: about 5 KiB where durations vary threefold.
#[derive(Debug)]
pub(in super::super) struct Latency {
    probe: Arc<Probe>,
    interval: Duration,
    /// It is held while the latency is at page level.
    window: Buckets<Samples, Lag>,
    /// Set while the latency is at warn level.
    warn: Option<Held<Lag>>,
    excluded: ExcludedRuns<Option<Duration>>,
    shown: Shown,
    /// When it was judged last; steady.
    asked: Duration,
    changed: bool,
    /// When it was last written because of runs; steady.
    written: Duration,
}

/// The store's row.
#[derive(Debug, Serialize, Deserialize)]
struct LatencyRow {
    ring: buckets::BucketsRow<Samples>,
    page: Option<HeldLagRow>,
    warn: Option<HeldLagRow>,
    #[serde(default, skip_serializing_if = "excluded::ExcludedRow::is_empty")]
    apart: excluded::ExcludedRow<Option<Duration>>,
}

/// The store's row of a level that is held.
#[derive(Debug, Serialize, Deserialize)]
struct HeldLagRow {
    seen: Lag,
    at_ms: i64,
}

/// The bounds that are broken, by level.
struct Exceeded {
    page: Option<(Measure, Duration)>,
    warn: Option<(Measure, Duration)>,
}

impl Latency {
    pub(in super::super) fn new(probe: &Arc<Probe>) -> Self {
        let span = probe.slo.as_ref().map_or(Duration::ZERO, |slo| slo.window);
        Self {
            probe: Arc::clone(probe),
            interval: Rule::of(probe).interval,
            window: Buckets::of(span, LONG),
            warn: None,
            excluded: ExcludedRuns::default(),
            shown: Shown::default(),
            asked: Duration::ZERO,
            changed: false,
            written: Duration::ZERO,
        }
    }

    fn bounds(&self) -> Vec<(Measure, Duration)> {
        let latency = self.probe.slo.as_ref().and_then(|slo| slo.latency.as_ref());
        latency
            .map(|slo| Measure::ALL.into_iter().filter_map(|measure| Some((measure, measure.bound(slo)?))).collect())
            .unwrap_or_default()
    }

    fn is_well(&self) -> bool {
        self.window.ratio.held().is_none() && self.warn.is_none()
    }

    fn slots(&self, count: u64, now: Duration) -> &Slots<Samples> {
        let upto = self.window.number(now).max(self.window.ratio.newest());
        self.window.ratio.window(upto, count)
    }

    /// Judges the bounds. A level that is held need not be proven again.
    fn judge(&mut self, now: Duration) {
        self.asked = now;
        let bounds = self.bounds();
        let short = SHORT.max(self.window.spanning(self.interval * 2)).min(LONG);
        let [long, short] = [LONG, short].map(|count| self.slots(count, now));
        let held = self.window.ratio.held();
        let held_alone = |held: Option<&Held<Lag>>| held.is_some_and(|held| held.seen.alone);
        let over = over(&bounds, [long, short], false, (held.is_some(), self.warn.is_some()));
        let alone = over_alone(&bounds, [long, short], &over, (held_alone(held), held_alone(self.warn.as_ref())));
        let recorded = self.window.recorded(now);
        let lag = |(measure, bound): (Measure, Duration), alone: Option<(Measure, Duration)>| {
            let [long, short] = [long, short].map(|slots| buckets::sum(slots).all);
            let [seen, recent] = [&long, &short].map(|durations| measure.of(durations));
            let (samples, lost) = (long.count(), long.lost());
            Lag { measure, bound, seen, recent, samples, lost, over: recorded, alone: alone.is_some() }
        };
        let page = over.page.map(|page| lag(page, alone.page));
        let warn = over.warn.map(|warn| lag(warn, alone.warn));
        self.window.ratio.note(page, Clears::ShortWindow, LONG, now);
        self.warn = warn.map(|seen| Held { since: self.warn.as_ref().map_or(now, |held| held.since), seen, quiet: 0 });
    }

    fn shows(&self) -> Shown {
        let held = |level, held: Option<&Held<Lag>>| held.map(|held| (level, held.seen.alone));
        let worst = held(Level::Page, self.window.ratio.held()).or_else(|| held(Level::Warn, self.warn.as_ref()));
        let level = worst.map(|(level, _)| level);
        Shown { state: state(&self.probe, level), holds_alone: worst.is_none_or(|(_, alone)| alone) }
    }

    fn fact(&self) -> Fact {
        let well = base(&self.probe, Objective::Latency, self.interval);
        let page = self.window.ratio.held();
        let Some(held) = page.or(self.warn.as_ref()) else { return well };
        let since = page.into_iter().chain(&self.warn).map(|held| held.since).min();
        let shown = self.shows();
        Fact {
            state: shown.state,
            holds_alone: shown.holds_alone,
            since: since.unwrap_or(held.since),
            words: Some(words(&held.seen).into()),
            ..well
        }
    }

    fn tell(&mut self, more: bool, out: &mut Vec<Changed>) {
        let mut shown = self.shown;
        shown.tell(|| self.fact(), self.shows(), more, out);
        self.changed |= shown != self.shown;
        self.shown = shown;
    }

    /// Resizes the window to that of the probe.
    fn fit(&mut self) {
        self.window.resize(self.probe.slo.as_ref().map_or(Duration::ZERO, |slo| slo.window));
        self.shown = self.shows();
    }

    /// Takes out the runs that other members tell of by now.
    fn take_out(&mut self, run: &Run<'_>) {
        for (at, took) in self.excluded.begin(&run.report.canary.id, run.part) {
            if let Some(bucket) = self.window.past(at) {
                add(&mut bucket.out, took);
            }
        }
        if let Some(since) = self.excluded.together(run.together) {
            let first = self.window.number(since);
            for (_, bucket) in self.window.ratio.all_mut().filter(|(number, _)| *number >= first) {
                bucket.out = bucket.all.clone();
            }
        }
    }
}

/// The sum of slots, with all runs or without those that other members tell of.
fn several(slots: &Slots<Samples>, alone: bool) -> Several<'_> {
    let out = slots.iter().map(|(_, samples)| &samples.out).take(if alone { usize::MAX } else { 0 });
    Several::new(slots.iter().map(|(_, samples)| &samples.all), out)
}

/// The bounds that are broken, by all runs or without those that other members tell of.
fn over(bounds: &[(Measure, Duration)], [long, short]: [&Slots<Samples>; 2], alone: bool, held: (bool, bool)) -> Exceeded {
    let (long, short) = (several(long, alone), several(short, alone));
    let lasting = || bounds.iter().copied().filter(|(measure, bound)| measure.is_over(&short, *bound));
    let broken = || lasting().filter(|(measure, bound)| measure.is_broken(&long, *bound));
    let page = if held.0 { lasting().next() } else { broken().find(|(measure, bound)| measure.is_broken(&short, *bound)) };
    let warn = if held.1 { lasting().next() } else { broken().next() };
    Exceeded { page, warn }
}

/// The bounds that are broken without the runs that other members tell of; only those that are broken by all runs are looked at.
fn over_alone(bounds: &[(Measure, Duration)], slots: [&Slots<Samples>; 2], whole: &Exceeded, held: (bool, bool)) -> Exceeded {
    if whole.page.is_none() && whole.warn.is_none() {
        return Exceeded { page: None, warn: None };
    }
    over(bounds, slots, true, held)
}

fn add(durations: &mut Histogram, took: Option<Duration>) {
    match took {
        Some(took) => durations.add(took),
        None => durations.add_lost(),
    }
}

fn words(lag: &Lag) -> String {
    let of = |seen: Option<Duration>| seen.map_or_else(|| "beyond measure".to_owned(), |seen| fine(seen).to_string());
    let lost = if lag.lost > 0 { format!(", {} lost", lag.lost) } else { String::new() };
    let over = if lag.over.is_zero() { String::new() } else { format!(" over {}", whole(lag.over)) };
    format!(
        "its {} is {} and may be {}{over}; lately it is {} ({} samples{lost})",
        lag.measure.as_str(),
        of(lag.seen),
        fine(lag.bound),
        of(lag.recent),
        lag.samples
    )
}

/// The durations of a run that the objective is about, with `None` for each lost one. A passed run gives its own duration or that
/// of a step; in a failed run the failed one is lost. Time in which this process was stalled is subtracted. If it is more than
/// half of the duration, nothing is known of the target.
pub fn samples(slo: &LatencySlo, report: &RunReport) -> Vec<Option<Duration>> {
    let of = |step: &StepReport| match slo.of {
        LatencyOf::Duration => net(step.duration, step.stalled),
        LatencyOf::Convergence => step.convergence.and_then(|took| net(took, step.convergence_stalled)),
    };
    let is_lost = |step: &StepReport| match &step.result {
        StepResult::Failed(cause) => Verdict::of(cause.reason) == Verdict::Failed,
        StepResult::Passed | StepResult::NotNeeded | StepResult::Blocked(_) => false,
    };
    let steps = |name: &Arc<str>| report.steps.iter().filter(|step| step.name == *name).collect::<Vec<_>>();
    match (report.verdict, &slo.step) {
        (Verdict::Passed, None) => net(report.duration, report.stalled).into_iter().map(Some).collect(),
        (Verdict::Passed, Some(name)) => steps(name).into_iter().filter_map(of).map(Some).collect(),
        (Verdict::Failed, None) => vec![None],
        (Verdict::Failed, Some(name)) => steps(name).into_iter().filter(|step| is_lost(step)).map(|_| None).collect(),
        (Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped, _) => Vec::new(),
    }
}

pub(super) fn net(took: Duration, stalled: Duration) -> Option<Duration> {
    (stalled * 2 <= took).then(|| took.saturating_sub(stalled))
}

impl Rules for Latency {
    fn apply(&mut self, to: &PlanContext<'_>, _out: &mut Vec<Changed>) {
        let Some((probe, rule, _)) = to.probe else { return };
        self.probe = Arc::clone(probe);
        self.interval = rule.interval;
        self.fit();
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        let probe = Arc::clone(&self.probe);
        let Some(latency) = probe.slo.as_ref().and_then(|slo| slo.latency.as_ref()) else { return };
        self.take_out(run);
        let now = run.now.steady;
        let (mut begun, mut is_bad) = (false, false);
        for took in samples(latency, run.report) {
            let is_out = self.excluded.count(&run.report.canary.id, run.part, now, took) || run.together.is_some();
            let (bucket, fresh) = self.window.at(now);
            add(&mut bucket.all, took);
            if is_out {
                add(&mut bucket.out, took);
            }
            begun |= fresh;
            is_bad |= self.bounds().iter().any(|(measure, bound)| match took {
                Some(took) => took > *bound,
                None => measure.quantile().is_some(),
            });
        }
        if begun || now >= self.written + WRITTEN {
            (self.changed, self.written) = (true, now);
        }
        // Only a duration above a bound can raise a level, so runs within the bounds cost little.
        if is_bad || !self.is_well() {
            self.judge(now);
        }
        self.tell(begun, out);
    }

    fn clock(&mut self, now: Moment, out: &mut Vec<Changed>) {
        if !self.is_well() {
            self.judge(now.steady);
        }
        self.tell(false, out);
    }

    fn due(&self) -> Option<Duration> {
        // A bucket leaves the short window when the next one begins.
        (!self.is_well()).then(|| self.window.next(self.asked))
    }

    fn facts(&self) -> Vec<Fact> {
        if self.is_well() { Vec::new() } else { vec![self.fact()] }
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        if *key == super::objective_key(&self.probe, Objective::Latency) {
            self.window.ratio.hold(None);
            self.warn = None;
            self.changed = true;
            self.tell(false, out);
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !RowKind::Latency.is_of(row) {
            return Ok(false);
        }
        let kept: LatencyRow = serde_json::from_str(&row.json)?;
        let held = |latch: HeldLagRow| Held { since: now.steady_of(latch.at_ms), seen: latch.seen, quiet: 0 };
        self.window = Buckets::from_row(kept.ring, LONG, |wall_ms| now.steady_of(wall_ms));
        self.window.ratio.hold(kept.page.map(held));
        self.warn = kept.warn.map(held);
        self.excluded = ExcludedRuns::from_row(kept.apart, now);
        self.asked = now.steady;
        self.fit();
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let wall_ms = |steady| now.wall_ms_of(steady);
        let latch = |held: &Held<Lag>| HeldLagRow { seen: held.seen, at_ms: wall_ms(held.since) };
        let kept = LatencyRow {
            ring: self.window.to_row(wall_ms),
            page: self.window.ratio.held().map(latch),
            warn: self.warn.as_ref().map(latch),
            apart: self.excluded.to_row(now),
        };
        vec![row(RowKind::Latency, &*self.probe.name, Some(to_json(&kept)))]
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        if std::mem::take(&mut self.changed) { self.rows(now) } else { Vec::new() }
    }
}
