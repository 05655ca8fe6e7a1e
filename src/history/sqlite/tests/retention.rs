//! What is old goes, and is counted before it does.

use std::time::Duration;

use proptest::prelude::*;

use super::super::SqliteStore;
use super::super::testing::{
    KEPT, LONG, at, attempt, canary, incident, open, open_at, outcome, run, runs, settle, state, store_file,
};
use crate::history::{Commit, Housekeeper as _, Recorder as _, RestoredTry, TryState};
use crate::outcome::Verdict;
use crate::plan::Retention;

const HOUR: u64 = 3_600;

/// Cleans up at a time that the clock has shown for a day.
fn housekeep(store: &SqliteStore, seconds: u64) {
    for seconds in [seconds.saturating_sub(24 * HOUR), seconds] {
        store.housekeep(at(seconds)).blocking_recv().unwrap();
    }
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
    let of_incidents = |store: &SqliteStore| {
        let sql = "SELECT kind || ' ' || key FROM states ORDER BY 1";
        let keys = |connection: &rusqlite::Connection| connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect();
        store.questions().ask::<Vec<String>>(keys).unwrap()
    };
    housekeep(&store, 200 * HOUR);
    let reader = store.questions();
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

fn write(store: &SqliteStore, populations: &[Population]) {
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
        let kept = Retention { rollups: Duration::from_hours(keep), ..KEPT };
        let start = || open_at(&store_file(directory.path()), kept, at(hours * HOUR)).unwrap();
        let (store, before) = start();
        housekeep(&store, hours * HOUR);
        assert!(store.close(LONG));
        let (_store, after) = start();
        prop_assert_eq!(before.incidents, after.incidents);
        prop_assert_eq!(before.states, after.states);
        let tries = |tries: Vec<RestoredTry>| tries.into_iter().map(|row| (row.id, row.json)).collect::<Vec<_>>();
        prop_assert_eq!(tries(before.tries), tries(after.tries));
    }
}

/// Six weeks of ten canaries a minute apart, housekeeping every hour.
#[test]
fn the_file_stays_within_bounds_however_long_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let canaries: Vec<_> = (0..10).map(|at| canary("p", &format!("r{at}"))).collect();
    let path = store_file(directory.path());
    let size = || std::fs::metadata(&path).unwrap().len();
    let mut after_a_week = 0;
    let mut largest = 0;
    for hour in 0..6 * 7 * 24 {
        for minute in 0..6 {
            let due = hour * HOUR + minute * 600;
            let verdict = |at| if at == 0 && minute == 0 { Verdict::Failed } else { Verdict::Passed };
            store.record(runs(canaries.iter().enumerate().map(|(at, canary)| run(canary, verdict(at), due))));
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
