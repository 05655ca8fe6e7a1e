//! What is old goes, and is counted before it does.

use std::time::Duration;

use proptest::prelude::*;

use super::super::testing::{
    LONG, at, at_ms, attempt, canary, incident, open, outcome, run, runs, settings, settle, state, timeline,
};
use super::super::{Commit, KeptTry, RunFilter, Store, TryState};
use crate::outcome::Verdict;
use crate::plan::StoreSettings;

const HOUR: u64 = 3_600;

/// Cleans up at a time that the clock has shown for a day.
fn housekeep(store: &Store, seconds: u64) {
    for seconds in [seconds.saturating_sub(24 * HOUR), seconds] {
        store.housekeep(at(seconds)).blocking_recv().unwrap();
    }
}

#[test]
fn a_clock_that_is_wrong_for_a_minute_removes_nothing() {
    const NOW: u64 = 24 * HOUR * 40;
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    store.offer(runs([NOW - 120, NOW - 60, NOW].map(|due| run(&eu, Verdict::Passed, due))));
    settle(&store);
    let all = || count(&store, &RunFilter::default());
    for wrong in [NOW, NOW + 24 * HOUR * 365, NOW + 60, NOW - 24 * HOUR, NOW + 120, NOW + 25 * HOUR, NOW + 180] {
        store.housekeep(at(wrong)).blocking_recv().unwrap();
        assert_eq!(all(), 3, "at {wrong}");
    }
    // A day later the same clock is right, and goes on to be.
    for hour in 0..=24 * 365 {
        store.housekeep(at(NOW + 180 + hour * HOUR)).blocking_recv().unwrap();
        if all() == 0 {
            return;
        }
    }
    panic!("what is old must go in the end");
}

fn count(store: &Store, filter: &RunFilter) -> usize {
    store.reader().runs(filter, 500, None).unwrap().items.len()
}

#[test]
fn rollups_count_each_run_once_also_those_that_come_late() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let with = |verdict, due, millis| {
        let mut report = run(&eu, verdict, due);
        report.duration = Duration::from_millis(millis);
        report
    };
    store.offer(runs((0..100).map(|at| with(Verdict::Passed, at, at + 1))));
    store.offer(runs([with(Verdict::Failed, 200, 9_000), with(Verdict::Missed, HOUR, 0)]));
    let mut by_hand = runs([with(Verdict::Failed, 201, 1)]);
    by_hand.runs[0].counted = false;
    store.offer(by_hand);
    settle(&store);
    housekeep(&store, HOUR);
    // Late ones: the store was away, or the clock went back.
    store.offer(runs([with(Verdict::Passed, 300, 50), with(Verdict::Errored, 301, 1)]));
    settle(&store);
    housekeep(&store, HOUR);
    housekeep(&store, HOUR);

    let hours = store.reader().rollups("p/eu", at_ms(0), at_ms(2 * HOUR)).unwrap();
    assert_eq!(hours.iter().map(|hour| hour.hour_ms).collect::<Vec<_>>(), [at_ms(0), at_ms(HOUR)]);
    let first = &hours[0];
    assert_eq!((first.passed, first.failed, first.errored, first.missed), (101, 1, 1, 0));
    assert_eq!(hours[1].missed, 1);
    let near = |micros: Option<u64>, exact: u64| micros.unwrap().abs_diff(exact) * 100 <= exact * 5 + 100;
    assert!(near(first.p50_us, 50_000) && near(first.p95_us, 95_000) && near(first.p99_us, 99_000), "{first:?}");
    assert_eq!(hours[1].p50_us, None, "a tick that did not run took no time");
    assert_eq!(store.reader().rollups("p/eu", at_ms(HOUR), at_ms(2 * HOUR)).unwrap().len(), 1);
    assert!(store.reader().rollups("p/us", 0, i64::MAX).unwrap().is_empty());
}

#[test]
fn passed_runs_go_first_then_the_others_then_their_rollups() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    // More than a slice of each, so that slices have to go on where the last one ended.
    store.offer(runs((0..2_500).map(|at| run(&eu, Verdict::Passed, at))));
    store.offer(runs((0..400).map(|at| run(&eu, Verdict::Failed, at))));
    let failed = run(&eu, Verdict::Failed, 500);
    let id = failed.run_id.to_string();
    store.offer(runs([failed, run(&eu, Verdict::Passed, 30 * HOUR)]));
    settle(&store);

    let passed = RunFilter { verdict: Some(Verdict::Passed), ..RunFilter::default() };
    let others = RunFilter { not_passed: true, ..RunFilter::default() };
    housekeep(&store, 20 * HOUR);
    assert_eq!((count(&store, &passed), count(&store, &others)), (500, 401), "all are young, a page shows 500");
    housekeep(&store, 26 * HOUR);
    assert_eq!((count(&store, &passed), count(&store, &others)), (1, 401));
    assert!(store.reader().run(&id).unwrap().unwrap().details.is_some());
    housekeep(&store, 80 * HOUR);
    assert_eq!((count(&store, &passed), count(&store, &others)), (0, 0));
    let hours = store.reader().rollups("p/eu", 0, i64::MAX).unwrap();
    assert_eq!((hours[0].passed, hours[0].failed), (2_500, 401), "they were counted before they went");
    housekeep(&store, 250 * HOUR);
    assert_eq!(store.reader().rollups("p/eu", 0, i64::MAX).unwrap().len(), 1, "the later hour is still young");
    housekeep(&store, 400 * HOUR);
    assert!(store.reader().rollups("p/eu", 0, i64::MAX).unwrap().is_empty());
}

#[test]
fn an_incident_goes_with_all_that_is_its_own_and_one_that_is_open_does_not_grow_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let tries = [("T1", "I1"), ("T2", "I2"), ("T3", "I3"), ("T4", "I3")].map(|(id, incident)| attempt(id, &[incident], 0));
    store.commit(Commit {
        incidents: vec![incident("I1", Some(5)), incident("I2", Some(900 * HOUR)), incident("I3", None)],
        timeline: ["I1", "I2", "I3", "test"].map(|id| timeline(id, 1, "opened")).into(),
        outcomes: [&tries[0], &tries[2]].map(|row| outcome(row, TryState::Taken)).into(),
        tries: tries.into(),
        ..Commit::default()
    });
    settle(&store);
    housekeep(&store, 1_000 * HOUR);
    let reader = store.reader();
    assert!(reader.incident("I1").unwrap().is_none());
    assert_eq!(reader.incident("I2").unwrap().unwrap().timeline.len(), 1, "it ended four days ago");
    let open = reader.incident("I3").unwrap().unwrap();
    assert_eq!(open.tries.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["T4"], "nobody knows what became of it");
    assert!(open.timeline.is_empty());
    assert_eq!(reader.tries().unwrap().waiting, 2);
}

#[test]
fn tries_covers_and_members_go_with_their_incident_and_what_several_share_with_the_last_one() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let tries = vec![attempt("T1", &["I1"], 1), attempt("T2", &["I1", "I2"], 2), attempt("T3", &["I2"], 3)];
    let kept = ["I1/pager", "I2/pager", "I20/pager"].map(|key| state("cover", key, Some("{}")));
    let members = ["I1/canary/p/eu", "I2/canary/p/eu"].map(|key| state("member", key, Some("{}")));
    store.commit(Commit {
        incidents: vec![incident("I1", Some(5)), incident("I2", Some(150 * HOUR)), incident("I20", None)],
        outcomes: tries.iter().map(|row| outcome(row, TryState::Taken)).collect(),
        tries,
        states: kept.into_iter().chain(members).collect(),
        ..Commit::default()
    });
    settle(&store);
    let of_incidents = |store: &Store| {
        let sql = "SELECT kind || ' ' || key FROM states ORDER BY 1";
        let keys = |connection: &rusqlite::Connection| connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect();
        store.reader().ask::<Vec<String>>(keys).unwrap()
    };
    housekeep(&store, 200 * HOUR);
    let reader = store.reader();
    assert!(reader.incident("I1").unwrap().is_some(), "its story is still told");
    assert_eq!(
        of_incidents(&store),
        ["cover I2/pager", "cover I20/pager", "member I2/canary/p/eu"],
        "nothing is owed after a week"
    );
    housekeep(&store, 300 * HOUR);
    assert!(reader.incident("I1").unwrap().is_none());
    let shared = reader.incident("I2").unwrap().unwrap();
    assert_eq!(shared.tries.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["T2", "T3"]);
    housekeep(&store, 1_000 * HOUR);
    assert_eq!(reader.tries().unwrap().taken, 0);
    assert_eq!(of_incidents(&store), ["cover I20/pager"], "it is open");
}

/// What is written of one incident.
#[derive(Debug, Clone)]
struct Population {
    /// Hours after which it ended.
    ended: Option<u64>,
    covers: usize,
    members: usize,
    /// Hours after which a try was made, what became of it, and whether it tells of the next incident, too.
    tries: Vec<(u64, TryState, bool)>,
}

fn population() -> impl Strategy<Value = Population> {
    let state = prop::sample::select(TryState::ALL.to_vec());
    let tries = prop::collection::vec((0..500_u64, state, any::<bool>()), 0..4);
    (prop::option::of(0..500_u64), 0..3_usize, 0..3_usize, tries).prop_map(|(ended, covers, members, tries)| Population {
        ended,
        covers,
        members,
        tries,
    })
}

fn write(store: &Store, populations: &[Population]) {
    let mut commit = Commit::default();
    for (at, of) in populations.iter().enumerate() {
        let id = format!("I{at:03}");
        commit.incidents.push(incident(&id, of.ended.map(|hours| hours * HOUR)));
        commit.states.extend((0..of.covers).map(|to| state("cover", &format!("{id}/c{to}"), Some("{}"))));
        commit.states.extend((0..of.members).map(|to| state("member", &format!("{id}/canary/p/r{to}"), Some("{}"))));
        for (which, (made, became, shared)) in of.tries.iter().enumerate() {
            let next = format!("I{:03}", at + 1);
            let about = [id.as_str(), next.as_str()];
            let row = attempt(&format!("{id}-{which}"), if *shared { &about } else { &about[..1] }, made * HOUR);
            commit.outcomes.push(outcome(&row, *became));
            commit.tries.push(row);
        }
    }
    store.commit(commit);
    settle(store);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A process that starts after housekeeping takes up the same as one that starts before it.
    #[test]
    fn housekeeping_removes_nothing_that_a_start_takes_up(
        populations in prop::collection::vec(population(), 1..8),
        hours in 24..900_u64,
        keep in prop::sample::select(vec![24, 240]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = open(directory.path());
        write(&store, &populations);
        assert!(store.close(LONG));
        let settings = StoreSettings { keep_rollups: Duration::from_hours(keep), ..settings(directory.path()) };
        let start = || Store::open(&settings, at(hours * HOUR)).unwrap();
        let (store, before) = start();
        housekeep(&store, hours * HOUR);
        assert!(store.close(LONG));
        let (_store, after) = start();
        prop_assert_eq!(before.incidents, after.incidents);
        prop_assert_eq!(before.states, after.states);
        let tries = |tries: Vec<KeptTry>| tries.into_iter().map(|row| (row.id, row.json)).collect::<Vec<_>>();
        prop_assert_eq!(tries(before.tries), tries(after.tries));
    }
}

/// Six weeks of ten canaries a minute apart, housekeeping every hour.
#[test]
fn the_file_stays_within_bounds_however_long_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let canaries: Vec<_> = (0..10).map(|at| canary("p", &format!("r{at}"))).collect();
    let path = settings(directory.path()).path;
    let size = || std::fs::metadata(&path).unwrap().len();
    let mut after_a_week = 0;
    let mut largest = 0;
    for hour in 0..6 * 7 * 24 {
        for minute in 0..6 {
            let due = hour * HOUR + minute * 600;
            let verdict = |at| if at == 0 && minute == 0 { Verdict::Failed } else { Verdict::Passed };
            store.offer(runs(canaries.iter().enumerate().map(|(at, canary)| run(canary, verdict(at), due))));
        }
        settle(&store);
        housekeep(&store, hour * HOUR);
        if hour == 11 * 24 {
            after_a_week = size();
        }
        largest = largest.max(size());
    }
    assert!(after_a_week > 0);
    assert!(largest <= after_a_week * 13 / 10, "{largest} after six weeks, {after_a_week} once everything was as old as it gets");

    // Everything goes, and the file shrinks.
    housekeep(&store, 10_000 * HOUR);
    assert!(store.close(Duration::from_mins(1)));
    assert!(size() < largest / 2, "{} of {largest}", size());
}
