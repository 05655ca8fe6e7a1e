//! The cleanup ledger: what is begun is known until it is undone, whatever a row says.

use super::super::UnreadableEntry;
use super::super::testing::{LONG, entry, open, reopen, settings, settle};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry};

#[test]
fn the_ledger_keeps_what_was_begun_until_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for id in ["L1", "L2", "L3", "L4"] {
        futures::executor::block_on(store.intend(entry(id))).unwrap();
    }
    store.created("L2", serde_json::json!({ "playlist": "007" }));
    store.ended("L2", LedgerEnd::Retry { message: "500".to_owned() });
    store.ended("L2", LedgerEnd::Retry { message: "502".to_owned() });
    store.ended("L3", LedgerEnd::GivenUp { message: "gone for good".to_owned() });
    store.ended("L4", LedgerEnd::Gone);
    // Begun and gone before it could be written.
    let begun = store.intend(entry("L5"));
    store.ended("L5", LedgerEnd::Gone);
    futures::executor::block_on(begun).unwrap();
    settle(&store);
    let ledger = store.reader().ledger().unwrap().entries;
    assert_eq!(ledger.iter().map(|view| view.entry.id.as_str()).collect::<Vec<_>>(), ["L1", "L2", "L3"]);
    assert!(ledger[2].given_up && !ledger[1].given_up);
    assert_eq!(ledger[1].message.as_deref(), Some("502"));

    let (store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.ledger.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["L1", "L2"]);
    assert_eq!(remembered.ledger[0], entry("L1"));
    let second = &remembered.ledger[1];
    assert!(second.created);
    assert_eq!((second.attempts, &second.names["playlist"]), (2, &serde_json::json!("007")));
    store.ended("L2", LedgerEnd::Gone);
    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.ledger.len(), 1);
}

#[test]
fn how_often_a_cut_creation_was_looked_at_is_kept_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    futures::executor::block_on(store.intend(entry("L1"))).unwrap();
    store.ended("L1", LedgerEnd::Again);
    let (store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.ledger, [LedgerEntry { passed: 1, ..entry("L1") }]);
    store.ended("L1", LedgerEnd::Again);
    store.ended("L1", LedgerEnd::Retry { message: "500".to_owned() });
    store.ended("L1", LedgerEnd::Again);
    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.ledger, [LedgerEntry { passed: 3, attempts: 1, ..entry("L1") }]);
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_the_store_opens() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for id in ["L1", "L2", "L3", "L4", "L5", "L6"] {
        futures::executor::block_on(store.intend(entry(id))).unwrap();
    }
    assert!(store.close(LONG));
    let file = rusqlite::Connection::open(settings(directory.path()).path).unwrap();
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
    let (store, remembered) = open(directory.path());
    assert_eq!(remembered.ledger, [entry("L3")]);
    let set_aside = |rows: &[UnreadableEntry]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
    assert_eq!(set_aside(&remembered.unreadable), ["L1", "L2", "L4", "L5", "L6"]);
    assert!(remembered.unreadable.iter().all(|row| !row.why.is_empty()));
    let rows = store.reader().ledger().unwrap();
    assert_eq!((rows.entries.len(), set_aside(&rows.unreadable).len()), (1, 5));
    // What is told of such a row breaks no transaction.
    store.ended("L1", LedgerEnd::Again);
    store.ended("L2", LedgerEnd::Gone);
    settle(&store);
    assert!(store.is_writable());
    assert_eq!(set_aside(&store.reader().ledger().unwrap().unreadable), ["L1", "L4", "L5", "L6"]);
}
