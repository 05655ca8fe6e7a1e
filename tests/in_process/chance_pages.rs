//! Pages by pure chance: the shipped probes on simulated days, against the formula that `check` goes by.

use serinus::plan::chance;

use crate::days::{Seldom, simulate};
use crate::service::shipped;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

#[test]
fn the_shipped_probes_page_by_chance_less_than_once_a_month() {
    for regions in [&REGIONS[..], &REGIONS[..1]] {
        let pages = chance::of_plan(&shipped(&[], regions, &[]));
        assert!(pages > 0.0 && pages < 1.0, "{pages} a month in {regions:?}");
    }
}

#[test]
fn days_on_which_objectives_are_just_kept_page_as_seldom_as_expected() {
    let mut all = Seldom::default();
    for seen in simulate(&shipped(&[], &REGIONS, &[]), 6, 1).values() {
        all.add(seen);
    }
    // Of a Poisson variable with mean 0.2 more than 4 are seen less than once in 300,000 seeds.
    assert!(all.opened <= 4 && all.together <= all.opened, "{all:?}");
    assert_eq!((all.budget, all.latency), (0, 0), "{all:?}");
    assert!(all.runs > 150_000, "{all:?}");
}

/// What is seen of a probe with another rule on so many days, and what the formula says; of a canary alone, and of all together.
fn compare(rule: &str, across: &str, days: u32) -> (Seldom, [f64; 2]) {
    let replaced = [("window   = { failures = 6, of = 8 }", rule), ("across   = { failures = 16, of = 72 }", across)];
    let plan = shipped(&["playlist-sync"], &REGIONS, &replaced);
    let probe = &plan.probes[0];
    let success = probe.slo.as_ref().and_then(|slo| slo.success).expect("it promises a share");
    let of = [chance::own_per_month, chance::across_per_month];
    let months = f64::from(days) / 30.0;
    let expected = of.map(|of| of(&probe.alert, success, plan.canaries.len(), &probe.cadence, probe.runs) * months);
    (simulate(&plan, days, 7)["playlist-sync"], expected)
}

#[test]
fn two_failures_in_a_row_would_page_as_often_as_the_formula_says() {
    let (seen, [expected, none]) = compare("page_after = 2", "", 2);
    assert!(none.abs() < f64::EPSILON);
    let joined = f64::from(seen.joined);
    assert!((joined - expected).abs() < 5.0 * expected.sqrt(), "{joined}, not {expected:.1}");
}

#[test]
fn canaries_that_fail_together_by_chance_page_at_most_as_often_as_the_formula_says() {
    let (seen, [alone, expected]) = compare("window = { failures = 9, of = 9 }", "across = { failures = 7, of = 36 }", 4);
    let together = f64::from(seen.together);
    assert!(alone < 0.001 && seen.together == seen.opened, "{seen:?}");
    assert!(together < expected + 5.0 * expected.sqrt() && expected < 2.0 * together, "{together}, at most {expected:.1}");
}
