//! Whether a probe's latency keeps its bounds.
//!
//! A bound is broken over a window when that is no chance: for a mean, when it lies five standard errors above the bound; for a quantile,
//! when more durations lie above the bound than chance yields once in a million where exactly the allowed share does (and never with
//! fewer than 10 durations, nor with fewer than 10 above). Broken over the SLO's whole window, it is worth a look by day. Broken also over
//! the last twelfth of it, it is still going on, and somebody is woken. A level is held while the plain mean or quantile is
//! above the bound (of the short window for a page, of the long one for a warning), and let go when it has not been for half the
//! short window and 10 durations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::outcome::{RunReport, StepReport, Verdict};
use crate::plan::{LatencyOf, LatencySlo, Severity, Slo};

use super::evidence::{self, STANDARD_ERRORS, by_chance};
use super::histogram::{Histogram, Several};
use super::latch::{self, Latch};
use super::ring::{self, Ring};
use super::{LatencyLevel, Level};

/// Buckets of the SLO's window.
const LONG: u16 = 24;

/// Buckets of the short one.
const SHORT: u16 = LONG / 12;

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

    /// What it is of these durations; a quantile at most 5 % too high.
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
            Some(share) => durations.above(bound) > (1.0 - share) * durations.count(),
        }
    }

    /// Whether that is no chance.
    fn is_broken(self, durations: &Several<'_>, bound: Duration) -> bool {
        let highest = match self.quantile() {
            None => bound.as_secs_f64() + STANDARD_ERRORS * durations.error_of_mean(),
            Some(share) => by_chance((1.0 - share) * durations.count()),
        };
        let seen = if self.quantile().is_none() { durations.mean() } else { durations.above(bound) };
        durations.count() >= f64::from(evidence::LEAST) && seen > highest
    }
}

/// A bound that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// What was bounded.
    pub measure: Measure,
    /// The bound.
    pub bound: Duration,
    /// What it was over the SLO's window; a quantile at most 5 % too high.
    pub seen: Duration,
    /// What it was over the last twelfth of that window.
    pub recent: Duration,
    /// Durations in the SLO's window.
    pub samples: u32,
}

/// The latency of one probe, over all its canaries. Up to 24 sparse histograms: about 5 KiB where durations vary threefold.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyState {
    ring: Ring<Histogram>,
    page: Latch<Lag>,
    warn: Latch<Lag>,
}

/// A state as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    ring: ring::Kept<Histogram>,
    page: Option<latch::Kept<Lag>>,
    warn: Option<latch::Kept<Lag>>,
}

impl LatencyState {
    /// Nothing was seen yet.
    pub fn new(slo: &Slo) -> Self {
        Self { ring: Ring::of(slo.window, LONG), page: Latch::default(), warn: Latch::default() }
    }

    /// A duration of a passed run, as [`samples`] gives them. Tells whether the state is worth writing down.
    #[must_use = "the state is to be written down"]
    pub fn seen(&mut self, slo: &Slo, took: Duration, now: Moment) -> bool {
        let Some(latency) = &slo.latency else { return false };
        let before = self.severity();
        if !self.ring.spans(slo.window) {
            self.ring = self.ring.resized(slo.window);
        }
        let (bucket, begun) = self.ring.at(now.steady);
        bucket.add(took);
        let is_well = !self.page.is_held() && !self.warn.is_held();
        if is_well && Measure::ALL.into_iter().all(|measure| measure.bound(latency).is_none_or(|bound| took <= bound)) {
            // Only a duration above a bound raises a level, so that what is well costs little.
            return begun;
        }
        let [long, short] = [LONG, SHORT].map(|count| Several::new(self.ring.recent(count, now.steady)));
        let bounded = || Measure::ALL.into_iter().filter_map(|measure| Some((measure, measure.bound(latency)?)));
        let over = |of: &Several<'_>| bounded().find(|(measure, bound)| measure.is_over(of, *bound));
        let broken = || bounded().filter(|(measure, bound)| measure.is_broken(&long, *bound));
        let lasting = || broken().find(|(measure, bound)| measure.is_broken(&short, *bound));
        let page = if self.page.is_held() { over(&short) } else { lasting() };
        let warn = if self.warn.is_held() { over(&long) } else { broken().next() };
        let lag = |(measure, bound): (Measure, Duration)| {
            let [long, short] = [LONG, SHORT].map(|count| self.ring.last(count, now.steady));
            let [seen, recent] = [&long, &short].map(|durations| measure.of(durations).unwrap_or_default());
            Lag { measure, bound, seen, recent, samples: long.count() }
        };
        let (page, warn) = (page.map(lag), warn.map(lag));
        let quiet = self.ring.time(SHORT / 2);
        self.page.note(page, quiet, now.steady);
        self.warn.note(warn, quiet, now.steady);
        begun || before != self.severity()
    }

    /// How it stands. It changes only with a run.
    pub fn judge(&self) -> LatencyLevel {
        match (self.page.held(), self.warn.held()) {
            (Some(lag), _) => Level::Page(lag),
            (None, Some(lag)) => Level::Warn(lag),
            (None, None) => Level::Well,
        }
    }

    fn severity(&self) -> Option<Severity> {
        match self.judge() {
            Level::Well => None,
            Level::Warn(_) => Some(Severity::Warn),
            Level::Page(_) => Some(Severity::Page),
        }
    }

    /// As JSON, with times of the wall clock.
    pub fn to_json(&self, now: Moment) -> String {
        let wall_ms = |steady| now.wall_ms_of(steady);
        let kept = Kept { ring: self.ring.kept(wall_ms), page: self.page.kept(wall_ms), warn: self.warn.kept(wall_ms) };
        serde_json::to_string(&kept).expect("numbers can always be written")
    }

    /// What [`to_json`](Self::to_json) wrote, in this or an earlier process.
    ///
    /// # Errors
    /// It is not that.
    pub fn from_json(json: &str, now: Moment) -> Result<Self, serde_json::Error> {
        let kept: Kept = serde_json::from_str(json)?;
        let steady = |wall_ms| now.steady_of(wall_ms);
        Ok(Self {
            ring: Ring::restored(kept.ring, LONG, steady),
            page: Latch::restored(kept.page, steady),
            warn: Latch::restored(kept.warn, steady),
        })
    }
}

/// The durations of a run that the objective is about: none unless the run passed, and several of a step in a loop. What this
/// process stood still of them is no latency of the target's; where that is more than half, nothing is known of the target.
pub fn samples<'r>(slo: &'r LatencySlo, report: &'r RunReport) -> impl Iterator<Item = Duration> + 'r {
    let passed = report.verdict == Verdict::Passed;
    let whole = (passed && slo.step.is_none()).then(|| net(report.duration, report.stalled)).flatten();
    let of = |step: &StepReport| match slo.of {
        LatencyOf::Duration => net(step.duration, step.stalled),
        LatencyOf::Convergence => step.convergence.and_then(|took| net(took, step.convergence_stalled)),
    };
    let steps = report.steps.iter().filter(move |step| passed && slo.step.as_ref() == Some(&step.name));
    whole.into_iter().chain(steps.filter_map(of))
}

fn net(took: Duration, stalled: Duration) -> Option<Duration> {
    (stalled * 2 <= took).then(|| took.saturating_sub(stalled))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_sample_is_what_a_run_took_without_our_own_stalls_and_none_where_most_of_it_was_ours() {
        for (took, stalled, sample) in [(10, 0, Some(10)), (10, 4, Some(6)), (10, 5, Some(5)), (10, 6, None), (0, 0, Some(0))] {
            assert_eq!(net(took * SECOND, stalled * SECOND), sample.map(|sample| sample * SECOND), "{stalled} of {took}");
        }
    }

    fn slo(mean: Option<u64>, p95: Option<u64>) -> Slo {
        let latency = LatencySlo {
            step: None,
            of: LatencyOf::Duration,
            mean: mean.map(Duration::from_secs),
            p95: p95.map(Duration::from_secs),
            p99: None,
        };
        Slo { success: None, latency: Some(latency), window: Duration::from_hours(24) }
    }

    fn moment(steady: Duration) -> Moment {
        let steady = Duration::from_hours(80_000) + steady;
        Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
    }

    fn word(level: LatencyLevel) -> &'static str {
        match level {
            Level::Well => "well",
            Level::Warn(_) => "warn",
            Level::Page(_) => "page",
        }
    }

    /// One run a minute; what changed the level, at which minute.
    fn run(
        state: &mut LatencyState,
        slo: &Slo,
        minutes: std::ops::Range<u32>,
        took: impl Fn(u32) -> Duration,
    ) -> Vec<(u32, &'static str)> {
        let mut levels = vec![(minutes.start, word(state.judge()))];
        for minute in minutes {
            let _ = state.seen(slo, took(minute), moment(Duration::from_mins(minute.into())));
            let level = word(state.judge());
            if levels.last().is_some_and(|(_, last)| *last != level) {
                levels.push((minute, level));
            }
        }
        levels
    }

    #[test]
    fn a_mean_above_its_bound_pages_once_it_is_no_chance_and_resolves_after_it_ends() {
        let slo = slo(Some(2), None);
        let mut state = LatencyState::new(&slo);
        // A day at 1 s ± 0.1; then 5 s. The mean of 24 h passes 2 s when a quarter is slow: after 6 h.
        let took = |minute: u32| if minute < 1_440 { SECOND * 9 / 10 + SECOND / 10 * (minute % 3) } else { 5 * SECOND };
        let levels = run(&mut state, &slo, 0..2_880, took);
        let [(0, "well"), (paged, "page")] = levels[..] else { panic!("{levels:?}") };
        assert!((1_440 + 360..1_440 + 480).contains(&paged), "{levels:?}");
        let Level::Page(lag) = state.judge() else { panic!("it pages") };
        assert_eq!((lag.measure, lag.bound, lag.recent), (Measure::Mean, 2 * SECOND, 5 * SECOND));
        // The page ends when the last two hours are fast; the warning when the last day is.
        let levels = run(&mut state, &slo, 2_880..5_760, |_| SECOND);
        let [(_, "page"), (warned, "warn"), (well, "well")] = levels[..] else { panic!("{levels:?}") };
        assert!((2_880 + 60..2_880 + 240).contains(&warned), "{levels:?}");
        assert!((2_880 + 960..2_880 + 1_440).contains(&well), "{levels:?}");
    }

    #[test]
    fn a_bound_on_the_95th_percentile_that_is_broken_warns_and_one_that_is_broken_beyond_doubt_lately_pages() {
        let slo = slo(None, Some(2));
        for (one_in, wanted) in [(4, "page"), (10, "warn"), (40, "well")] {
            let mut state = LatencyState::new(&slo);
            run(&mut state, &slo, 0..2_880, |minute| if minute % one_in == 0 { 9 * SECOND } else { SECOND });
            assert_eq!(word(state.judge()), wanted, "one in {one_in}");
        }
    }

    #[test]
    fn a_handful_of_durations_decides_nothing() {
        for slo in [slo(Some(2), None), slo(None, Some(2))] {
            let mut state = LatencyState::new(&slo);
            assert_eq!(run(&mut state, &slo, 0..9, |_| 60 * SECOND), [(0, "well")]);
        }
    }

    #[test]
    fn a_level_survives_a_restart_and_another_window() {
        let slo = slo(Some(2), None);
        let mut state = LatencyState::new(&slo);
        run(&mut state, &slo, 0..60, |_| 9 * SECOND);
        let now = moment(Duration::from_mins(61));
        let mut back = LatencyState::from_json(&state.to_json(now), now).unwrap();
        assert_eq!((back.judge(), word(back.judge())), (state.judge(), "page"));
        let week = Slo { window: Duration::from_hours(168), ..slo };
        assert!(!back.seen(&week, 9 * SECOND, now) || word(back.judge()) == "page");
        assert_eq!(back.ring.last(LONG, now.steady).count(), 61);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_counts_what_a_list_of_all_durations_counts(
            runs in prop::collection::vec((0_u64..3_000_000, 1_u64..20_000), 1..200),
        ) {
            let slo = slo(Some(5), Some(10));
            let mut state = LatencyState::new(&slo);
            let (mut at, mut all) = (moment(Duration::ZERO).steady, Vec::new());
            for (gap, took) in runs {
                at += Duration::from_millis(gap);
                let before = word(state.judge());
                let now = Moment { steady: at, wall: SystemTime::UNIX_EPOCH + at };
                let _ = state.seen(&slo, Duration::from_millis(took), now);
                all.push((at, took));
                let within: Vec<u64> =
                    all.iter().filter(|(then, _)| then.as_secs() / 3_600 + 24 > at.as_secs() / 3_600).map(|(_, took)| *took).collect();
                let long = state.ring.last(LONG, at);
                prop_assert_eq!(long.count() as usize, within.len());
                let mean = Duration::from_millis(within.iter().sum()).div_f64(f64::from(long.count())).as_secs_f64();
                prop_assert!((long.mean().unwrap().as_secs_f64() - mean).abs() < 1e-6);
                let raised = before == "well" && word(state.judge()) != "well";
                prop_assert!(!raised || took > 5_000 && within.len() >= 10);
            }
        }
    }
}
