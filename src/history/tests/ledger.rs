//! The cleanup ledger: what is begun is known until it is undone.

use super::super::testing::entry;
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::{LedgerEnd, LedgerEntry};

on_every_store!(the_ledger_keeps_what_was_begun_until_it_is_gone, how_often_a_cut_creation_was_looked_at_is_kept_over_restarts,);

async fn the_ledger_keeps_what_was_begun_until_it_is_gone(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    for id in ["L1", "L2", "L3", "L4"] {
        store.intend(entry(id)).await.unwrap();
    }
    store.created("L2", serde_json::json!({ "playlist": "007" }));
    store.ended("L2", LedgerEnd::Retry { message: "500".to_owned() });
    store.ended("L2", LedgerEnd::Retry { message: "502".to_owned() });
    store.ended("L3", LedgerEnd::GivenUp { message: "gone for good".to_owned() });
    store.ended("L4", LedgerEnd::Gone);
    // Begun and gone before it could be written.
    let begun = store.intend(entry("L5"));
    store.ended("L5", LedgerEnd::Gone);
    begun.await.unwrap();
    settle(&store).await;
    let ledger = store.ledger().await.unwrap().entries;
    assert_eq!(ledger.iter().map(|view| view.entry.id.as_str()).collect::<Vec<_>>(), ["L1", "L2", "L3"]);
    assert!(ledger[2].given_up && !ledger[1].given_up);
    assert_eq!(ledger[1].message.as_deref(), Some("502"));

    let (store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.ledger.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["L1", "L2"]);
    assert_eq!(restored.ledger[0], entry("L1"));
    let second = &restored.ledger[1];
    assert!(second.created);
    assert_eq!((second.attempts, &second.names["playlist"]), (2, &serde_json::json!("007")));
    store.ended("L2", LedgerEnd::Gone);
    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.ledger.len(), 1);
}

async fn how_often_a_cut_creation_was_looked_at_is_kept_over_restarts(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    store.intend(entry("L1")).await.unwrap();
    store.ended("L1", LedgerEnd::Again);
    let (store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.ledger, [LedgerEntry { passed: 1, ..entry("L1") }]);
    store.ended("L1", LedgerEnd::Again);
    store.ended("L1", LedgerEnd::Retry { message: "500".to_owned() });
    store.ended("L1", LedgerEnd::Again);
    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.ledger, [LedgerEntry { passed: 3, attempts: 1, ..entry("L1") }]);
}
