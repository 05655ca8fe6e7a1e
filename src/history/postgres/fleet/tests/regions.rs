//! What belongs to a region's process is not seen by another region's.

use super::*;
use crate::history::testing::{LONG, canary, entry, run, runs, state, states};
use crate::history::{CleanupLedger as _, Housekeeper as _, Recorder as _, Recovery as _, RestoredState, StartState};
use crate::outcome::{Ledger as _, LedgerEnd, Verdict};

/// What a process of a region that starts gets.
async fn started(database: &Database, region: Option<&str>) -> StartState {
    open(database, region).await.start_state(at(10)).await.unwrap()
}

fn shown(states: &[RestoredState]) -> Vec<String> {
    let mut shown: Vec<String> = states.iter().map(|row| format!("{} {} {}", row.kind, row.key, row.json)).collect();
    shown.sort();
    shown
}

#[tokio::test]
async fn regions_do_not_see_each_others_states_and_share_those_that_belong_to_none() {
    let database = Database::with_roles();
    let of = |json| [state("canary", "p/eu", json), state("started", "", json), state("pause", "p", json)];
    for (region, json) in [(None, "0"), (Some("eu"), "1"), (Some("us"), "2")] {
        let store = open(&database, region).await;
        store.commit(states(of(Some(json)))).await.unwrap();
        assert!(store.shut_down(LONG).await);
    }
    let seen = async |region| shown(&started(&database, region).await.states);
    assert_eq!(seen(None).await, ["canary p/eu 0", "pause p 2", "started  0"]);
    assert_eq!(seen(Some("eu")).await, ["canary p/eu 1", "pause p 2", "started  1"]);
    assert_eq!(seen(Some("us")).await, ["canary p/eu 2", "pause p 2", "started  2"]);
    assert_eq!(seen(Some("ap")).await, ["pause p 2"]);

    let eu = open(&database, Some("eu")).await;
    eu.commit(states(of(None))).await.unwrap();
    assert_eq!(seen(Some("eu")).await, [""; 0]);
    assert_eq!(seen(Some("us")).await, ["canary p/eu 2", "started  2"]);
}

#[tokio::test]
async fn regions_do_not_see_each_others_cleanups_and_ticks() {
    let database = Database::with_roles();
    let (eu, us) = (open(&database, Some("eu")).await, open(&database, Some("us")).await);
    eu.intend(entry("L1")).await.unwrap();
    us.intend(entry("L2")).await.unwrap();
    eu.commit(runs([run(&canary("p", "eu"), Verdict::Passed, 1)])).await.unwrap();
    us.commit(runs([run(&canary("p", "us"), Verdict::Passed, 2)])).await.unwrap();
    for (store, region, id) in [(&eu, "eu", "L1"), (&us, "us", "L2")] {
        let listed = store.ledger().await.unwrap().entries;
        assert_eq!(listed.iter().map(|view| &*view.entry.id).collect::<Vec<_>>(), [id]);
        let restored = started(&database, Some(region)).await;
        assert_eq!(restored.ledger.iter().map(|entry| &*entry.id).collect::<Vec<_>>(), [id]);
        assert_eq!(restored.last_ticks.iter().map(|tick| &*tick.canary).collect::<Vec<_>>(), [format!("p/{region}")]);
    }
    let whole = started(&database, None).await;
    assert_eq!((whole.ledger.len(), whole.last_ticks.len()), (0, 2));
    eu.ended("L1", LedgerEnd::Gone);
    eu.commit(Commit::default()).await.unwrap();
    assert_eq!(eu.ledger().await.unwrap().entries.len(), 0);
    assert_eq!(us.ledger().await.unwrap().entries.len(), 1);
}
