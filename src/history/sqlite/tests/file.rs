//! The file itself: whose it is, and rows of it that cannot be read.

use std::os::unix::fs::PermissionsExt;

use super::super::OpenError;
use super::super::testing::{KEPT, LONG, at, canary, entry, open, open_at, reopen, run, runs, settle, store_file};
use crate::history::{Recorder as _, UnreadableEntry};
use crate::outcome::{Ledger as _, LedgerEnd, Verdict};
use crate::plan::{Bodies, Retention};

#[test]
fn a_new_store_remembers_nothing_and_its_file_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (store, restored) = open(directory.path());
    assert!(restored.states.is_empty() && restored.incidents.is_empty() && restored.damaged.is_none());
    let path = store_file(directory.path());
    settle(&store);
    for suffix in ["", "-wal", ".lock"] {
        let file = format!("{}{suffix}", path.display());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_store_that_keeps_no_bodies_has_everything_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = store_file(directory.path());
    let (store, _) = open_at(&path, Retention { bodies: Bodies::Never, ..KEPT }, at(0)).unwrap();
    let failed = run(&canary("p", "eu"), Verdict::Failed, 2);
    let id = failed.run_id.to_string();
    store.record(runs([failed]));
    settle(&store);
    let details = store.questions().run(&id).unwrap().unwrap().details.unwrap();
    let exchange = &details["steps"][1]["attempts"][0]["exchange"];
    assert_eq!((&exchange["response_body"], &exchange["request_body"]), (&"•••".into(), &"".into()), "there was one answer");
    assert_eq!(details["cause"]["seen"][0]["value"], "\"pending\"", "what was judged is no body");
    assert!(store.close(LONG));
    let file = std::fs::read(&path).unwrap();
    assert!(!file.windows(9).any(|bytes| bytes == b"{\"status\""), "nor has the file");
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let refused = open_at(&store_file(directory.path()), KEPT, at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
    settle(&store);
    let _ = reopen(&store, directory.path());
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_the_store_opens() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for id in ["L1", "L2", "L3", "L4", "L5", "L6"] {
        futures::executor::block_on(store.intend(entry(id))).unwrap();
    }
    assert!(store.close(LONG));
    let file = rusqlite::Connection::open(store_file(directory.path())).unwrap();
    for spoilt in [
        "UPDATE ledger SET entry = '{' WHERE id = 'L1'",
        "UPDATE ledger SET entry = '{}' WHERE id = 'L2'",
        "UPDATE ledger SET names = 'no json' WHERE id = 'L4'",
        "UPDATE ledger SET attempts = -1 WHERE id = 'L5'",
        "UPDATE ledger SET entry = CAST(x'ff' AS TEXT) WHERE id = 'L6'",
    ] {
        assert_eq!(file.execute(spoilt, []).unwrap(), 1, "{spoilt}");
    }
    drop(file);
    let (store, restored) = open(directory.path());
    assert_eq!(restored.ledger, [entry("L3")]);
    let set_aside = |rows: &[UnreadableEntry]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(set_aside(&restored.unreadable), ["L1", "L2", "L4", "L5", "L6"]);
    assert!(restored.unreadable.iter().all(|row| !row.why.is_empty()));
    let rows = store.questions().ledger().unwrap();
    assert_eq!((rows.entries.len(), set_aside(&rows.unreadable).len()), (1, 5));
    // What is told of such a row breaks no transaction.
    store.ended("L1", LedgerEnd::Again);
    store.ended("L2", LedgerEnd::Gone);
    settle(&store);
    assert!(store.is_writable());
    assert_eq!(set_aside(&store.questions().ledger().unwrap().unreadable), ["L1", "L4", "L5", "L6"]);
}
