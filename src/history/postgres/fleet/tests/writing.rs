//! What is written under a lease that another process has taken over is refused.

use super::*;
use crate::history::testing::{LONG, attempt, canary, entry, incident, run, runs, state};
use crate::history::{CleanupLedger as _, Fenced, Housekeeper as _, Reader as _, Recorder as _, RunFilter};
use crate::outcome::{Ledger as _, Verdict};

async fn count_runs(store: &PostgresStore) -> usize {
    store.runs(RunFilter::default(), 100, None).await.unwrap().items.len()
}

/// A run with what an evaluator decided on it.
fn decided(id: &str, evaluator: Epoch) -> Commit {
    Commit {
        incidents: vec![incident(id, None)],
        tries: vec![attempt(&format!("T-{id}"), &[id], 1)],
        states: vec![state("scope", "probe/p", Some(id)), state("canary", "p/eu", Some(id))],
        facts: fact(id, Some("bad"), false).facts,
        evaluator: Some(evaluator),
        ..runs([run(&canary("p", "eu"), Verdict::Failed, 1)])
    }
}

#[tokio::test]
async fn a_deposed_evaluator_loses_what_it_decided_and_keeps_what_it_found() {
    let database = Database::with_roles();
    let (old, new) = (open(&database, Some("eu")).await, open(&database, Some("us")).await);
    let first = held(&old, LeaseName::Evaluator, "A").await;
    old.commit(decided("I1", first)).await.unwrap();
    let fenced = old.fenced();
    let second = take_over(&database, &new, LeaseName::Evaluator, "B").await;
    assert!(second > first);
    new.commit(decided("I2", second)).await.unwrap();
    assert_eq!(*fenced.borrow(), Fenced::default());

    assert!(old.commit(decided("I3", first)).await.is_err(), "who waits for it is told");
    assert_eq!(*fenced.borrow(), Fenced { region: false, evaluator: Some(first) });
    assert!(old.commit(decided("I4", first)).await.is_err());
    old.commit(Commit::default()).await.unwrap();
    assert!(old.is_writable());
    let told = |sql: &str| database.ask(sql);
    assert_eq!(told("SELECT string_agg(id, ' ' ORDER BY id) FROM incidents"), "I1 I2");
    assert_eq!(told("SELECT string_agg(id, ' ' ORDER BY id) FROM tries"), "T-I1 T-I2");
    assert_eq!(told("SELECT json FROM states WHERE kind = 'scope'"), "I2");
    assert_eq!(told("SELECT json FROM states WHERE kind = 'canary' AND region = 'eu'"), "I4");
    assert_eq!(told("SELECT string_agg(key, ' ' ORDER BY key) FROM facts"), "I1 I2 I3 I4");
    assert_eq!(count_runs(&new).await, 4);

    let third = take_over(&database, &old, LeaseName::Evaluator, "A").await;
    old.commit(decided("I5", third)).await.unwrap();
    assert_eq!(told("SELECT json FROM states WHERE kind = 'scope'"), "I5", "it evaluates again");
}

#[tokio::test]
async fn a_process_whose_region_was_taken_over_writes_nothing_more_and_creates_nothing() {
    let database = Database::with_roles();
    let (old, new) = (open(&database, Some("eu")).await, open(&database, Some("eu")).await);
    let first = held(&old, region("eu"), "A").await;
    old.hold_region(first);
    old.commit(runs([run(&canary("p", "eu"), Verdict::Passed, 1)])).await.unwrap();
    old.intend(entry("L1")).await.unwrap();
    let second = take_over(&database, &new, region("eu"), "B").await;
    new.hold_region(second);

    let fenced = old.fenced();
    old.record(runs([run(&canary("p", "eu"), Verdict::Failed, 2)]));
    assert!(old.intend(entry("L2")).await.is_err());
    assert_eq!(*fenced.borrow(), Fenced { region: true, evaluator: None });
    assert!(old.intend(entry("L3")).await.is_err(), "nor is it asked again");
    assert!(old.commit(runs([run(&canary("p", "eu"), Verdict::Failed, 3)])).await.is_err());
    assert!(old.housekeep(at(0)).await.is_err());
    old.record(fact("a", None, true));
    assert!(old.shut_down(LONG).await, "nothing waits any more");

    new.intend(entry("L4")).await.unwrap();
    let ids: Vec<String> = new.ledger().await.unwrap().entries.into_iter().map(|view| view.entry.id).collect();
    assert_eq!(ids, ["L1", "L4"]);
    assert_eq!(count_runs(&new).await, 1);
    assert_eq!(database.ask("SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM passes)"), "0");
}

#[tokio::test]
async fn a_commit_waits_for_a_takeover_under_way_and_is_refused_when_that_is_done() {
    let database = Database::with_roles();
    let store = open(&database, Some("eu")).await;
    let epoch = held(&store, region("eu"), "A").await;
    store.hold_region(epoch);
    let by_hand = connect(&database).await;
    by_hand
        .batch_execute("BEGIN; SELECT 1 FROM leases FOR UPDATE; UPDATE leases SET holder = 'B', epoch = epoch + 1")
        .await
        .unwrap();
    let mut written = store.commit(fact("a", None, true));
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut written).await.is_err());
    by_hand.batch_execute("COMMIT").await.unwrap();
    assert!(written.await.is_err());
    assert!(store.fenced().borrow().region);
}
