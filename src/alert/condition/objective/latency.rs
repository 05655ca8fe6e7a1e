//! Whether a probe's latency keeps its bounds.
//!
//! A bound is broken over a window when that is no chance: for a mean, when it lies five standard errors above the bound; for a quantile,
//! when more durations lie above the bound than chance yields once in a million where exactly the allowed share does (and never with
//! fewer than 10 durations, nor with fewer than 10 above). Broken over the SLO's whole window, and still over the bound in the last
//! twelfth of it, it is worth a look by day. Broken beyond chance in that short window too, somebody is woken. Both end when the
//! plain mean or quantile of the short window is no longer above the bound, which is at least two intervals long.
//!
//! What a failed run never came to is lost: it lies above every bound for a quantile, and is in no mean.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ratio::chance::{self, STANDARD_ERRORS, by_chance};
use super::super::ratio::histogram::{Histogram, Several};
use super::super::ratio::{Buckets, Held, LetsGo, Slots, buckets};
use super::super::rule::Rule;
use super::super::{Changed, Context, Rules, Run, row, to_json};
use super::apart::{self, Apart};
use super::tally::Samples;
use super::{Shown, base, fine, state, whole};
use crate::alert::Moment;
use crate::alert::fact::{Level, Objective};
use crate::alert::{Fact, FactKey};
use crate::history::{RestoredState, StateRow};
use crate::outcome::{RunReport, StepReport, StepResult, Verdict};
use crate::plan::{LatencyOf, LatencySlo, Probe};

/// Buckets of the SLO's window.
const LONG: u64 = 24;

/// While runs come, what was counted is written this often: what is not is lost with the process.
const WRITTEN: Duration = Duration::from_mins(5);

/// Buckets of the short one.
const SHORT: u64 = LONG / 12;

/// What of a latency has a bound.
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

    /// What it is of these durations; a quantile at most 5 % too high. Nothing of nothing, nor where it is one that never came.
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

    /// Whether the bound is not kept, as the durations stand.
    fn is_over(self, durations: &Several<'_>, bound: Duration) -> bool {
        match self.quantile() {
            None => durations.mean() > bound.as_secs_f64(),
            Some(share) => durations.above(bound) > (1.0 - share) * durations.count_with_lost(),
        }
    }

    /// Whether that is no chance.
    fn is_broken(self, durations: &Several<'_>, bound: Duration) -> bool {
        let (count, seen, highest) = match self.quantile() {
            None => (durations.count(), durations.mean(), bound.as_secs_f64() + STANDARD_ERRORS * durations.error_of_mean()),
            Some(share) => {
                let count = durations.count_with_lost();
                (count, durations.above(bound), by_chance((1.0 - share) * count))
            }
        };
        count >= f64::from(chance::LEAST) && seen > highest
    }
}

/// A bound that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// What was bounded.
    pub measure: Measure,
    /// The bound.
    pub bound: Duration,
    /// What it was over the SLO's window; a quantile at most 5 % too high. Nothing where it is one that never came.
    pub seen: Option<Duration>,
    /// What it was over the short window.
    pub recent: Option<Duration>,
    /// Durations in the SLO's window.
    pub samples: u32,
    /// Those that never came, besides.
    #[serde(default)]
    pub lost: u32,
    /// How much of the SLO's window was recorded; zero where an earlier version did not say.
    #[serde(default)]
    pub over: Duration,
    /// Whether the bound would also be broken without what others are told for.
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
    /// What it is held for is that somebody is woken.
    window: Buckets<Samples, Lag>,
    /// What it is held for besides: that it is worth a look by day.
    warn: Option<Held<Lag>>,
    apart: Apart<Option<Duration>>,
    shown: Shown,
    /// When it was judged last; steady.
    asked: Duration,
    changed: bool,
    /// When it was last to be written because runs came; steady.
    written: Duration,
}

/// A state as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    ring: buckets::Kept<Samples>,
    page: Option<Latch>,
    warn: Option<Latch>,
    #[serde(default, skip_serializing_if = "apart::Kept::is_empty")]
    apart: apart::Kept<Option<Duration>>,
}

/// A level that is held, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Latch {
    seen: Lag,
    at_ms: i64,
}

/// What a window is over.
struct Over {
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
            apart: Apart::default(),
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

    /// Judges the bounds. To hold on, they need no proof anew.
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
        self.window.ratio.note(page, LetsGo::ShortWindow, LONG, now);
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

    /// Counts over the window that the probe has now.
    fn fit(&mut self) {
        self.window.resize(self.probe.slo.as_ref().map_or(Duration::ZERO, |slo| slo.window));
        self.shown = self.shows();
    }

    /// What is told of otherwise by now is taken out.
    fn take_out(&mut self, run: &Run<'_>) {
        for (at, took) in self.apart.begin(&run.report.canary.id, run.part) {
            if let Some(bucket) = self.window.past(at) {
                add(&mut bucket.out, took);
            }
        }
        if let Some(since) = self.apart.together(run.together) {
            let first = self.window.number(since);
            for (_, bucket) in self.window.ratio.all_mut().filter(|(number, _)| *number >= first) {
                bucket.out = bucket.all.clone();
            }
        }
    }
}

/// What slots hold together, with everything or without what others are told for.
fn several(slots: &Slots<Samples>, alone: bool) -> Several<'_> {
    let out = slots.iter().map(|(_, samples)| &samples.out).take(if alone { usize::MAX } else { 0 });
    Several::new(slots.iter().map(|(_, samples)| &samples.all), out)
}

/// What the windows are over, with everything or without what others are told for.
fn over(bounds: &[(Measure, Duration)], [long, short]: [&Slots<Samples>; 2], alone: bool, held: (bool, bool)) -> Over {
    let (long, short) = (several(long, alone), several(short, alone));
    let lasting = || bounds.iter().copied().filter(|(measure, bound)| measure.is_over(&short, *bound));
    let broken = || lasting().filter(|(measure, bound)| measure.is_broken(&long, *bound));
    let page = if held.0 { lasting().next() } else { broken().find(|(measure, bound)| measure.is_broken(&short, *bound)) };
    let warn = if held.1 { lasting().next() } else { broken().next() };
    Over { page, warn }
}

/// The same without what others are told for, as far as it is over with everything.
fn over_alone(bounds: &[(Measure, Duration)], slots: [&Slots<Samples>; 2], whole: &Over, held: (bool, bool)) -> Over {
    if whole.page.is_none() && whole.warn.is_none() {
        return Over { page: None, warn: None };
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

/// The durations of a run that the objective is about, and `None` for each that never came: of a passed run its own, or those of a
/// step; of a failed run what failed is lost. What this process stood still of a duration is no latency of the target's; where that
/// is more than half, nothing is known of the target.
pub(super) fn samples(slo: &LatencySlo, report: &RunReport) -> Vec<Option<Duration>> {
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
    fn apply(&mut self, to: &Context<'_>, _out: &mut Vec<Changed>) {
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
            let is_out = self.apart.count(&run.report.canary.id, run.part, now, took) || run.together.is_some();
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
        // Only what is above a bound raises a level, so that what is well costs little.
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
        if row.kind != "latency" {
            return Ok(false);
        }
        let kept: Kept = serde_json::from_str(&row.json)?;
        let held = |latch: Latch| Held { since: now.steady_of(latch.at_ms), seen: latch.seen, quiet: 0 };
        self.window = Buckets::restored(kept.ring, LONG, |wall_ms| now.steady_of(wall_ms));
        self.window.ratio.hold(kept.page.map(held));
        self.warn = kept.warn.map(held);
        self.apart = Apart::restored(kept.apart, now);
        self.asked = now.steady;
        self.fit();
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let wall_ms = |steady| now.wall_ms_of(steady);
        let latch = |held: &Held<Lag>| Latch { seen: held.seen, at_ms: wall_ms(held.since) };
        let kept = Kept {
            ring: self.window.kept(wall_ms),
            page: self.window.ratio.held().map(latch),
            warn: self.warn.as_ref().map(latch),
            apart: self.apart.kept(now),
        };
        vec![row("latency", &*self.probe.name, Some(to_json(&kept)))]
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        if std::mem::take(&mut self.changed) { self.rows(now) } else { Vec::new() }
    }
}
