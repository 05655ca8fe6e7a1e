//! When canaries are without data, for which scope, and that timers are cheap.

use proptest::prelude::*;

use super::*;
use crate::alert::condition::testing::{Harness, named, plan};
use crate::alert::testing::moment;
use crate::outcome::Verdict::{Blocked, Errored, Failed, Missed, Passed, Skipped};
use crate::plan::{AlertPolicy, Cadence, Plan, Probe};

const PAGE: State = State::Failing(Level::Page);

/// One probe in so many regions.
fn regions(number: usize) -> Harness {
    let names: Vec<String> = (0..number).map(|at| format!("r{at:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Harness::new(plan(vec![named("p", AlertPolicy::default())], &names, &[]))
}

/// Probes of which each has one canary in one region.
fn probes(number: usize) -> Arc<Plan> {
    plan((0..number).map(|at| named(&format!("p{at:02}"), AlertPolicy::default())).collect(), &["eu"], &[])
}

fn fails(harness: &Harness, canary: usize) -> bool {
    harness.state(&harness.no_data_key(canary)) != State::Well
}

/// How many came to be without data up to that second.
fn joins(harness: &mut Harness, second: u64) -> usize {
    let changed = harness.clock(second);
    changed.iter().filter(|changed| changed.fact.as_ref().is_some_and(|fact| fact.state == PAGE)).count()
}

#[test]
fn a_canary_is_without_data_after_three_ticks_and_not_before_five_minutes() {
    use Reason::{Guard, Overload, Secret, SelfCheck};
    let at = |interval: u64, reason| {
        let cadence = Cadence::Every(Duration::from_secs(interval));
        let mut harness = Harness::new(plan(vec![Probe { cadence, ..named("p", AlertPolicy::default()) }], &["eu", "us"], &[]));
        harness.run(0, Passed, 1);
        let mut ticks = (1..=40).filter_map(|tick| {
            let report = harness.report(0, Verdict::of(reason), Some(reason));
            harness.take(Input::Run(&report), 100_000 + tick * interval);
            // Until just before the next tick.
            let until = 100_000 + (tick + 1) * interval - 1;
            (fails(&harness, 0) || joins(&mut harness, until) > 0).then(|| (tick, harness.facts[&harness.no_data_key(0)].since))
        });
        let (tick, since) = ticks.next().unwrap();
        assert_eq!(since, moment(100_000 + interval).steady, "since the first of those ticks");
        tick
    };
    assert_eq!(at(10, SelfCheck), 31, "five minutes after the first");
    assert_eq!(at(300, Overload), 3, "five minutes are over at the second");
    assert_eq!(at(10, Secret), 2, "it will not go away by itself");
    assert_eq!(at(10, Guard), 2);
    assert_eq!(at(7_200, SelfCheck), 1, "of rare ticks one is too many");
}

#[test]
fn it_fails_when_its_time_is_up_and_is_well_with_its_next_counted_run() {
    for result in [Passed, Failed] {
        let mut harness = regions(2);
        harness.run(0, Passed, 60);
        assert_eq!(joins(&mut harness, 100_000), 0, "no tick was due, so none is missing");
        for second in [100_060, 100_120, 100_180] {
            harness.run(0, Errored, second);
        }
        assert_eq!((joins(&mut harness, 100_359), joins(&mut harness, 100_360)), (0, 1));
        harness.run(0, Errored, 100_361);
        assert_eq!(joins(&mut harness, 200_000), 0, "once");
        harness.run(0, result, 200_001);
        assert!(!fails(&harness, 0));
        for second in [200_060, 200_120, 200_180] {
            harness.run(0, Errored, second);
        }
        assert_eq!((joins(&mut harness, 200_359), joins(&mut harness, 200_360)), (0, 1), "and may again");
    }
}

#[test]
fn a_pause_lets_nobody_come_to_it_and_nobody_leave() {
    let mut harness = regions(2);
    harness.run(0, Passed, 60);
    for second in [120, 180, 240] {
        harness.run(0, Errored, second);
        harness.run(1, Errored, second);
    }
    harness.run(0, Skipped, 300);
    assert_eq!(joins(&mut harness, 100_000), 1, "only the one that is not paused");
    harness.run(1, Skipped, 100_000);
    assert!(fails(&harness, 1), "it was without before the pause, and is");
    // Three minutes had gone by before the pause.
    harness.run(0, Errored, 200_000);
    assert_eq!((joins(&mut harness, 200_119), joins(&mut harness, 200_120)), (0, 1));
}

#[test]
fn a_tick_that_waits_for_a_run_counts_when_that_run_ended_without_a_count_or_is_past_its_deadline() {
    // Ticks a minute apart; after how many seconds it is without data, if it ever is.
    let fails_after = |ends: &[(Verdict, Reason)]| {
        let mut harness = regions(2);
        harness.run(0, Passed, 100_000);
        for (minute, (verdict, reason)) in (1..).zip(ends) {
            let report = harness.report(0, *verdict, (*verdict != Passed).then_some(*reason));
            harness.take(Input::Run(&report), 100_000 + minute * 60);
        }
        (0..3_000).find(|second| {
            harness.clock(100_000 + second);
            fails(&harness, 0)
        })
    };
    let overlap = (Missed, Reason::Overlap);
    let minutes = |minutes: u64| Some(minutes * 60);
    assert_eq!(fails_after(&[(Missed, Reason::Overload); 2]), None, "two ticks are not enough");
    assert_eq!(fails_after(&[(Missed, Reason::Overload); 3]), minutes(1 + 5));
    // The deadline of 20 s and ten more are over long before the five minutes are.
    assert_eq!(fails_after(&[overlap; 3]), minutes(1 + 5));
    assert_eq!(fails_after(&[overlap, overlap, overlap, (Failed, Reason::Timeout)]), None, "it failed, which is a result");
    assert_eq!(fails_after(&[overlap, overlap, (Errored, Reason::Stall)]), minutes(1 + 5), "it was none: what waited counts");
    assert_eq!(fails_after(&[overlap, overlap, overlap, (Skipped, Reason::Paused)]), None, "a pause lets it stand");
}

#[test]
fn ticks_wait_as_long_as_the_run_they_wait_for_may_take() {
    let slow = Probe { deadline: Duration::from_mins(20), ..named("p", AlertPolicy::default()) };
    let mut harness = Harness::new(plan(vec![slow], &["eu", "us"], &[]));
    harness.run(0, Passed, 100_000);
    for minute in 1..=10 {
        let report = harness.report(0, Missed, Some(Reason::Overlap));
        harness.take(Input::Run(&report), 100_000 + minute * 60);
    }
    // Its deadline and ten seconds, from the first tick that waits.
    let bound = 100_000 + 60 + 20 * 60 + 10;
    assert_eq!((joins(&mut harness, bound - 1), joins(&mut harness, bound)), (0, 1));
}

#[test]
fn a_probe_of_office_hours_is_not_without_data_at_the_weekend_and_is_on_monday_when_nothing_counts() {
    let parser = croner::parser::CronParser::new();
    let office = Cadence::cron(parser.parse("* 9-17 * * 1-5").unwrap(), chrono_tz::UTC);
    let mut harness =
        Harness::new(plan(vec![Probe { cadence: office, ..named("p", AlertPolicy::default()) }], &["eu", "us"], &[]));
    // The store's moment is a Friday at 11:33; its last minute has two ticks without data, then come 63 hours without a tick.
    let hour = 3_600;
    harness.run(0, Passed, 100 * hour);
    for second in [60, 120] {
        harness.run(0, Errored, 100 * hour + second);
    }
    assert_eq!(joins(&mut harness, 163 * hour), 0, "no tick was due");
    harness.run(0, Errored, 163 * hour + 140);
    assert_eq!(joins(&mut harness, 163 * hour + 140), 1, "Monday's first tick is the third without data");
}

#[test]
fn it_is_about_the_probe_until_more_than_half_of_the_region_or_ten_probes_are_without() {
    for (canaries, without, of_region) in
        [(1, 1, true), (2, 1, false), (2, 2, true), (3, 2, true), (40, 10, false), (40, 11, true)]
    {
        let mut harness = Harness::new(probes(canaries));
        for canary in 0..without {
            harness.run(canary, Blocked, 10_000);
            harness.run(canary, Blocked, 10_060);
        }
        harness.clock(20_000);
        assert_eq!(harness.facts.len(), without);
        for canary in 0..without {
            let probe: Arc<str> = format!("p{canary:02}").into();
            let scope = if of_region { Scope::Blind("eu".into()) } else { Scope::NoData(probe) };
            assert_eq!(harness.facts[&harness.no_data_key(canary)].scope, scope, "{without} of {canaries}");
        }
    }
}

#[test]
fn an_outage_of_a_region_is_about_the_region_from_its_first_canary_on_though_their_ticks_are_spread() {
    // How many of nine go on without data, the ticks that the others miss, and how many are without data with the first.
    for (out, blip, with_the_first) in [(9, 0, 9), (5, 0, 5), (4, 0, 1), (4, 1, 1), (1, 1, 1)] {
        let mut harness = Harness::new(probes(9));
        for second in (10_000..10_300).step_by(60) {
            for canary in 0..9 {
                let late = second >= 10_300 - 60 * blip;
                let verdict = if canary < out || late { Errored } else { Passed };
                harness.run(canary, verdict, second + canary as u64 * 6);
            }
        }
        assert_eq!(joins(&mut harness, 10_299), 0);
        assert_eq!(joins(&mut harness, 10_300), with_the_first, "{out} of 9 are out, {blip}");
        let of_region = harness.facts.values().filter(|fact| fact.scope == Scope::Blind("eu".into())).count();
        assert_eq!(of_region, if with_the_first > 1 { with_the_first } else { 0 });
    }
}

#[test]
fn whose_run_is_still_going_is_not_without_data_with_the_others() {
    let slow = |name: &str| Probe { deadline: Duration::from_mins(20), ..named(name, AlertPolicy::default()) };
    let probes = vec![named("p0", AlertPolicy::default()), named("p1", AlertPolicy::default()), slow("p2"), slow("p3")];
    let mut harness = Harness::new(plan(probes, &["eu"], &[]));
    for second in (10_000..10_300).step_by(60) {
        for canary in 0..4 {
            let (verdict, reason) = if canary < 2 { (Errored, Reason::SelfCheck) } else { (Missed, Reason::Overlap) };
            let report = harness.report(canary, verdict, Some(reason));
            harness.take(Input::Run(&report), second + canary as u64);
        }
    }
    assert_eq!(joins(&mut harness, 10_300), 1, "two of four are no more than half");
    assert_eq!(joins(&mut harness, 10_301), 1);
    assert!(harness.facts.values().all(|fact| matches!(fact.scope, Scope::NoData(_))));
}

#[test]
fn it_stays_about_the_region_until_none_is_without_also_over_a_restart() {
    let mut harness = Harness::new(probes(4));
    for canary in 0..3 {
        harness.run(canary, Blocked, 10_000);
        harness.run(canary, Blocked, 10_060);
    }
    harness.clock(10_060);
    let scopes = |harness: &Harness| harness.facts.values().map(|fact| fact.scope.to_string()).collect::<Vec<_>>();
    assert_eq!(scopes(&harness), ["blind/eu"; 3]);
    harness.run(0, Passed, 10_100);
    harness.run(1, Passed, 10_100);
    assert_eq!(scopes(&harness), ["blind/eu"; 1]);
    harness.restart(10_200);
    assert_eq!(scopes(&harness), ["blind/eu"; 1], "one of four alone would not be");
    harness.run(2, Passed, 10_300);
    harness.run(3, Blocked, 10_400);
    harness.run(3, Blocked, 10_460);
    harness.clock(10_460);
    assert_eq!(scopes(&harness), ["no-data/p03"]);
}

#[test]
fn it_says_why_and_again_when_that_changes() {
    let mut harness = regions(2);
    harness.run(0, Blocked, 10_000);
    let told = harness.run(0, Blocked, 10_060);
    assert!(told.is_empty() && fails(&harness, 0) || joins(&mut harness, 10_060) == 1);
    let fact = &harness.facts[&harness.no_data_key(0)];
    assert_eq!((fact.reason.as_deref(), fact.words.as_deref()), (Some("guard"), Some("it went wrong")));
    assert!(harness.run(0, Blocked, 10_120).is_empty(), "the same again is no news");
    let told = harness.run(0, Errored, 10_180);
    assert_eq!(told[0].fact.as_ref().unwrap().reason.as_deref(), Some("self_check"));
}

#[test]
fn nobody_is_woken_where_the_probe_or_the_rule_wakes_nobody() {
    for (probe_pages, rule_pages, level) in [(true, true, Level::Page), (false, true, Level::Warn), (true, false, Level::Warn)] {
        let mut harness =
            Harness::new(plan(vec![named("p", AlertPolicy { page: probe_pages, ..AlertPolicy::default() })], &["eu"], &[]));
        let blind = BlindRule { page: rule_pages, ..harness.alerting.blind };
        harness.alerting = Arc::new(crate::plan::Alerting { blind, ..crate::plan::Alerting::default() });
        harness.apply(Arc::clone(&harness.plan), 1);
        harness.run(0, Blocked, 10_000);
        harness.run(0, Blocked, 10_060);
        harness.clock(10_060);
        assert_eq!(harness.state(&harness.no_data_key(0)), State::Failing(level));
    }
}

#[test]
fn a_start_gives_each_canary_time_for_its_next_run_unless_the_one_before_had_just_been() {
    // How long the process before lived, in seconds; after how many it is without data.
    for (lived, after) in [(300, 60 + 20 + 10), (299, 0)] {
        let mut harness = regions(2);
        // It had two ticks without data long ago, and more are reported at the second start.
        harness.run(0, Errored, 10_000);
        harness.run(0, Errored, 10_060);
        for second in [50_000, 50_000 + lived] {
            harness.restart(second);
            harness.take(Input::Started { graceful_before: true }, second);
        }
        let start = 50_000 + lived;
        let down = harness.missed(0, Reason::Down, 50);
        harness.take(Input::TicksMissed(&down), start);
        let first = (0..1_000).find(|second| joins(&mut harness, start + second) > 0);
        assert_eq!(first, Some(after), "lived for {lived} s");
    }
}

#[test]
fn what_was_without_data_before_a_restart_still_is() {
    let mut harness = regions(2);
    for second in [10_000, 10_060, 10_120] {
        harness.run(0, Errored, second);
        harness.run(1, Errored, second);
    }
    assert_eq!(joins(&mut harness, 10_300), 2);
    harness.run(1, Passed, 10_310);
    harness.restart(10_320);
    assert!(fails(&harness, 0) && !fails(&harness, 1));
    assert_eq!(harness.facts[&harness.no_data_key(0)].since, moment(10_000).steady);
    harness.run(0, Passed, 10_330);
    assert!(!fails(&harness, 0));
}

#[test]
fn a_canary_at_rest_before_the_start_is_given_time_for_one_run() {
    // It had two ticks without data long ago; the third is reported at the start.
    let mut harness = regions(2);
    harness.run(0, Errored, 10_000);
    harness.run(0, Errored, 10_060);
    harness.restart(20_000);
    let missed = harness.missed(0, Reason::Crashed, 5);
    harness.take(Input::TicksMissed(&missed), 20_000);
    assert_eq!((joins(&mut harness, 20_089), joins(&mut harness, 20_090)), (0, 1));
}

#[test]
fn one_that_is_removed_is_not_watched_any_more() {
    let mut harness = regions(2);
    for second in [10_000, 10_060, 10_120] {
        harness.run(0, Errored, second);
        harness.run(1, Errored, second);
    }
    assert_eq!(joins(&mut harness, 10_300), 2);
    let gone = harness.no_data_key(0);
    let changed = harness.apply(plan(vec![named("p", AlertPolicy::default())], &["r00001"], &[]), 10_400);
    assert!(changed.contains(&Changed::removed(gone)));
    assert_eq!(harness.facts.len(), 1);
}

#[test]
fn an_edited_rule_holds_from_then_on() {
    let mut harness = regions(2);
    for second in [10_000, 10_060, 10_120] {
        harness.run(0, Errored, second);
    }
    let blind = BlindRule { at_least: Duration::from_mins(10), ..harness.alerting.blind };
    harness.alerting = Arc::new(crate::plan::Alerting { blind, ..crate::plan::Alerting::default() });
    harness.apply(Arc::clone(&harness.plan), 10_130);
    assert_eq!((joins(&mut harness, 10_599), joins(&mut harness, 10_600)), (0, 1));
}

#[test]
fn what_is_closed_begins_anew() {
    let mut harness = regions(2);
    harness.run(0, Blocked, 10_000);
    harness.run(0, Blocked, 10_060);
    harness.clock(10_060);
    let closed = harness.conditions.close(&[harness.no_data_key(0)], moment(10_070));
    assert_eq!(closed.iter().map(|changed| changed.fact.as_ref().unwrap().state).collect::<Vec<_>>(), [State::Well]);
    harness.facts.clear();
    harness.run(0, Blocked, 10_120);
    assert_eq!(joins(&mut harness, 100_000), 0, "one tick is not enough");
    harness.run(0, Blocked, 100_000);
    assert_eq!(joins(&mut harness, 100_000) + usize::from(fails(&harness, 0)), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn who_is_without_data_agrees_with_looking_at_everybody_each_second(
        runs in proptest::collection::vec((0..4_usize, 0..7_usize, 1..200_u64), 0..40),
    ) {
        let mut harness = regions(4);
        let patience = Patience::new(&harness.alerting.blind, &harness.plan.probes[0], Duration::from_mins(1));
        let (mut clocks, mut expected) = ([Clock::default(); 4], [false; 4]);
        let mut second = 10_000;
        for (of, kind, pause) in runs {
            for at in second..second + pause {
                harness.clock(at);
                for canary in 0..4 {
                    expected[canary] |= clocks[canary].due(patience).is_some_and(|due| due <= moment(at).steady);
                    prop_assert_eq!(fails(&harness, canary), expected[canary], "{} at {}", canary, at);
                }
            }
            second += pause;
            let (verdict, reason) = match kind {
                6 => (Missed, Some(Reason::Overlap)),
                _ => (Verdict::ALL[kind], (kind > 1).then_some(Reason::Stall)),
            };
            let report = harness.report(of, verdict, reason);
            harness.take(Input::Run(&report), second);
            clocks[of] = clocks[of].after(verdict, reason, 1, moment(second).steady);
            expected[of] &= !matches!(verdict, Passed | Failed);
            prop_assert_eq!(fails(&harness, of), expected[of]);
        }
    }

    #[test]
    fn what_it_is_about_agrees_with_counting(
        canaries in 1..30_usize,
        steps in proptest::collection::vec((0..30_usize, any::<bool>()), 1..80),
    ) {
        let mut harness = Harness::new(probes(canaries));
        let (mut without, mut blind) = (BTreeSet::new(), false);
        for (second, (canary, data)) in (10_000..).step_by(10).zip(steps) {
            let canary = canary % canaries;
            if data {
                harness.run(canary, Passed, second);
                without.remove(&canary);
            } else {
                harness.run(canary, Blocked, second);
                harness.run(canary, Blocked, second);
                harness.clock(second);
                without.insert(canary);
            }
            blind = !without.is_empty() && (blind || without.len() * 2 > canaries || without.len() > 10);
            let told: BTreeMap<FactKey, bool> =
                harness.facts.iter().map(|(key, fact)| (key.clone(), matches!(fact.scope, Scope::Blind(_)))).collect();
            let expected = without.iter().map(|canary| (harness.no_data_key(*canary), blind)).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
