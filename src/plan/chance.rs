//! How often a rule pages by pure chance: where a journey may fail now and then, some canary fails often enough in time.
//!
//! A canary whose runs fail independently and with the same probability is a renewal process: it goes from well to page level and
//! back to well, where it begins anew with an empty window. So the long-run number of openings per run is one divided by the mean
//! number of runs of such a cycle. Both halves have a closed form for failures in a row; see [`until_window`] for K of N.
//! `across` looks at windows too wide to tell their states apart, and is estimated from above; see [`crossings`].

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::{AcrossPolicy, AlertPolicy, Cadence, PageRule, Plan, Probe};

/// Days of a month.
const MONTH: f64 = 30.0;

/// Widest window whose every state is told apart: 2¹¹ of them. Beyond it the estimate from above is taken.
const WIDEST: u32 = 12;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Pages expected per 30 days if every run fails independently with probability 1 − `success`. It is the sum over the canaries, so
/// two canaries in one incident count twice, plus the pages of `across`. Zero for a probe that does not page or cannot fail.
pub fn per_month(policy: &AlertPolicy, success: f64, canaries: usize, cadence: &Cadence, runs: u32) -> f64 {
    [own_per_month, across_per_month].iter().map(|of| of(policy, success, canaries, cadence, runs)).sum()
}

/// Those because of the rule that each canary is judged by alone.
pub fn own_per_month(policy: &AlertPolicy, success: f64, canaries: usize, cadence: &Cadence, runs: u32) -> f64 {
    let once = per_run(policy.rule, passes(policy.resolve_after, runs), 1.0 - success);
    if policy.page { runs_a_month(canaries, cadence, runs) * once } else { 0.0 }
}

/// Those because of `across`: at most so many.
pub fn across_per_month(policy: &AlertPolicy, success: f64, canaries: usize, cadence: &Cadence, runs: u32) -> f64 {
    let Some(across) = policy.across.filter(|_| policy.page) else { return 0.0 };
    runs_a_month(canaries, cadence, runs) * crossings(across.failures.get(), across.of.get(), 1.0 - success)
}

fn runs_a_month(canaries: usize, cadence: &Cadence, runs: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are far fewer canaries than a float has digits")]
    let canaries = canaries as f64;
    MONTH * ticks_per_day(cadence) * f64::from(runs) * canaries
}

/// The sum of [`per_month`] over the probes of a plan that promise a share of successes.
pub fn of_plan(plan: &Plan) -> f64 {
    let mut canaries: HashMap<&str, usize> = HashMap::new();
    plan.canaries.iter().for_each(|canary| *canaries.entry(&canary.probe.name).or_default() += 1);
    let of = |probe: &Arc<Probe>| {
        let success = probe.slo.as_ref()?.success?;
        let canaries = canaries.get(&*probe.name).copied().unwrap_or_default();
        Some(per_month(&probe.alert, success, canaries, &probe.cadence, probe.runs))
    };
    // The sum of nothing is minus zero, and would be shown so.
    plan.probes.iter().filter_map(of).sum::<f64>() + 0.0
}

/// A rule with which there is less than one opening per 30 days, and how many there are with it: the one that pages soonest
/// where every run fails, with a window wide enough to notice also what hits some runs only.
pub fn rarer(policy: &AlertPolicy, success: f64, canaries: usize, cadence: &Cadence, runs: u32) -> Option<(PageRule, f64)> {
    let with = |failures: u32, of: u32| {
        let rule = PageRule::Window { failures: NonZeroU32::new(failures)?, of: NonZeroU32::new(of)? };
        let pages = own_per_month(&AlertPolicy { rule, ..policy.clone() }, success, canaries, cadence, runs);
        (pages < 1.0).then_some((rule, pages))
    };
    (2..=8).find_map(|failures| (failures * 3 / 2..=WIDEST).rev().find_map(|of| with(failures, of)))
}

/// The fewest failures among as many runs as `across` looks at with which there is less than one opening per 30 days, and how
/// many there are then.
pub fn rarer_across(
    policy: &AlertPolicy,
    success: f64,
    canaries: usize,
    cadence: &Cadence,
    runs: u32,
) -> Option<(AcrossPolicy, f64)> {
    let of = policy.across?.of;
    let with = |failures: u32| {
        let across = AcrossPolicy { failures: NonZeroU32::new(failures)?, of };
        let policy = AlertPolicy { across: Some(across), ..policy.clone() };
        let pages = across_per_month(&policy, success, canaries, cadence, runs);
        (pages < 1.0).then_some((across, pages))
    };
    // Below the share that fails anyway a window is nearly always full, and so seldom crosses.
    let usual = (f64::from(of.get()) * (1.0 - success)).ceil();
    (2..=of.get()).filter(|failures| f64::from(*failures) > usual).find_map(with)
}

/// Passes in a row after which a canary is well: as many as are asked for, and as span 1.9 intervals (see `alert::canary`).
fn passes(resolve_after: NonZeroU32, runs: u32) -> u32 {
    resolve_after.get().max((runs * 19).div_ceil(10) + 1)
}

/// Openings per run of one canary.
fn per_run(rule: PageRule, passes: u32, failure: f64) -> f64 {
    if failure <= 0.0 || failure >= 1.0 {
        // What never fails never pages, and what always fails is never well again.
        return 0.0;
    }
    let until_page = match rule {
        PageRule::Consecutive(failures) => until_row(failures.get(), failure),
        PageRule::Window { failures, of } if of.get() <= WIDEST => until_window(failures.get(), of.get(), failure),
        PageRule::Window { failures, of } => return crossings(failures.get(), of.get(), failure),
    };
    1.0 / (until_page + until_row(passes, 1.0 - failure))
}

/// Mean number of runs until so many in a row are of a kind that has this probability: (p⁻ⁿ − 1) ÷ (1 − p) (Feller, vol. 1,
/// chapter XIII.7).
fn until_row(row: u32, probability: f64) -> f64 {
    (probability.powf(-f64::from(row)) - 1.0) / (1.0 - probability)
}

/// Mean number of runs until K of the last N have failed, beginning with none.
///
/// The state is which of the last N − 1 runs failed. From the empty state it takes 1/p runs to the first failure, and then an
/// excursion, which ends with a page or in the empty state again. So the mean is (1/p + mean length of an excursion) ÷
/// probability that one ends with a page. Both are summed run by run over the distribution of states, which is exact; once the
/// probability that the excursion goes on shrinks at a constant rate, the rest is a geometric series.
fn until_window(failures: u32, of: u32, failure: f64) -> f64 {
    if failures == 1 {
        return 1.0 / failure;
    }
    let states = 1_usize << (of - 1);
    let mut going = vec![0.0; states];
    going[1] = 1.0;
    let (mut length, mut hits, mut last, mut rate) = (0.0, 0.0, 1.0, 0.0);
    for run in 1.. {
        let mut next = vec![0.0; states];
        let mut hits_now = 0.0;
        for (state, share) in going.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let passed = (state << 1) % states;
            next[passed] += share * (1.0 - failure);
            if state.count_ones() + 1 >= failures {
                hits_now += share * failure;
            } else {
                next[passed | 1] += share * failure;
            }
        }
        next[0] = 0.0;
        let goes_on: f64 = next.iter().sum();
        length += last;
        hits += hits_now;
        let rate_now = goes_on / last;
        if goes_on < 1e-30 {
            break;
        }
        if run > 8 * of && (rate_now - rate).abs() < 1e-13 {
            length += goes_on / (1.0 - rate_now);
            hits += hits_now * rate_now / (1.0 - rate_now);
            break;
        }
        (going, last, rate) = (next, goes_on, rate_now);
    }
    (1.0 / failure + length) / hits
}

/// How often, per run, a window that is never emptied comes to hold K failures: the run fails, the one that leaves the window did not,
/// and K − 1 of those between them did. More often than a page opens, because a canary at page level may cross
/// again before it is well.
fn crossings(failures: u32, of: u32, failure: f64) -> f64 {
    let ways: f64 = (1..failures).map(|chosen| f64::from(of - chosen) / f64::from(chosen)).product();
    ways * failure.powf(f64::from(failures)) * (1.0 - failure).powf(f64::from(of - failures + 1))
}

/// Ticks of a slot per day; of a cron expression by its first thousand moments of an arbitrary year.
fn ticks_per_day(cadence: &Cadence) -> f64 {
    match cadence {
        Cadence::Every(every) if every.is_zero() => 0.0,
        Cadence::Every(every) => DAY / every.as_secs_f64(),
        Cadence::Cron { cron, timezone, .. } => {
            let begin = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default().with_timezone(timezone);
            let moments: Vec<_> = cron.iter_after(begin).take(1_000).collect();
            let [Some(first), Some(last)] = [moments.first(), moments.last()] else { return 0.0 };
            let span = (*last - *first).as_seconds_f64();
            #[expect(clippy::cast_precision_loss, reason = "it is at most a thousand")]
            let pauses = moments.len().saturating_sub(1) as f64;
            if span > 0.0 { pauses * DAY / span } else { 0.0 }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(failures: u32, of: u32) -> PageRule {
        PageRule::Window { failures: failures.try_into().unwrap(), of: of.try_into().unwrap() }
    }

    fn consecutive(failures: u32) -> PageRule {
        PageRule::Consecutive(failures.try_into().unwrap())
    }

    /// Openings in so many runs of one canary that fail by chance: the rules as the design words them, run by run.
    fn seen(rule: PageRule, passes: u32, failure: f64, runs: u32, seed: u64) -> u32 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut row, mut well, mut paging, mut openings) = (0, 0, false, 0);
        let mut last: Vec<bool> = Vec::new();
        for _ in 0..runs {
            let failed = random.f64() < failure;
            (row, well) = if failed { (row + 1, 0) } else { (0, well + 1) };
            last.push(failed);
            let crossed = match rule {
                PageRule::Consecutive(failures) => row >= failures.get(),
                PageRule::Window { failures, of } => {
                    if last.len() > of.get() as usize {
                        last.remove(0);
                    }
                    last.iter().filter(|failed| **failed).count() >= failures.get() as usize
                }
            };
            if !paging && crossed {
                paging = true;
                openings += 1;
            }
            if paging && well >= passes {
                paging = false;
                last.clear();
            }
        }
        openings
    }

    #[test]
    fn the_formula_agrees_with_drawn_runs() {
        const RUNS: u32 = 2_000_000;
        let cases = [
            (consecutive(1), 3, 0.05),
            (consecutive(2), 3, 0.05),
            (consecutive(2), 7, 0.3),
            (consecutive(4), 2, 0.2),
            (window(1, 5), 3, 0.02),
            (window(2, 3), 3, 0.05),
            (window(4, 10), 3, 0.05),
            (window(4, 10), 3, 0.25),
            (window(6, 9), 3, 0.2),
            (window(5, 5), 3, 0.2),
            (window(3, 12), 4, 0.03),
            (window(11, 12), 2, 0.6),
        ];
        for (seed, (rule, passes, failure)) in (1..).zip(cases) {
            let expected = per_run(rule, passes, failure) * f64::from(RUNS);
            let seen = f64::from(seen(rule, passes, failure, RUNS, seed));
            // Renewals are counted at most as unevenly as a Poisson process is where cycles are long: five standard deviations.
            assert!((seen - expected).abs() < 5.0 * expected.sqrt() + 1.0, "{rule:?} at {failure}: {seen}, not {expected:.1}");
            assert!(expected > 50.0, "{rule:?} at {failure} pages too seldom to prove anything");
        }
    }

    #[test]
    fn the_estimate_for_wide_windows_lies_above_what_is_drawn_and_not_far() {
        for (seed, (failures, of, failure)) in (1..).zip([(4, 20, 0.03), (5, 20, 0.05), (3, 30, 0.01), (6, 13, 0.15)]) {
            let expected = per_run(window(failures, of), 3, failure) * 2_000_000.0;
            let seen = f64::from(seen(window(failures, of), 3, failure, 2_000_000, seed));
            assert!(
                seen < expected + 5.0 * expected.sqrt() && expected < 2.0 * seen,
                "{failures} of {of}: {seen}, {expected:.1}"
            );
        }
    }

    #[test]
    fn the_estimate_for_all_canaries_together_lies_above_what_is_drawn_and_not_far() {
        // The runs of all canaries, one after the other, are one course; it begins anew after three passes in a row at the soonest.
        const RUNS: u32 = 4_000_000;
        for (seed, (failures, of, failure)) in (1..).zip([(7, 36, 0.05), (8, 36, 0.05), (6, 18, 0.08), (11, 36, 0.12)]) {
            let expected = crossings(failures, of, failure) * f64::from(RUNS);
            let seen = f64::from(seen(window(failures, of), 3, failure, RUNS, seed));
            assert!(
                seen < expected + 5.0 * expected.sqrt() && expected < 2.0 * seen,
                "{failures} of {of} at {failure}: {seen}, {expected:.1}"
            );
        }
    }

    #[test]
    fn pages_of_all_canaries_together_are_added_and_the_rarer_rule_has_less_than_one() {
        let minute = Cadence::Every(Duration::from_mins(1));
        let with = |failures: u32, of: u32| {
            let [failures, of] = [failures, of].map(|number| NonZeroU32::new(number).unwrap());
            AlertPolicy { rule: window(6, 9), across: Some(AcrossPolicy { failures, of }), ..AlertPolicy::default() }
        };
        let month = |policy: &AlertPolicy| per_month(policy, 0.95, 18, &minute, 1);
        // 777,600 runs; C(35, 10) = 183,579,396 ways to place ten failures before the eleventh, 0.05¹¹ × 0.95²⁶ = 1.287 × 10⁻¹⁵.
        assert!((across_per_month(&with(11, 36), 0.95, 18, &minute, 1) - 0.1837).abs() < 0.0005);
        let alone = AlertPolicy { across: None, ..with(11, 36) };
        assert!((month(&with(11, 36)) - month(&alone) - 0.1837).abs() < 0.0005);
        let (rarer, pages) = rarer_across(&with(4, 36), 0.95, 18, &minute, 1).unwrap();
        assert_eq!((rarer.failures.get(), rarer.of.get()), (11, 36));
        assert!(pages < 1.0 && across_per_month(&with(10, 36), 0.95, 18, &minute, 1) >= 1.0);
        assert_eq!(rarer_across(&with(4, 5), 0.5, 18, &minute, 1), None);
        let muted = AlertPolicy { page: false, ..with(4, 36) };
        assert!(month(&muted).abs() < f64::EPSILON);
    }

    #[test]
    fn failures_in_a_row_are_a_window_as_wide_as_they_are() {
        for failures in 1..=6 {
            let [row, wide] = [consecutive(failures), window(failures, failures)].map(|rule| per_run(rule, 3, 0.07));
            assert!((row / wide - 1.0).abs() < 1e-9, "{failures}: {row} {wide}");
        }
    }

    #[test]
    fn worked_numbers_per_month() {
        // One canary a minute that fails 5 % of the time: 43,200 runs; a page takes 1/p² + 1/p = 420 runs, and three passes
        // in a row (0.95⁻³ − 1) ÷ 0.05 = 3.33.
        let minute = Cadence::Every(Duration::from_mins(1));
        let month = |success, canaries, runs| per_month(&AlertPolicy::default(), success, canaries, &minute, runs);
        assert!((month(0.95, 1, 1) - 43_200.0 / 423.3).abs() < 0.05, "{}", month(0.95, 1, 1));
        assert!((month(0.95, 6, 1) - 6.0 * month(0.95, 1, 1)).abs() < 1e-9);
        // Three runs at each tick make it three times as often, less what the longer way back to well takes.
        assert!(month(0.95, 1, 3) < 3.0 * month(0.95, 1, 1) && month(0.95, 1, 3) > 2.9 * month(0.95, 1, 1));
        assert!(month(1.0, 100, 3).abs() < f64::EPSILON);
        let muted = AlertPolicy { page: false, ..AlertPolicy::default() };
        assert!(per_month(&muted, 0.5, 9, &minute, 1).abs() < f64::EPSILON);
    }

    #[test]
    fn a_cron_expression_ticks_as_often_as_the_interval_that_it_means() {
        let of = |text: &str| {
            let cron =
                croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build().parse(text).unwrap();
            ticks_per_day(&Cadence::cron(cron, chrono_tz::UTC))
        };
        assert!((of("*/5 * * * *") - 288.0).abs() < 1e-9);
        assert!((of("0 6 * * *") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_rarer_rule_pages_less_than_once_a_month_and_no_quicker_one_does() {
        let minute = Cadence::Every(Duration::from_mins(1));
        let policy = AlertPolicy::default();
        let (rule, pages) = rarer(&policy, 0.95, 18, &minute, 1).unwrap();
        assert!(pages < 1.0);
        let PageRule::Window { failures, of } = rule else { panic!("{rule:?}") };
        let with = |rule| per_month(&AlertPolicy { rule, ..policy.clone() }, 0.95, 18, &minute, 1);
        assert_eq!((failures.get(), of.get()), (6, 9));
        assert!(with(window(6, 10)) >= 1.0 && with(window(5, 7)) >= 1.0);
        assert_eq!(rarer(&policy, 0.1, 18, &minute, 1), None);
    }

    #[test]
    fn a_plan_that_promises_nothing_pages_nothing_by_chance_and_not_minus_nothing() {
        let plan = crate::plan::testing::plan(Vec::new(), &[]);
        assert_eq!(format!("{:.2}", of_plan(&plan)), "0.00");
    }
}
