//! Who follows is told of everything that changes, and when it could not be.

use super::super::testing::{attempt, canary, entry, incident, outcome, run, runs, state, timeline};
use super::super::{CHANGES, Change, Commit, TryState};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::{LedgerEnd, Verdict};

on_every_store!(
    who_follows_is_told_of_runs_incidents_pauses_and_the_ledger_and_of_nothing_twice,
    who_is_far_behind_catches_up_part_by_part,
);

fn of_incident(id: &str) -> Change {
    Change::Incident { id: id.to_owned() }
}

async fn who_follows_is_told_of_runs_incidents_pauses_and_the_ledger_and_of_nothing_twice(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    store.record(runs([run(&canary("p", "eu"), Verdict::Passed, 1)]));
    settle(&store).await;
    let begun = store.changes_since(None).await.unwrap();
    assert!(begun.changes.is_empty() && !begun.is_cut && !begun.more, "only what comes is told");
    let mut written = store.written();
    written.mark_unchanged();

    let report = run(&canary("p", "eu"), Verdict::Failed, 2);
    let ran = Change::Run { run_id: report.run_id.to_string(), canary: "p/eu".to_owned() };
    let row = attempt("T1", &["I1"], 2);
    let mut commit = runs([report]);
    commit.states = vec![state("canary", "p/eu", Some("1")), state("pause", "probe/p", Some("1"))];
    commit.incidents = vec![incident("I1", None)];
    commit.timeline = vec![timeline("I1", 2, "opened"), timeline("I2", 2, "joined")];
    commit.tries = vec![row.clone()];
    store.commit(commit).await.unwrap();
    store.intend(entry("L1")).await.unwrap();
    store.ended("L1", LedgerEnd::Retry { message: "500".to_owned() });
    settle(&store).await;
    assert!(written.has_changed().unwrap());

    let told = store.changes_since(Some(begun.next)).await.unwrap();
    assert!(!told.is_cut && !told.more);
    assert_eq!(told.changes[0], ran);
    let mut others = told.changes[1..].to_vec();
    others.sort_by_key(|change| format!("{change:?}"));
    let pause = Change::State { state: "pause".to_owned(), key: "probe/p".to_owned() };
    assert_eq!(others, [of_incident("I1"), of_incident("I2"), Change::Ledger, pause]);

    let nothing = store.changes_since(Some(told.next.clone())).await.unwrap();
    assert_eq!((nothing.changes.len(), &nothing.next), (0, &told.next));
    // A cursor is good for the next process, too.
    let (store, _) = under_test.reopen(&store).await;
    store.record(Commit { outcomes: vec![outcome(&row, TryState::Taken)], ..Commit::default() });
    settle(&store).await;
    assert_eq!(store.changes_since(Some(told.next)).await.unwrap().changes, [of_incident("I1")]);
    assert!(store.changes_since(Some("nonsense".to_owned())).await.is_err());
}

async fn who_is_far_behind_catches_up_part_by_part(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let mut cursor = store.changes_since(None).await.unwrap().next;
    let eu = canary("p", "eu");
    let most = CHANGES as u64 * 5 / 2;
    store.record(runs((0..most).map(|at| run(&eu, Verdict::Passed, at))));
    settle(&store).await;
    let mut runs = 0;
    loop {
        let told = store.changes_since(Some(cursor)).await.unwrap();
        assert!(!told.is_cut && told.changes.len() <= CHANGES);
        runs += told.changes.len() as u64;
        cursor = told.next;
        if !told.more {
            break;
        }
    }
    assert_eq!(runs, most);
}
