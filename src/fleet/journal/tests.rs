//! What goes to the journal, and what of it is handed in.

use serde_json::json;
use tokio::sync::oneshot;

use super::*;
use crate::history::memory::MemoryStore;
use crate::history::{CleanupLedger as _, Recorder as _, Recovery as _, RestoredTick};

/// A ledger that takes an intent when it is told to.
#[derive(Default)]
struct SlowLedger {
    asked: Mutex<Vec<oneshot::Sender<()>>>,
    told: Mutex<Vec<String>>,
}

impl Ledger for SlowLedger {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        let (taken, durable) = oneshot::channel();
        self.asked.lock().unwrap().push(taken);
        self.told.lock().unwrap().push(format!("intend {}", entry.id));
        async { durable.await.map_err(|_| LedgerUnavailable) }.boxed()
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        self.told.lock().unwrap().push(format!("created {id} {names}"));
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        self.told.lock().unwrap().push(format!("ended {id} {end:?}"));
    }
}

fn entry(id: &str) -> LedgerEntry {
    LedgerEntry {
        id: id.to_owned(),
        run_id: "01JD5X0000000000000000000A".to_owned(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        canary: "shop/eu".to_owned(),
        probe: "shop".to_owned(),
        region: "eu".to_owned(),
        step: "create".to_owned(),
        device: "main".to_owned(),
        started_ms: 1,
        names: json!({ "name": "canary-7" }),
        created: false,
        passed: 0,
        attempts: 0,
    }
}

async fn ids(store: &MemoryStore) -> Vec<String> {
    store.ledger().await.unwrap().entries.into_iter().map(|view| view.entry.id).collect()
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_the_store_takes_in_time_is_not_in_the_journal() {
    let (store, journal) = (Arc::new(SlowLedger::default()), MemoryStore::default());
    let ledger = JournalledLedger::new(store.clone(), Arc::new(journal.clone()));
    let intended = tokio::spawn(ledger.intend(entry("a")));
    tokio::time::sleep(WITHIN / 2).await;
    store.asked.lock().unwrap().pop().unwrap().send(()).unwrap();
    assert_eq!(intended.await.unwrap(), Ok(()));
    ledger.created("a", json!({}));
    assert_eq!(ids(&journal).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_the_store_does_not_take_in_time_is_in_the_journal_until_the_store_has_it() {
    let (store, journal) = (Arc::new(SlowLedger::default()), MemoryStore::default());
    let ledger = JournalledLedger::new(store.clone(), Arc::new(journal.clone()));
    assert_eq!(ledger.intend(entry("a")).await, Ok(()), "the run goes on");
    assert_eq!(ids(&journal).await, ["a"]);
    ledger.created("a", json!({ "id": 7 }));
    let kept = journal.ledger().await.unwrap().entries.remove(0).entry;
    assert!(kept.created && kept.names == json!({ "id": 7 }), "{kept:?}");
    store.asked.lock().unwrap().pop().unwrap().send(()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ids(&journal).await, Vec::<String>::new());
    ledger.ended("a", LedgerEnd::Gone);
    assert_eq!(*store.told.lock().unwrap(), ["intend a", "created a {\"id\":7}", "ended a Gone"], "the store is told all of it");
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_the_store_will_never_take_stays_in_the_journal_unless_it_is_undone() {
    let (store, journal) = (Arc::new(SlowLedger::default()), MemoryStore::default());
    let ledger = JournalledLedger::new(store.clone(), Arc::new(journal.clone()));
    for id in ["a", "b"] {
        assert_eq!(ledger.intend(entry(id)).await, Ok(()));
    }
    ledger.ended("b", LedgerEnd::Gone);
    store.asked.lock().unwrap().clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ids(&journal).await, ["a"], "another process has the region; the next start hands it in");
}

#[tokio::test]
async fn cleanups_that_a_process_left_in_its_journal_are_handed_in_once() {
    let (store, journal) = (MemoryStore::default(), MemoryStore::default());
    for id in ["a", "b"] {
        journal.intend(entry(id)).await.unwrap();
    }
    journal.created("a", json!({ "id": 7 }));
    journal.ended("b", LedgerEnd::GivenUp { message: "403".to_owned() });
    assert_eq!(hand_in_cleanups(&journal, &store).await.unwrap(), 2);
    let rows = store.ledger().await.unwrap().entries;
    let found: Vec<_> = rows.iter().map(|view| (view.entry.id.as_str(), view.entry.created, view.given_up)).collect();
    assert_eq!(found, [("a", true, false), ("b", false, true)]);
    assert_eq!(rows[0].entry.names, json!({ "id": 7 }));
    assert_eq!(ids(&journal).await, Vec::<String>::new());
    assert_eq!(hand_in_cleanups(&journal, &store).await.unwrap(), 0, "nothing comes twice");
}

/// A canary's row, with a run that started then.
fn canary(id: &str, last: i64, fails: bool) -> StateRow {
    let mut json = json!({ "runs": { "last": last } });
    if fails {
        json["runs"]["failures"] = 2.into();
        json["failure"] = json!({
            "canary": id, "run_id": "", "trace_id": "", "at_ms": last, "reason": "expectation", "message": "", "step": null,
            "attempts": 1, "expectation": null, "location": null, "seen": []
        });
    }
    StateRow { kind: CANARY, key: id.to_owned(), json: Some(json.to_string()) }
}

#[tokio::test]
async fn of_how_rules_stood_alone_only_canaries_count_that_fail_and_of_which_the_store_knows_nothing_later() {
    let (store, journal) = (MemoryStore::default(), MemoryStore::default());
    let fails = |id| canary(id, 500, true);
    let row = |kind: &'static str, key: &str| StateRow { kind, key: key.to_owned(), json: Some("{}".to_owned()) };
    let alone = vec![
        fails("new/eu"),
        fails("well/eu"),
        fails("known/eu"),
        fails("later/eu"),
        canary("passes/eu", 500, false),
        row("budget", "p"),
        row("attended", "new/eu"),
        row("scope", "probe/p"),
        row("pause", "new/eu"),
    ];
    journal.commit(Commit { states: alone, ..Commit::default() }).await.unwrap();
    let known = vec![canary("well/eu", 400, false), canary("known/eu", 400, true), canary("passes/eu", 400, true)];
    store.commit(Commit { states: known, ..Commit::default() }).await.unwrap();
    let mut remembered = store.start_state(SystemTime::now()).await.unwrap();
    // The last of all its slots counts, whatever their order.
    for (slot, due_ms) in [(0, 300), (1, 600), (2, 400)] {
        remembered.last_ticks.push(RestoredTick { canary: "later/eu".to_owned(), slot, due_ms });
    }
    hand_in_states(&journal, &store, &remembered).await.unwrap();

    let mut states = store.start_state(SystemTime::now()).await.unwrap().states;
    states.sort_by(|one, other| (&one.kind, &one.key).cmp(&(&other.kind, &other.key)));
    let found: Vec<(&str, &str, bool)> =
        states.iter().map(|state| (&*state.kind, &*state.key, state.json.contains("500"))).collect();
    assert_eq!(
        found,
        [
            ("canary", "known/eu", false),
            ("canary", "new/eu", true),
            ("canary", "passes/eu", false),
            ("canary", "well/eu", true),
            ("pause", "new/eu", false),
        ]
    );
    let left = journal.start_state(SystemTime::now()).await.unwrap().states;
    let kinds: Vec<&str> = left.iter().map(|state| &*state.kind).collect();
    assert_eq!(kinds, ["attended", "scope"], "nothing comes back weeks later");
}
