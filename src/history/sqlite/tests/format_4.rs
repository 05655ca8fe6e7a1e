//! A store of format 4, which knew of no degraded runs, is taken over.

use rusqlite::Connection;

use super::super::schema;
use super::super::testing::{LONG, at, at_ms, canary, open, run, runs, settle, store_file};
use crate::history::{Housekeeper as _, Recorder as _, RunFilter};
use crate::outcome::{Verdict, testing::warned};

#[test]
fn no_run_of_format_4_is_degraded_and_those_that_come_may_be() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    store.record(runs((0..3).map(|at| run(&eu, Verdict::Passed, at))));
    settle(&store);
    store.housekeep(at(10)).blocking_recv().unwrap();
    assert!(store.close(LONG));
    let file = Connection::open(store_file(directory.path())).unwrap();
    for undone in [schema::tests::UNDO_7, schema::tests::UNDO_6, schema::tests::UNDO_5] {
        file.execute_batch(undone).unwrap();
    }
    file.pragma_update(None, "user_version", 4).unwrap();
    drop(file);

    let (store, restored) = open(directory.path());
    assert_eq!(restored.damaged, None);
    let mut degraded = run(&eu, Verdict::Passed, 60);
    degraded.steps.push(warned("search", "latency < 0.3"));
    store.record(runs([degraded]));
    settle(&store);
    store.housekeep(at(70)).blocking_recv().unwrap();
    let list = |degraded| store.questions().runs(&RunFilter { degraded, ..RunFilter::default() }, 10, None).unwrap().items;
    assert_eq!((list(false).len(), list(true).len()), (4, 1));
    let hour = &store.questions().rollups("p/eu", at_ms(0), at_ms(3_600)).unwrap()[0];
    assert_eq!((hour.counts.passed, hour.counts.degraded), (4, 1));
}
