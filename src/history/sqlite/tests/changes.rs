//! Who follows is told where something was left out.

use super::super::testing::{LONG, at, incident, open, settle, store_file};
use crate::history::{Commit, Housekeeper as _, Recorder as _};

#[test]
fn whoever_was_away_for_too_long_is_told_to_read_everything() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let begun = store.questions().changes_since(None).unwrap().next;
    let many = (0..12_000).map(|number| incident(&format!("I{number:05}"), None)).collect();
    store.record(Commit { incidents: many, ..Commit::default() });
    settle(&store);
    assert!(!store.questions().changes_since(Some(&begun)).unwrap().is_cut);
    store.housekeep(at(60)).blocking_recv().unwrap();
    let told = store.questions().changes_since(Some(&begun)).unwrap();
    assert!(told.is_cut && told.changes.is_empty());
    assert!(!store.questions().changes_since(Some(&told.next)).unwrap().is_cut, "from there it goes on");
}

#[test]
fn a_cursor_of_another_file_is_good_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let cursor = store.questions().changes_since(None).unwrap().next;
    assert!(store.close(LONG));
    std::fs::remove_file(store_file(directory.path())).unwrap();
    let (store, _) = open(directory.path());
    assert!(store.questions().changes_since(Some(&cursor)).unwrap().is_cut);
}
