//! An hour of a canary, and its ticks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::testing::{at, at_ms, canary, run, runs};
use super::super::{
    HourCounts, ProbeCounts, ProbeRollups, ProbeTotal, RollupFilter, RollupView, RunCounts, Sketch, Store, TickView,
};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::testing::warned;
use crate::outcome::{Reason, RunReport, Verdict};
use crate::plan::Canary;

const HOUR: u64 = 3_600;

on_every_store!(
    an_hour_tells_how_far_runs_came_how_long_steps_took_and_why_runs_ended,
    each_tick_that_counted_is_there_with_its_verdict,
    the_hours_of_a_probe_and_of_all_canaries_are_those_of_each_by_hour_and_then_by_canary,
    whole_days_tell_what_their_hours_tell_also_after_a_late_run,
);

fn of(probe: &str, since_ms: i64, until_ms: i64) -> RollupFilter {
    RollupFilter { probe: probe.to_owned(), since_ms, until_ms, ..RollupFilter::default() }
}

/// A run that did not pass for this reason.
fn ended(canary: &Arc<Canary>, verdict: Verdict, reason: Reason, due: u64) -> RunReport {
    let mut report = run(canary, verdict, due);
    report.cause.as_mut().unwrap().reason = reason;
    report
}

fn near(durations: &Sketch, exact: u64) -> bool {
    durations.percentile(50).unwrap().abs_diff(exact) * 100 <= exact * 5 + 100
}

async fn an_hour_tells_how_far_runs_came_how_long_steps_took_and_why_runs_ended(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    store.record(runs((0..4).map(|at| run(&eu, Verdict::Passed, at * 60))));
    settle(&store).await;
    store.housekeep(at(300)).await.unwrap();
    let mut first_step_only = ended(&eu, Verdict::Failed, Reason::Timeout, 300);
    first_step_only.steps.truncate(1);
    let mut in_vain = ended(&eu, Verdict::Failed, Reason::Expectation, 240);
    in_vain.steps[1].convergence = None;
    // It held, and then it did not go on to.
    let did_not_stay = ended(&eu, Verdict::Failed, Reason::Expectation, 270);
    let mut looped = run(&eu, Verdict::Passed, 360);
    looped.steps.push(looped.steps[1].clone());
    store.record(runs([
        in_vain,
        did_not_stay,
        first_step_only,
        looped,
        ended(&eu, Verdict::Errored, Reason::Stall, 420),
        ended(&eu, Verdict::Errored, Reason::Stall, 480),
    ]));
    settle(&store).await;
    store.housekeep(at(500)).await.unwrap();

    let hours = store.rollups("p/eu".to_owned(), at_ms(0), at_ms(HOUR)).await.unwrap();
    assert_eq!(hours.len(), 1);
    let hour = &hours[0];
    assert_eq!((hour.counts.passed, hour.counts.failed, hour.counts.errored), (5, 3, 2));
    let reasons = [("expectation", 2), ("stall", 2), ("timeout", 1)].map(|(word, count)| (word.to_owned(), count));
    assert_eq!(hour.reasons, BTreeMap::from(reasons));
    assert_eq!(hour.durations.count(), 5);
    let [create, read] = &hour.steps[..] else { panic!("{:?}", hour.steps) };
    assert_eq!((create.name.as_str(), read.name.as_str()), ("create", "read on the second device"));
    assert_eq!((create.reached, create.failed, create.lost), (8, 0, 0), "what the prober spoilt itself says nothing");
    assert_eq!((read.reached, read.failed, read.lost), (7, 2, 1), "a loop comes by often in one run");
    assert_eq!((create.durations.count(), read.durations.count()), (8, 6), "only where it passed, and each time in a loop");
    assert!(near(&create.durations, 1_200) && near(&read.durations, 30_000) && near(&read.convergence, 29_000), "{read:?}");
    assert_eq!(create.convergence.count(), 0);
}

async fn each_tick_that_counted_is_there_with_its_verdict(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    store.record(runs((0..60).map(|at| run(&eu, Verdict::Passed, at * 60))));
    let mut by_hand = runs([run(&eu, Verdict::Failed, 30)]);
    by_hand.runs[0].counted = false;
    store.record(by_hand);
    settle(&store).await;
    store.housekeep(at(HOUR)).await.unwrap();
    // A slow run of the hour before ends after two of the next one.
    store.record(runs([
        ended(&eu, Verdict::Missed, Reason::Overload, HOUR + 60),
        run(&eu, Verdict::Passed, HOUR),
        ended(&eu, Verdict::Failed, Reason::Timeout, HOUR - 1),
    ]));
    settle(&store).await;
    store.housekeep(at(HOUR + 90)).await.unwrap();

    let all = store.ticks("p/eu".to_owned(), i64::MIN, i64::MAX).await.unwrap();
    assert_eq!(all.len(), 63);
    assert!(all.windows(2).all(|pair| pair[0].due_ms <= pair[1].due_ms));
    let tick = |due, verdict, reason| TickView { due_ms: at_ms(due), verdict, reason };
    let last = [
        tick(59 * 60, Verdict::Passed, None),
        tick(HOUR - 1, Verdict::Failed, Some(Reason::Timeout)),
        tick(HOUR, Verdict::Passed, None),
        tick(HOUR + 60, Verdict::Missed, Some(Reason::Overload)),
    ];
    assert_eq!(all[59..], last);
    assert_eq!(store.ticks("p/eu".to_owned(), at_ms(HOUR - 1), at_ms(HOUR + 60)).await.unwrap(), last[1..3]);
    assert!(store.ticks("p/us".to_owned(), i64::MIN, i64::MAX).await.unwrap().is_empty());
}

async fn the_hours_of_a_probe_and_of_all_canaries_are_those_of_each_by_hour_and_then_by_canary(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    assert!(store.rollups_of_all(i64::MIN, i64::MAX).await.unwrap().is_empty());
    assert!(store.rollups_of_probe(of("p", i64::MIN, i64::MAX)).await.unwrap().rollups.is_empty());
    let canaries = [canary("q", "eu"), canary("p", "us"), canary("p", "eu"), canary("pp", "eu")];
    for canary in &canaries {
        let mut degraded = run(canary, Verdict::Passed, 60);
        degraded.steps.push(warned("search", "latency < 0.3"));
        let others = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Missed, Verdict::Blocked, Verdict::Skipped];
        let others = (0..3).flat_map(|hour| others.iter().map(move |verdict| (hour, *verdict)));
        store.record(runs(others.map(|(hour, verdict)| run(canary, verdict, hour * HOUR)).chain([degraded])));
    }
    settle(&store).await;
    store.housekeep(at(3 * HOUR)).await.unwrap();

    let mut expected = Vec::new();
    for id in ["p/eu", "p/us"] {
        let hours = store.rollups(id.to_owned(), at_ms(0), at_ms(2 * HOUR)).await.unwrap();
        expected.extend(hours.into_iter().map(|hour| (id.to_owned(), hour)));
    }
    expected.sort_by_key(|(canary, hour)| (hour.start_ms, canary.clone()));
    assert_eq!(expected.len(), 4);
    // Hours that began before and after are not there, and the one that goes on then is.
    let expected = ProbeRollups { rollups: expected, cut_ms: None };
    assert_eq!(store.rollups_of_probe(of("p", at_ms(0), at_ms(2 * HOUR))).await.unwrap(), expected);
    assert_eq!(store.rollups_of_probe(of("p", at_ms(1), at_ms(HOUR) + 1)).await.unwrap(), expected);
    assert!(store.rollups_of_probe(of("none", i64::MIN, i64::MAX)).await.unwrap().rollups.is_empty());
    let counts = store.counts_of_probe(of("p", at_ms(1), at_ms(HOUR) + 1)).await.unwrap();
    let both = RunCounts { passed: 2, failed: 2, errored: 2, missed: 2, blocked: 2, skipped: 2, degraded: 0 };
    let first = ProbeCounts { start_ms: at_ms(0), counts: RunCounts { passed: 4, degraded: 2, ..both } };
    assert_eq!(counts, [first, ProbeCounts { start_ms: at_ms(HOUR), counts: both }]);
    let us = RollupFilter { canary: Some("p/us".to_owned()), ..of("p", at_ms(HOUR), at_ms(HOUR) + 1) };
    assert_eq!(store.rollups_of_probe(us.clone()).await.unwrap().rollups[..], expected.rollups[3..]);
    assert_eq!(store.counts_of_probe(us).await.unwrap()[0].counts.failed, 1);

    let totals = store.totals_of_probes(None, at_ms(HOUR), at_ms(HOUR) + 1).await.unwrap();
    let said: Vec<_> = totals.iter().map(|total| (&*total.probe, total.kept_since_ms, total.counts.passed)).collect();
    assert_eq!(said, [("p", at_ms(0), 2), ("pp", at_ms(0), 1), ("q", at_ms(0), 1)]);
    let late = store.totals_of_probes(Some("p".to_owned()), at_ms(9 * HOUR), at_ms(10 * HOUR)).await.unwrap();
    assert_eq!(late, [ProbeTotal { counts: RunCounts::default(), ..totals[0].clone() }], "it is kept, and nothing ran then");
    assert!(store.totals_of_probes(Some("none".to_owned()), at_ms(0), at_ms(HOUR)).await.unwrap().is_empty());

    let all = store.rollups_of_all(at_ms(0), at_ms(2 * HOUR)).await.unwrap();
    let places: Vec<_> = all.iter().map(|hour| (hour.hour_ms, &*hour.canary)).collect();
    let of_hour = |hour| ["p/eu", "p/us", "pp/eu", "q/eu"].map(|canary| (at_ms(hour * HOUR), canary));
    assert_eq!(places, [of_hour(0), of_hour(1)].concat());
    let counts = |hour: &HourCounts| {
        let RunCounts { passed, failed, errored, missed, blocked, skipped, degraded } = hour.counts;
        [passed, failed, errored, missed, blocked, skipped, degraded]
    };
    assert_eq!((counts(&all[0]), counts(&all[7])), ([2, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0]));
    assert_eq!(store.rollups_of_all(i64::MIN, i64::MAX).await.unwrap().len(), 12);
}

/// Passed and failed runs, durations, reasons, and of each step how many came to it and durations.
type Day = (u64, u64, u64, BTreeMap<String, u64>, Vec<(String, u64, u64)>);

/// What rollups say of each canary and day.
fn by_day(found: ProbeRollups) -> BTreeMap<(String, i64), Day> {
    let mut days: BTreeMap<_, RollupView> = BTreeMap::new();
    for (canary, hour) in found.rollups {
        let day = hour.start_ms.div_euclid(24 * 3_600_000);
        let Some(sum) = days.get_mut(&(canary.clone(), day)) else {
            days.insert((canary, day), hour);
            continue;
        };
        sum.counts.add(hour.counts);
        sum.durations.merge(&hour.durations);
        hour.reasons.into_iter().for_each(|(reason, count)| *sum.reasons.entry(reason).or_default() += count);
        for (step, more) in sum.steps.iter_mut().zip(hour.steps) {
            step.reached += more.reached;
            step.durations.merge(&more.durations);
        }
    }
    let steps =
        |day: &RollupView| day.steps.iter().map(|step| (step.name.clone(), step.reached, step.durations.count())).collect();
    let said = |day: RollupView| (day.counts.passed, day.counts.failed, day.durations.count(), day.reasons.clone(), steps(&day));
    days.into_iter().map(|(key, day)| (key, said(day))).collect()
}

/// The counts in all, which are the same however they come.
async fn counted(store: &dyn Store, filter: RollupFilter) -> (u64, u64) {
    let is_of_all = filter.canary.is_none();
    let total = store.totals_of_probes(Some(filter.probe.clone()), filter.since_ms, filter.until_ms).await.unwrap();
    let counts = store.counts_of_probe(filter).await.unwrap();
    let mut sum = RunCounts::default();
    for counts in &counts {
        sum.add(counts.counts);
    }
    assert!(!is_of_all || total[0].counts == sum, "{total:?}");
    counts.iter().fold((0, 0), |(passed, failed), sum| (passed + sum.counts.passed, failed + sum.counts.failed))
}

async fn whole_days_tell_what_their_hours_tell_also_after_a_late_run(under_test: &StoreUnderTest) {
    const DAY: u64 = 24 * HOUR;
    let (store, _) = under_test.open().await;
    let midnight = DAY - u64::try_from(at_ms(0) / 1_000).unwrap() % DAY;
    let (eu, us) = (canary("p", "eu"), canary("p", "us"));
    for day in 0..5 {
        for hour in [0, 1, 13, 23] {
            let due = midnight + day * DAY + hour * HOUR;
            let failed = ended(&us, Verdict::Failed, Reason::Timeout, due + 60);
            store.record(runs([run(&eu, Verdict::Passed, due), run(&us, Verdict::Passed, due), failed]));
            settle(&store).await;
            store.housekeep(at(due + 120)).await.unwrap();
        }
    }
    let from = at_ms(midnight) + 13 * 3_600_000;
    let until = at_ms(midnight + 5 * DAY);
    let whole = |is_by_day| RollupFilter { by_day: is_by_day, ..of("p", from, until) };
    let same = async |filter: RollupFilter| {
        let by_hour = RollupFilter { by_day: false, ..filter.clone() };
        let days = by_day(store.rollups_of_probe(filter.clone()).await.unwrap());
        assert_eq!(days, by_day(store.rollups_of_probe(by_hour.clone()).await.unwrap()));
        let counts = counted(&*store, filter).await;
        assert_eq!(counts, counted(&*store, by_hour).await);
        counts
    };
    assert_eq!(same(whole(true)).await, (2 * 18, 18));
    assert_eq!(same(RollupFilter { canary: Some("p/us".to_owned()), ..whole(true) }).await, (18, 18));

    // Late, in a day that is summed, by a canary that was there and by one that was not.
    let ap = canary("p", "ap");
    let late = midnight + 2 * DAY + 600;
    store.record(runs([ended(&eu, Verdict::Failed, Reason::Dns, late), run(&ap, Verdict::Passed, late)]));
    settle(&store).await;
    store.housekeep(at(midnight + 5 * DAY)).await.unwrap();
    assert_eq!(same(whole(true)).await, (2 * 18 + 1, 19));
}
