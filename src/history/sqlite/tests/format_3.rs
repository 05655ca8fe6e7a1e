//! A store of format 3, whose hours had counts only, is taken over.

use rusqlite::Connection;

use super::super::schema;
use super::super::testing::{LONG, at, at_ms, canary, open, run, runs, settle, store_file};
use crate::history::{Housekeeper as _, Recorder as _};
use crate::outcome::Verdict;

#[test]
fn hours_that_format_3_counted_stay_and_what_comes_is_counted_in_full() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    store.record(runs((0..3).map(|at| run(&eu, Verdict::Passed, at))));
    settle(&store);
    store.housekeep(at(10)).blocking_recv().unwrap();
    assert!(store.close(LONG));
    let file = Connection::open(store_file(directory.path())).unwrap();
    for undone in [schema::tests::UNDO_7, schema::tests::UNDO_6, schema::tests::UNDO_5].into_iter().chain(schema::tests::UNDO_4) {
        file.execute_batch(undone).unwrap();
    }
    file.pragma_update(None, "user_version", 3).unwrap();
    drop(file);

    let (store, restored) = open(directory.path());
    assert_eq!(restored.damaged, None);
    let rollups = || store.questions().rollups("p/eu", at_ms(0), at_ms(3_600)).unwrap();
    assert_eq!((rollups()[0].counts.passed, rollups()[0].durations.count(), rollups()[0].steps.len()), (3, 3, 0));
    store.record(runs([run(&eu, Verdict::Passed, 60)]));
    settle(&store);
    store.housekeep(at(70)).blocking_recv().unwrap();
    assert_eq!((rollups()[0].counts.passed, rollups()[0].durations.count(), rollups()[0].steps[0].reached), (4, 4, 1));
    assert_eq!(store.questions().ticks("p/eu", i64::MIN, i64::MAX).unwrap().len(), 1);
}
