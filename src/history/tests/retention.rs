//! What is old goes, and is counted before it does.

use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{at, at_ms, attempt, canary, incident, outcome, run, runs, timeline};
use super::super::{Commit, RunFilter, Store, TryState};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::Verdict;

const HOUR: u64 = 3_600;

on_every_store!(
    a_clock_that_is_wrong_for_a_minute_removes_nothing,
    rollups_count_each_run_once_also_those_that_come_late,
    passed_runs_go_first_then_the_others_then_their_rollups,
    an_incident_goes_with_all_that_is_its_own_and_one_that_is_open_does_not_grow_for_ever,
);

/// Cleans up at a time that the clock has shown for a day.
async fn housekeep(store: &Arc<dyn Store>, seconds: u64) {
    for seconds in [seconds.saturating_sub(24 * HOUR), seconds] {
        store.housekeep(at(seconds)).await.unwrap();
    }
}

async fn count(store: &Arc<dyn Store>, filter: &RunFilter) -> usize {
    store.runs(filter.clone(), 500, None).await.unwrap().items.len()
}

async fn a_clock_that_is_wrong_for_a_minute_removes_nothing(under_test: &StoreUnderTest) {
    const NOW: u64 = 24 * HOUR * 40;
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    store.record(runs([NOW - 120, NOW - 60, NOW].map(|due| run(&eu, Verdict::Passed, due))));
    settle(&store).await;
    for wrong in [NOW, NOW + 24 * HOUR * 365, NOW + 60, NOW - 24 * HOUR, NOW + 120, NOW + 25 * HOUR, NOW + 180] {
        store.housekeep(at(wrong)).await.unwrap();
        assert_eq!(count(&store, &RunFilter::default()).await, 3, "at {wrong}");
    }
    // A day later the same clock is right, and goes on to be.
    for hour in 0..=24 * 365 {
        store.housekeep(at(NOW + 180 + hour * HOUR)).await.unwrap();
        if count(&store, &RunFilter::default()).await == 0 {
            return;
        }
    }
    panic!("what is old must go in the end");
}

async fn rollups_count_each_run_once_also_those_that_come_late(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let with = |verdict, due, millis| {
        let mut report = run(&eu, verdict, due);
        report.duration = Duration::from_millis(millis);
        report
    };
    store.record(runs((0..100).map(|at| with(Verdict::Passed, at, at + 1))));
    store.record(runs([with(Verdict::Failed, 200, 9_000), with(Verdict::Missed, HOUR, 0)]));
    let mut by_hand = runs([with(Verdict::Failed, 201, 1)]);
    by_hand.runs[0].counted = false;
    store.record(by_hand);
    settle(&store).await;
    housekeep(&store, HOUR).await;
    // Late ones: the store was away, or the clock went back.
    store.record(runs([with(Verdict::Passed, 300, 50), with(Verdict::Errored, 301, 1)]));
    settle(&store).await;
    housekeep(&store, HOUR).await;
    housekeep(&store, HOUR).await;

    let hours = store.rollups("p/eu".to_owned(), at_ms(0), at_ms(2 * HOUR)).await.unwrap();
    assert_eq!(hours.iter().map(|hour| hour.start_ms).collect::<Vec<_>>(), [at_ms(0), at_ms(HOUR)]);
    let first = &hours[0];
    assert_eq!((first.counts.passed, first.counts.failed, first.counts.errored, first.counts.missed), (101, 1, 1, 0));
    assert_eq!(hours[1].counts.missed, 1);
    let near = |percent, exact: u64| first.durations.percentile(percent).unwrap().abs_diff(exact) * 100 <= exact * 5 + 100;
    assert!(near(50, 50_000) && near(95, 95_000) && near(99, 99_000), "{first:?}");
    assert_eq!(hours[1].durations.percentile(50), None, "a tick that did not run took no time");
    assert_eq!(store.rollups("p/eu".to_owned(), at_ms(HOUR), at_ms(2 * HOUR)).await.unwrap().len(), 1);
    assert!(store.rollups("p/us".to_owned(), 0, i64::MAX).await.unwrap().is_empty());
}

async fn passed_runs_go_first_then_the_others_then_their_rollups(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    // More than a slice of each, so that slices have to go on where the last one ended.
    store.record(runs((0..2_500).map(|at| run(&eu, Verdict::Passed, at))));
    store.record(runs((0..400).map(|at| run(&eu, Verdict::Failed, at))));
    let failed = run(&eu, Verdict::Failed, 500);
    let id = failed.run_id.to_string();
    store.record(runs([failed, run(&eu, Verdict::Passed, 30 * HOUR)]));
    settle(&store).await;

    let passed = RunFilter { verdict: Some(Verdict::Passed), ..RunFilter::default() };
    let others = RunFilter { not_passed: true, ..RunFilter::default() };
    housekeep(&store, 20 * HOUR).await;
    assert_eq!((count(&store, &passed).await, count(&store, &others).await), (500, 401), "all are young, a page shows 500");
    // A store may keep a run up to a day longer.
    housekeep(&store, 50 * HOUR).await;
    assert_eq!((count(&store, &passed).await, count(&store, &others).await), (1, 401));
    assert!(store.run(id).await.unwrap().unwrap().details.is_some());
    housekeep(&store, 100 * HOUR).await;
    assert_eq!((count(&store, &passed).await, count(&store, &others).await), (0, 0));
    let hours = store.rollups("p/eu".to_owned(), 0, i64::MAX).await.unwrap();
    assert_eq!((hours[0].counts.passed, hours[0].counts.failed), (2_500, 401), "they were counted before they went");
    housekeep(&store, 250 * HOUR).await;
    assert_eq!(store.rollups("p/eu".to_owned(), 0, i64::MAX).await.unwrap().len(), 1, "the later hour is still young");
    housekeep(&store, 400 * HOUR).await;
    assert!(store.rollups("p/eu".to_owned(), 0, i64::MAX).await.unwrap().is_empty());
}

async fn an_incident_goes_with_all_that_is_its_own_and_one_that_is_open_does_not_grow_for_ever(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let tries = [("T1", "I1"), ("T2", "I2"), ("T3", "I3"), ("T4", "I3")].map(|(id, incident)| attempt(id, &[incident], 0));
    store.commit(Commit {
        incidents: vec![incident("I1", Some(5)), incident("I2", Some(900 * HOUR)), incident("I3", None)],
        timeline: ["I1", "I2", "I3", "test"].map(|id| timeline(id, 1, "opened")).into(),
        outcomes: [&tries[0], &tries[2]].map(|row| outcome(row, TryState::Taken)).into(),
        tries: tries.into(),
        ..Commit::default()
    });
    settle(&store).await;
    housekeep(&store, 1_000 * HOUR).await;
    assert!(store.incident("I1".to_owned()).await.unwrap().is_none());
    assert_eq!(store.incident("I2".to_owned()).await.unwrap().unwrap().timeline.len(), 1, "it ended four days ago");
    let open = store.incident("I3".to_owned()).await.unwrap().unwrap();
    assert_eq!(open.tries.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["T4"], "nobody knows what became of it");
    assert!(open.timeline.is_empty());
    assert_eq!(store.tries().await.unwrap().waiting, 2);
}
