//! How fast a probe's error budget burns: multi-window, multi-burn-rate.
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
//! Added to it, because a canary runs far less often than users do: the long window must hold at least 10 runs, and more bad ones than
//! chance yields once in a million where the budget is spent at exactly its rate (so 10 bad runs at the least). An objective that
//! allows more than 1 ÷ rate of bad runs cannot burn that fast, and has no such rule. Only a bad run raises a level. A rule that held is let go when it
//! has not held for a quarter of its long window and 10 runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Moment;
use crate::plan::{Severity, Slo};

use super::evidence::{self, by_chance};
use super::latch::{self, Latch};
use super::ring::{self, Bucket, Ring};
use super::{BudgetLevel, Level};

/// Buckets of a long window.
const LONG: u16 = 48;

/// Buckets of a short one.
const SHORT: u16 = LONG / 12;

struct Rule {
    severity: Severity,
    rate: f64,
    /// The SLO's window divided by the long one.
    part: u32,
}

const RULES: [Rule; 3] = [
    Rule { severity: Severity::Page, rate: 14.4, part: 720 },
    Rule { severity: Severity::Page, rate: 6.0, part: 120 },
    Rule { severity: Severity::Warn, rate: 1.0, part: 10 },
];

/// How fast a budget burned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Burn {
    /// Burn rate over the long window; 1 spends the budget exactly by the end of the SLO's window.
    pub rate: f64,
    /// Over how long.
    pub long: Duration,
    /// Burn rate over the last twelfth of it.
    pub recent: f64,
    /// Bad runs in the long window.
    pub bad: u32,
    /// Counted runs in it.
    pub runs: u32,
}

/// Counted runs of a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Runs(u32, u32);

impl Runs {
    fn bad(self) -> u32 {
        self.0
    }

    fn all(self) -> u32 {
        self.1
    }

    fn rate(self, budget: f64) -> f64 {
        if self.all() == 0 { 0.0 } else { f64::from(self.bad()) / f64::from(self.all()) / budget }
    }
}

impl Bucket for Runs {
    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
        self.1 = self.1.saturating_add(other.1);
    }

    fn is_empty(&self) -> bool {
        self.1 == 0
    }
}

/// The error budget of one probe, over all its canaries. About 1.3 KiB once its windows are full, whatever they are.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetState {
    rings: [Ring<Runs>; RULES.len()],
    latches: [Latch<Burn>; RULES.len()],
}

/// A state as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    rings: [ring::Kept<Runs>; RULES.len()],
    latches: [Option<latch::Kept<Burn>>; RULES.len()],
}

impl BudgetState {
    /// Nothing was seen yet.
    pub fn new(slo: &Slo) -> Self {
        Self { rings: RULES.map(|rule| Ring::of(rule.long(slo), LONG)), latches: Default::default() }
    }

    /// A counted run ended. Tells whether the state is worth writing down: its level changed, or a bucket is full. Nothing is
    /// counted for an objective of 100 %, which has no budget.
    #[must_use = "the state is to be written down"]
    pub fn seen(&mut self, slo: &Slo, good: bool, now: Moment) -> bool {
        let Some(budget) = slo.success.map(|success| 1.0 - success).filter(|budget| *budget > 0.0) else { return false };
        let before = self.severity();
        let mut begun = false;
        for ((rule, ring), latch) in RULES.iter().zip(&mut self.rings).zip(&mut self.latches) {
            if !ring.spans(rule.long(slo)) {
                *ring = ring.resized(rule.long(slo));
            }
            let (bucket, fresh) = ring.at(now.steady);
            bucket.merge(&Runs(u32::from(!good), 1));
            begun |= fresh && rule.severity == Severity::Warn;
            let burn = (latch.is_held() || !good).then(|| rule.judge(ring, budget, latch.is_held(), now.steady)).flatten();
            latch.note(burn, ring.time(LONG / 4), now.steady);
        }
        begun || before != self.severity()
    }

    /// How it stands. It changes only with a run.
    pub fn judge(&self) -> BudgetLevel {
        let held = |severity| {
            let mut rules = RULES.iter().zip(&self.latches).filter(move |(rule, _)| rule.severity == severity);
            rules.find_map(|(_, latch)| latch.held())
        };
        match (held(Severity::Page), held(Severity::Warn)) {
            (Some(burn), _) => Level::Page(burn),
            (None, Some(burn)) => Level::Warn(burn),
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
        let kept = Kept {
            rings: self.rings.each_ref().map(|ring| ring.kept(wall_ms)),
            latches: self.latches.each_ref().map(|latch| latch.kept(wall_ms)),
        };
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
            rings: kept.rings.map(|ring| Ring::restored(ring, LONG, steady)),
            latches: kept.latches.map(|latch| Latch::restored(latch, steady)),
        })
    }
}

impl Rule {
    fn long(&self, slo: &Slo) -> Duration {
        slo.window / self.part
    }

    /// What burns, if the rule holds. To hold on, it needs no proof anew.
    fn judge(&self, ring: &Ring<Runs>, budget: f64, held: bool, now: Duration) -> Option<Burn> {
        let [long, short] = [LONG, SHORT].map(|count| ring.last(count, now));
        let [rate, recent] = [long, short].map(|runs| runs.rate(budget));
        let proven = held || long.all() >= evidence::LEAST && f64::from(long.bad()) > by_chance(f64::from(long.all()) * budget);
        (rate >= self.rate && recent >= self.rate && proven).then(|| Burn {
            rate,
            long: ring.time(LONG),
            recent,
            bad: long.bad(),
            runs: long.all(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn slo(success: f64, window: Duration) -> Slo {
        Slo { success: Some(success), latency: None, window }
    }

    /// So long after the beginning of a process.
    fn moment(steady: Duration) -> Moment {
        let steady = Duration::from_hours(80_000) + steady;
        Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
    }

    /// Runs at equal distances from a moment on; `good` tells of each how it ends. Returns the first moments at which each level was shown.
    fn run(
        state: &mut BudgetState,
        slo: &Slo,
        from: Duration,
        every: Duration,
        count: u32,
        good: impl Fn(u32) -> bool,
    ) -> Vec<(u32, &'static str)> {
        let mut levels = vec![(0, word(state.judge()))];
        for at in 0..count {
            let _ = state.seen(slo, good(at), moment(from + every * at));
            let level = word(state.judge());
            if levels.last().is_some_and(|(_, last)| *last != level) {
                levels.push((at, level));
            }
        }
        levels
    }

    fn word(level: BudgetLevel) -> &'static str {
        match level {
            Level::Well => "well",
            Level::Warn(_) => "warn",
            Level::Page(_) => "page",
        }
    }

    #[test]
    fn an_objective_of_100_percent_has_no_budget_to_burn() {
        let slo = slo(1.0, 24 * HOUR);
        let mut state = BudgetState::new(&slo);
        for at in 0..1_000 {
            assert!(!state.seen(&slo, false, moment(Duration::from_secs(at))));
        }
        assert_eq!(state.judge(), Level::Well);
    }

    #[test]
    fn the_windows_of_30_days_are_those_of_the_workbook() {
        let slo = slo(0.999, 720 * HOUR);
        let long: Vec<u64> = RULES.iter().map(|rule| rule.long(&slo).as_secs() / 3_600).collect();
        assert_eq!(long, [1, 6, 72]);
        let spent: Vec<f64> = RULES.iter().map(|rule| (rule.rate / f64::from(rule.part) * 100.0).round()).collect();
        assert!(spent.iter().zip([2.0, 5.0, 10.0]).all(|(spent, wanted)| (spent - wanted).abs() < 1e-9), "{spent:?}");
    }

    #[test]
    fn worked_numbers_of_an_outage() {
        // 99.9 % over 30 days, a run every 10 s. After a day without a failure every run fails. In the hour that ends now are about
        // 360 runs; a rate of 14.4 is 1.44 % of them, 5.2; chance makes it up to 12.6 (0.36 + 4.6 + √(4.6² + 27.6 × 0.36)),
        // once the window of 6 h, whose rate of 6 is 13 of 2,160, has not been reached: so it pages at the eleventh failure.
        let slo = slo(0.999, 720 * HOUR);
        let mut state = BudgetState::new(&slo);
        let levels = run(&mut state, &slo, Duration::ZERO, Duration::from_secs(10), 8_640 + 60, |at| at < 8_640);
        assert_eq!(levels, [(0, "well"), (8_640 + 10, "page")]);
        let Level::Page(burn) = state.judge() else { panic!("it pages") };
        assert_eq!((burn.long, burn.bad), (HOUR, 60));
        assert!((burn.rate - f64::from(burn.bad) / f64::from(burn.runs) / 0.001).abs() < 1e-6 && burn.rate > 14.4, "{burn:?}");
    }

    #[test]
    fn a_slow_burn_warns_and_never_pages() {
        // 3 % of runs fail where 1 % may: a rate of 3.
        let slo = slo(0.99, 720 * HOUR);
        let mut state = BudgetState::new(&slo);
        let levels = run(&mut state, &slo, Duration::ZERO, Duration::from_mins(1), 20_000, |at| at % 33 != 0);
        assert_eq!(levels.iter().map(|(_, level)| *level).collect::<Vec<_>>(), ["well", "warn"]);
    }

    #[test]
    fn a_page_ends_in_a_warning_when_the_fast_burn_is_over_and_not_before_a_quarter_of_its_window() {
        let slo = slo(0.99, 720 * HOUR);
        let mut state = BudgetState::new(&slo);
        let minute = Duration::from_mins(1);
        let levels = run(&mut state, &slo, Duration::ZERO, minute, 6_000, |at| !(1_000..1_060).contains(&at));
        let [(0, "well"), (paged, "page"), (warned, "warn"), (well, "well")] = levels[..] else { panic!("{levels:?}") };
        assert!((1_010..1_020).contains(&paged), "{levels:?}");
        // The rule of 6 h held for up to its short window after the last failure; then it is quiet for an hour and a half.
        assert!((1_060 + 90..1_060 + 30 + 90 + 10).contains(&warned), "{levels:?}");
        assert!(well > warned + 18 * 60, "{levels:?}");
    }

    #[test]
    fn a_handful_of_runs_cannot_page_however_many_of_them_fail() {
        for success in [0.5, 0.9, 0.99, 0.999_99] {
            let slo = slo(success, 24 * HOUR);
            let mut state = BudgetState::new(&slo);
            let levels = run(&mut state, &slo, Duration::ZERO, Duration::from_millis(10), 9, |_| false);
            assert_eq!(levels, [(0, "well")], "{success}");
        }
    }

    #[test]
    fn silence_neither_raises_nor_resolves_and_one_pass_after_it_does_not_resolve_either() {
        let slo = slo(0.99, 24 * HOUR);
        let mut state = BudgetState::new(&slo);
        run(&mut state, &slo, Duration::ZERO, Duration::from_secs(1), 60, |_| false);
        assert_eq!(word(state.judge()), "page");
        let after = run(&mut state, &slo, 48 * HOUR, Duration::from_secs(1), 60, |_| true);
        assert_eq!(after, [(0, "page"), (9, "well")]);
    }

    #[test]
    fn memory_is_bounded_whatever_happens() {
        let slo = slo(0.99, 720 * HOUR);
        let mut state = BudgetState::new(&slo);
        run(&mut state, &slo, Duration::ZERO, Duration::from_mins(7), 20_000, |at| at % 5 != 0);
        let json = state.to_json(moment(720 * HOUR));
        assert!(json.len() < 2_500, "{}", json.len());
    }

    #[test]
    fn another_window_keeps_what_was_counted() {
        let long = slo(0.99, 720 * HOUR);
        let short = slo(0.99, 168 * HOUR);
        let mut state = BudgetState::new(&long);
        run(&mut state, &long, Duration::ZERO, Duration::from_mins(1), 500, |at| at < 400);
        let now = moment(Duration::from_mins(500));
        let _ = state.seen(&short, true, now);
        assert_eq!(word(state.judge()), "page");
        assert_eq!(state.rings[2].last(LONG, now.steady), Runs(100, 501));
    }

    /// Counts the plain list of runs, in the same buckets of time.
    fn naive(runs: &[(Duration, bool)], slo: &Slo, rule: &Rule, now: Duration) -> [Runs; 2] {
        let width = (rule.long(slo).as_millis() / u128::from(LONG)).max(1);
        let number = |at: Duration| at.as_millis() / width;
        [LONG, SHORT].map(|count| {
            let within = runs.iter().filter(|(at, _)| number(*at) + u128::from(count) > number(now));
            within.fold(Runs::default(), |sum, (_, good)| Runs(sum.0 + u32::from(!good), sum.1 + 1))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rings_count_what_a_list_of_all_runs_counts(
            gaps in prop::collection::vec((0_u64..400_000, prop::bool::ANY), 1..300),
            hours in 1_u64..800,
            restart in 0_usize..300,
        ) {
            let slo = slo(0.9, Duration::from_hours(hours));
            let mut state = BudgetState::new(&slo);
            let mut runs = Vec::new();
            let mut at = moment(Duration::ZERO).steady;
            for (number, (gap, good)) in gaps.into_iter().enumerate() {
                at += Duration::from_millis(gap);
                let now = Moment { steady: at, wall: SystemTime::UNIX_EPOCH + at };
                if number == restart {
                    state = BudgetState::from_json(&state.to_json(now), now).unwrap();
                }
                let _ = state.seen(&slo, good, now);
                runs.push((at, good));
                for (rule, ring) in RULES.iter().zip(&state.rings) {
                    let counted = [LONG, SHORT].map(|count| ring.last(count, at));
                    prop_assert_eq!(counted, naive(&runs, &slo, rule, at));
                }
            }
        }

        #[test]
        fn a_page_needs_ten_bad_runs_and_both_windows_and_a_bad_run_last(
            runs in prop::collection::vec((0_u64..60_000, 0_u8..10), 1..400),
            success in 0.5_f64..0.9999,
            share in 0_u8..10,
        ) {
            let slo = slo(success, Duration::from_hours(24));
            let mut state = BudgetState::new(&slo);
            let (mut at, mut bad) = (Duration::ZERO, 0_u32);
            for (gap, draw) in runs {
                at += Duration::from_millis(gap);
                let good = draw >= share;
                bad += u32::from(!good);
                let before = word(state.judge());
                let _ = state.seen(&slo, good, moment(at));
                let after = word(state.judge());
                let rank = |word: &str| ["well", "warn", "page"].iter().position(|level| *level == word);
                if rank(after) > rank(before) {
                    prop_assert!(!good && bad >= 10);
                    let (Level::Warn(burn) | Level::Page(burn)) = state.judge() else { unreachable!("it was raised") };
                    prop_assert!(burn.rate >= 1.0 && burn.recent >= 1.0);
                    prop_assert!(f64::from(burn.bad) > by_chance(f64::from(burn.runs) * (1.0 - success)));
                }
            }
        }

        #[test]
        fn a_state_reads_back_as_it_was_written_whatever_time_the_wall_clock_shows(
            bad in 0_u32..100, all in 1_u32..300, hours in 1_u64..800, set in 0_u64..10_000_000,
        ) {
            let slo = slo(0.9, Duration::from_hours(hours));
            let mut state = BudgetState::new(&slo);
            run(&mut state, &slo, Duration::ZERO, Duration::from_secs(20), all, |at| at >= bad);
            let steady = moment(Duration::from_secs(20) * all).steady;
            let now = Moment { steady, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + set) };
            let back = BudgetState::from_json(&state.to_json(now), now).unwrap();
            prop_assert_eq!(&back.judge(), &state.judge());
            for (ring, was) in back.rings.iter().zip(&state.rings) {
                for count in [LONG, SHORT] {
                    prop_assert_eq!(ring.last(count, steady), was.last(count, steady));
                }
            }
        }
    }
}
