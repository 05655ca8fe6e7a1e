//! A store of format 5, which knew of no events, is taken over.

use rusqlite::Connection;

use super::super::schema;
use super::super::testing::{LONG, at, at_ms, canary, event, events, open, run, runs, settle, store_file};
use crate::history::{EventFilter, Housekeeper as _, Recorder as _};
use crate::outcome::Verdict;

#[test]
fn a_file_of_format_5_gives_marks_of_its_runs_and_takes_events() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    store.record(runs([run(&eu, Verdict::Passed, 0), run(&eu, Verdict::Failed, 60)]));
    settle(&store);
    store.housekeep(at(70)).blocking_recv().unwrap();
    assert!(store.close(LONG));
    let file = Connection::open(store_file(directory.path())).unwrap();
    file.execute_batch(schema::tests::UNDO_7).unwrap();
    file.execute_batch(schema::tests::UNDO_6).unwrap();
    file.pragma_update(None, "user_version", 5).unwrap();
    drop(file);

    let (store, restored) = open(directory.path());
    assert_eq!(restored.damaged, None);
    let list = || store.questions().events(&EventFilter::default(), 10, None).unwrap().items;
    assert!(list().is_empty());
    store.record(events([event("E1", 80)]));
    settle(&store);
    assert_eq!(list().iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["E1"]);
    let marks = store.questions().marks(at_ms(0), None, 10).unwrap().marks;
    assert_eq!(marks.iter().map(|mark| mark.convergence_us).collect::<Vec<_>>(), [Some(29_000), Some(29_000)]);
    let hours = store.questions().rollups_of_all(at_ms(0), at_ms(3_600)).unwrap();
    assert_eq!((hours[0].counts.passed, hours[0].counts.failed), (1, 1));
}
