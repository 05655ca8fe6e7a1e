//! The journal of a process: a store on its own disk, for what cannot wait until the store of the fleet answers.
//!
//! Owns which intents to create something go there: those that the fleet's store did not write down in time. They leave the journal
//! once that store has them; what a process left there when it died, the next one hands in before it probes. What is told alone and
//! what is probed before the fleet's store was ever reached are in the same file, and are handed in here as well.
//!
//! It never decides what is cleaned up, and nothing is read from it while a process runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::history::{Commit, FOLLOWED, LedgerView, OF_REGION, ReadError, StateRow, Store};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};

/// How long the store of the fleet may take to write an intent down before the journal does.
const WITHIN: Duration = Duration::from_millis(400);

/// Kinds of states that say when a process was there. The store of the fleet has its own of them.
const OF_PROCESS: [&str; 3] = ["started", "stopped", "attended"];

/// The cleanup ledger of a process in a fleet.
#[derive(Clone)]
pub struct JournalledLedger {
    store: Arc<dyn Ledger>,
    journal: Arc<dyn Ledger>,
    /// The entries that are in the journal.
    kept: Arc<Mutex<HashSet<String>>>,
}

impl JournalledLedger {
    /// The ledger of the fleet's store, and the journal for when that does not answer.
    pub fn new(store: Arc<dyn Ledger>, journal: Arc<dyn Ledger>) -> Self {
        Self { store, journal, kept: Arc::default() }
    }

    fn keeps(&self, id: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Writes into the journal what the store has not written yet, and takes it out once it has.
    async fn keep(
        self,
        entry: LedgerEntry,
        durable: BoxFuture<'static, Result<(), LedgerUnavailable>>,
    ) -> Result<(), LedgerUnavailable> {
        let id = entry.id.clone();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.journal.intend(entry).await?;
        tokio::spawn(async move {
            // Where it never will, because another process has the region, the next start hands it in.
            if durable.await.is_ok() {
                self.journal.ended(&id, LedgerEnd::Gone);
            }
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
        Ok(())
    }
}

impl Ledger for JournalledLedger {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        let this = self.clone();
        let mut durable = self.store.intend(entry.clone());
        async move {
            match tokio::time::timeout(WITHIN, &mut durable).await {
                Ok(taken) => taken,
                Err(_late) => this.keep(entry, durable).await,
            }
        }
        .boxed()
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        if self.keeps(id) {
            self.journal.created(id, names.clone());
        }
        self.store.created(id, names);
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        if self.keeps(id) {
            self.journal.ended(id, end.clone());
        }
        self.store.ended(id, end);
    }
}

/// Whether anything that was told alone may still be open at a channel. A journal that cannot be read says so when it is handed in.
pub async fn is_anything_open(journal: &dyn Store) -> bool {
    let Ok(left) = journal.start_state(SystemTime::now()).await else { return false };
    left.incidents.iter().any(|incident| incident.resolved_ms.is_none())
        || left.states.iter().any(|state| state.kind == "cover")
        || !left.tries.is_empty()
}

/// Hands what an earlier process left in its journal to the store of the fleet, under the region's lease, and takes it out of the
/// journal once it is written: first what is to be cleaned up, then how the rules of its canaries stood, and what people paused and
/// muted. Returns how many cleanups there were.
///
/// # Errors
/// Where the journal cannot be read. Where the store does not take it, it stays in the journal, and is handed in at the next start.
pub async fn hand_in(journal: &dyn Store, store: &dyn Store) -> Result<usize, ReadError> {
    let ledger = journal.ledger().await?;
    let states = journal.start_state(SystemTime::now()).await?.states;
    let mut intents = Vec::new();
    for LedgerView { entry, given_up, message } in ledger.entries {
        let id = entry.id.clone();
        intents.push((id.clone(), store.intend(entry)));
        if given_up {
            store.ended(&id, LedgerEnd::GivenUp { message: message.unwrap_or_default() });
        }
    }
    let count = intents.len();
    let rows = |json: bool| {
        let rows = states.iter().filter_map(|state| {
            let kinds = OF_REGION.into_iter().filter(|kind| !OF_PROCESS.contains(kind)).chain(FOLLOWED);
            let kind = kinds.into_iter().find(|kind| *kind == state.kind)?;
            Some(StateRow { kind, key: state.key.clone(), json: json.then(|| state.json.clone()) })
        });
        Commit { states: rows.collect(), ..Commit::default() }
    };
    let handed = rows(true);
    if count == 0 && handed.states.is_empty() {
        return Ok(0);
    }
    if store.commit(handed).await.is_err() {
        tracing::error!("what is in the journal could not be handed in, and stays there: another instance has the region");
        return Ok(0);
    }
    journal.record(rows(false));
    for (id, taken) in intents {
        if taken.await.is_ok() {
            journal.ended(&id, LedgerEnd::Gone);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
