//! Days that are over come as one row each, and only those.

use rusqlite::Connection;

use super::super::testing::{KEPT, LONG, at, at_ms, canary, open, run, runs, settle, store_file};
use crate::history::{Housekeeper as _, Recorder as _, RollupFilter};
use crate::outcome::Verdict;
use crate::plan::Retention;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn midnight() -> u64 {
    DAY - u64::try_from(at_ms(0) / 1_000).unwrap() % DAY
}

/// When each rollup of a span begins, in hours since the first midnight.
fn starts(store: &crate::history::sqlite::SqliteStore, by_day: bool) -> Vec<i64> {
    let filter = RollupFilter { probe: "p".to_owned(), canary: None, since_ms: 0, until_ms: i64::MAX, by_day };
    let found = store.questions().rollups_of_probe(&filter).unwrap().rollups;
    found.iter().map(|(_, rollup)| (rollup.start_ms - at_ms(midnight())) / 3_600_000).collect()
}

#[test]
fn after_a_clock_that_was_ahead_a_day_that_goes_on_is_none_that_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let write = |due: u64, now: u64| {
        store.record(runs([run(&eu, Verdict::Passed, due)]));
        settle(&store);
        store.housekeep(at(now)).blocking_recv().unwrap();
    };
    let days = || -> u32 {
        let file = Connection::open(store_file(directory.path())).unwrap();
        file.query_row("SELECT count(*) FROM days", [], |row| row.get(0)).unwrap()
    };
    let (first, today) = (midnight(), midnight() + DAY);
    write(first, first);
    write(first + 20 * HOUR, first + 20 * HOUR);
    write(today + 20 * HOUR, today + 20 * HOUR);
    assert_eq!(days(), 1);
    write(today + 20 * HOUR + 60, today + DAY + 4 * HOUR);
    assert_eq!(days(), 2, "the clock says that today is over");
    write(today + 21 * HOUR, today + 21 * HOUR);
    assert_eq!(days(), 1);
    write(today + DAY + 3 * HOUR, today + DAY + 3 * HOUR);
    assert_eq!((days(), starts(&store, true)), (2, vec![0, 24, 51]));
}

#[test]
fn days_come_as_one_when_they_are_over_go_with_their_hours_and_gaps_cost_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let (first, later) = (midnight(), midnight() + 5 * DAY);
    let write = |due: u64| {
        store.record(runs([run(&eu, Verdict::Passed, due)]));
        settle(&store);
        store.housekeep(at(due)).blocking_recv().unwrap();
    };
    for due in [first, first + 5 * HOUR, first + DAY + HOUR] {
        write(due);
    }
    assert_eq!(starts(&store, true), [0, 5, 25], "the day is over for an hour only");
    write(first + DAY + 2 * HOUR);
    assert_eq!(starts(&store, true), [0, 25, 26], "and now for two");
    assert_eq!(starts(&store, false), [0, 5, 25, 26]);
    // A clock that jumped is believed after a day.
    for due in [later, later + 23 * HOUR, later + 25 * HOUR, later + 26 * HOUR + 1] {
        write(due);
    }
    let hours = i64::try_from(5 * DAY / HOUR).unwrap();
    assert_eq!(starts(&store, true), [0, 24, hours, hours + 25, hours + 26]);
    assert!(store.close(LONG));

    let short = Retention { rollups: std::time::Duration::from_hours(48), ..KEPT };
    let (store, _) = super::super::testing::open_at(&store_file(directory.path()), short, at(later + 26 * HOUR)).unwrap();
    store.housekeep(at(later + 27 * HOUR)).blocking_recv().unwrap();
    assert_eq!(starts(&store, true), [hours, hours + 25, hours + 26]);
}
