//! What a file is copied from: it is read whole, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::path::Path;

use rusqlite::Connection;

use super::super::testing::{LONG, canary, incident, open, run, runs, settle, store_file};
use super::super::{CopySource, OpenError, SourceError, schema};
use crate::history::copy::TABLES;
use crate::history::{Commit, Recorder as _};
use crate::outcome::Verdict;

/// A closed file with two runs.
fn filled(directory: &Path) {
    let (store, _) = open(directory);
    let eu = canary("p", "eu");
    store.record(runs([run(&eu, Verdict::Passed, 0), run(&eu, Verdict::Failed, 60)]));
    settle(&store);
    assert!(store.close(LONG));
}

/// The files of a directory but for the lock, each with how long it is and a number that what is in it comes to.
fn files(directory: &Path) -> BTreeMap<String, (usize, u64)> {
    let files = fs::read_dir(store_file(directory).parent().unwrap()).unwrap().map(Result::unwrap);
    let files = files.filter(|file| file.path().extension() != Some("lock".as_ref()));
    let files = files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()));
    files.map(|(name, bytes)| (name, (bytes.len(), BuildHasherDefault::<DefaultHasher>::default().hash_one(&bytes)))).collect()
}

/// How many rows are read of a table.
fn read(source: &CopySource, name: &str) -> usize {
    let table = TABLES.iter().find(|table| table.name == name).unwrap();
    let mut rows = 0;
    source
        .read(table, |batch| {
            rows += batch.rows;
            true
        })
        .unwrap();
    assert_eq!(source.count(table).unwrap(), rows as u64);
    rows
}

#[test]
fn a_file_of_the_newest_format_is_read_where_it_is_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let before = files(directory.path());
    let source = CopySource::open(&store_file(directory.path())).unwrap();
    assert_eq!((read(&source, "runs"), read(&source, "probes"), read(&source, "states")), (2, 1, 0));
    drop(source);
    assert_eq!(files(directory.path()), before);
}

#[test]
fn what_a_process_that_was_killed_left_in_the_log_is_read_and_stays_there() {
    let (directory, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(directory.path());
    let writer = Connection::open(store_file(directory.path())).unwrap();
    writer.execute("INSERT INTO states (kind, key, json) VALUES ('pause', 'p', '{}')", []).unwrap();
    fs::create_dir_all(store_file(killed.path()).parent().unwrap()).unwrap();
    for name in files(directory.path()).into_keys().filter(|name| !name.ends_with("-shm")) {
        let at = |directory: &Path| store_file(directory).with_file_name(&name);
        fs::copy(at(directory.path()), at(killed.path())).unwrap();
    }
    let before = files(killed.path());
    assert_eq!(before.len(), 2, "a file and its log");
    let source = CopySource::open(&store_file(killed.path())).unwrap();
    assert_eq!(read(&source, "states"), 1);
    drop(source);
    assert_eq!(files(killed.path()), before);
}

#[test]
fn a_file_of_an_earlier_format_is_brought_to_the_newest_beside_itself_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let file = Connection::open(store_file(directory.path())).unwrap();
    file.execute_batch(schema::tests::UNDO_7).unwrap();
    file.pragma_update(None, "user_version", 6).unwrap();
    drop(file);
    let before = files(directory.path());
    let source = CopySource::open(&store_file(directory.path())).unwrap();
    assert_eq!((read(&source, "runs"), read(&source, "days")), (2, 0));
    drop(source);
    assert_eq!(files(directory.path()), before);
}

#[test]
fn rows_of_canaries_that_are_not_known_are_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let file = Connection::open(store_file(directory.path())).unwrap();
    file.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO last_ticks (canary, slot, due_ms) VALUES (77, 0, 1)").unwrap();
    drop(file);
    let source = CopySource::open(&store_file(directory.path())).unwrap();
    assert_eq!(read(&source, "last_ticks"), 1);
}

#[test]
fn what_cannot_be_copied_from_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = store_file(directory.path());
    let refused = |why: fn(&SourceError) -> bool| {
        let before = files(directory.path());
        let error = CopySource::open(&path).unwrap_err();
        assert!(why(&error), "{error}");
        assert_eq!(files(directory.path()), before);
    };
    let version = |version: u32| Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
    filled(directory.path());
    version(2);
    refused(|error| matches!(error, SourceError::Old { found: 2, .. }));
    version(99);
    refused(|error| matches!(error, SourceError::Open(OpenError::Newer { found: 99, .. })));
    version(schema::KNOWN);
    Connection::open(&path).unwrap().pragma_update(None, "application_id", 1).unwrap();
    refused(|error| matches!(error, SourceError::Open(OpenError::Foreign { .. })));
    fs::write(&path, "a text that is longer than the head of a file of SQLite, or nearly so").unwrap();
    refused(|error| matches!(error, SourceError::Open(OpenError::NoDatabase { .. })));
    fs::write(&path, "").unwrap();
    refused(|error| matches!(error, SourceError::Missing { .. }));

    fs::remove_file(&path).unwrap();
    let (store, _) = open(directory.path());
    store.commit(Commit { incidents: vec![incident("I1", None)], ..Commit::default() }).blocking_recv().unwrap();
    assert!(matches!(CopySource::open(&path), Err(SourceError::Open(OpenError::InUse { .. }))));
}
