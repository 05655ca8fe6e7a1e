//! Pages by pure chance: the shipped probes' rules on simulated weeks, against the formula that `check` goes by.

#[path = "support/weeks.rs"]
mod weeks;

use serinus::alert::canary::CanaryRule;
use serinus::plan::{AlertPolicy, PageRule, chance};

use weeks::{Seldom, canaries, shipped, simulate};

const WEEKS: u32 = 2;

#[test]
fn the_shipped_probes_page_by_chance_less_than_once_a_month() {
    let plan = shipped();
    let pages = chance::of_plan(&plan);
    assert!(pages > 0.0 && pages < 1.0, "{pages} a month");
}

#[test]
fn weeks_in_which_objectives_are_just_kept_page_as_seldom_as_expected() {
    let plan = shipped();
    let mut all = Seldom::default();
    for (seed, probe) in (1..).zip(&plan.probes) {
        all.add(&simulate(probe, CanaryRule::of(probe), &canaries(&plan, probe), WEEKS, seed));
    }
    // Of a Poisson variable with mean 0.25 more than 4 are seen less than once in 100,000 seeds.
    assert!(all.opened <= all.crossed && all.crossed <= 4, "{all:?}");
    assert_eq!((all.budget, all.latency), ([0, 0], [0, 0]), "{all:?}");
    assert!(all.runs > 400_000, "{all:?}");
}

#[test]
fn two_failures_in_a_row_would_page_as_often_as_the_formula_says() {
    let plan = shipped();
    let shipped = plan.probes.iter().find(|probe| &*probe.name == "playlist-sync").expect("it is shipped");
    let mut canaries = canaries(&plan, shipped);
    canaries.truncate(4);
    let rule = PageRule::Consecutive(2.try_into().expect("it is not 0"));
    let policy = AlertPolicy { rule, ..shipped.alert.clone() };
    let success = shipped.slo.as_ref().and_then(|slo| slo.success).expect("it promises a share");
    let a_month = chance::per_month(&policy, success, canaries.len(), &shipped.cadence, shipped.runs);
    let expected = a_month * f64::from(WEEKS) * 7.0 / 30.0;
    let seen = simulate(shipped, CanaryRule { rule, ..CanaryRule::of(shipped) }, &canaries, WEEKS, 7);
    let crossed = f64::from(seen.crossed);
    assert!((crossed - expected).abs() < 5.0 * expected.sqrt(), "{crossed}, not {expected:.1}");
}
