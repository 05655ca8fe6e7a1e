//! The journal of a process: a store on its own disk, for what cannot wait until the store of the fleet answers.
//!
//! Owns which intents to create something go there: those that the fleet's store did not write down in time. They leave the journal
//! once that store has them; what a process left there when it died, the next one hands in before it probes. What is told alone and
//! what is probed before the fleet's store was ever reached are in the same file, and are handed in here as well.
//!
//! It never decides what is cleaned up, and nothing is read from it while a process runs.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::alert::fails_since;
use crate::history::{
    Commit, FOLLOWED, FactRow, LedgerView, OF_REGION, ReadError, RestoredState, StartState, StateRow, Store, TOLD_ALONE,
};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};

use super::followed::{SEEN, by_name, changed_alone};

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

    fn kept(&self) -> MutexGuard<'_, HashSet<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes into the journal what the store has not written yet, and takes it out once it has.
    async fn keep(
        self,
        entry: LedgerEntry,
        durable: BoxFuture<'static, Result<(), LedgerUnavailable>>,
    ) -> Result<(), LedgerUnavailable> {
        let id = entry.id.clone();
        self.journal.intend(entry).await?;
        self.kept().insert(id.clone());
        tokio::spawn(async move {
            // Where it never will, because another process has the region, the next start hands it in.
            if durable.await.is_ok() {
                self.journal.ended(&id, LedgerEnd::Gone);
                self.kept().remove(&id);
            }
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
        if self.kept().contains(id) {
            self.journal.created(id, names.clone());
        }
        self.store.created(id, names);
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        let kept = if matches!(end, LedgerEnd::Gone) { self.kept().remove(id) } else { self.kept().contains(id) };
        if kept {
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

/// How long the store may take to write what is handed in; what it has not written then stays in the journal.
const HANDED_IN_WITHIN: Duration = Duration::from_secs(10);

/// Hands the cleanups that an earlier process left in its journal to the store of the fleet, and takes them out of the journal once they
/// are written: whoever probes the region does them, also while this process stands by. Returns how many there were.
///
/// # Errors
/// Where the journal cannot be read. What the store does not take stays in the journal, and is handed in at the next start.
pub async fn hand_in_cleanups(journal: &dyn Store, store: &dyn Store) -> Result<usize, ReadError> {
    let mut intents = Vec::new();
    for LedgerView { entry, given_up, message } in journal.ledger().await?.entries {
        let id = entry.id.clone();
        intents.push((id.clone(), store.intend(entry)));
        if given_up {
            store.ended(&id, LedgerEnd::GivenUp { message: message.unwrap_or_default() });
        }
    }
    let mut count = 0;
    let until = tokio::time::Instant::now() + HANDED_IN_WITHIN;
    for (id, taken) in intents {
        if tokio::time::timeout_at(until, taken).await.is_ok_and(|taken| taken.is_ok()) {
            journal.ended(&id, LedgerEnd::Gone);
            count += 1;
        }
    }
    Ok(count)
}

/// Hands in what of an earlier process's time alone still counts, under the region's lease: the canaries that failed then, unless another
/// process has probed since or the store knows of it, what channels were told then, and what people paused and muted alone. The journal forgets it, and the rest of how
/// rules stood, which began from nothing there: the store has it over the whole time.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn hand_in_states(journal: &dyn Store, store: &dyn Store, remembered: &StartState) -> Result<(), ReadError> {
    let left = journal.start_state(SystemTime::now()).await?.states;
    let kinds = || OF_REGION.into_iter().filter(|kind| !OF_PROCESS.contains(kind)).chain(FOLLOWED).chain([SEEN, TOLD_ALONE]);
    let mut forgotten = Commit::default();
    let theirs = by_name(&remembered.states);
    let ticked = last_ticks(remembered);
    let mut handed = Commit { states: changed_alone(&by_name(&left), &theirs), ..Commit::default() };
    for RestoredState { kind, key, json } in left {
        let Some(kind) = kinds().find(|known| *known == kind) else { continue };
        forgotten.states.push(StateRow { kind, key: key.clone(), json: None });
        let (known, ticked) = (theirs.get(&(kind, &*key)).copied(), ticked.get(&*key).copied());
        if kind == TOLD_ALONE {
            handed.facts.push(FactRow { key: format!("{TOLD_ALONE}/{key}"), json: Some(json), well: false });
        } else if kind == CANARY && still_fails(&key, &json, known, ticked) {
            handed.states.push(StateRow { kind, key, json: Some(json) });
        }
    }
    if forgotten.states.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout(HANDED_IN_WITHIN, store.commit(handed)).await {
        Ok(Ok(())) => journal.record(forgotten),
        Ok(Err(_)) | Err(_) => {
            tracing::error!(
                "what this process told and saw fail while it was alone could not be handed in; it stays in the journal for the next start"
            );
        }
    }
    Ok(())
}

/// The kind of rows of canaries.
const CANARY: &str = "canary";

/// When each canary ticked last, by what the store knows.
fn last_ticks(remembered: &StartState) -> HashMap<&str, i64> {
    let mut last: HashMap<&str, i64> = HashMap::new();
    for tick in &remembered.last_ticks {
        let due = last.entry(&tick.canary).or_insert(tick.due_ms);
        *due = tick.due_ms.max(*due);
    }
    last
}

/// Whether a canary failed alone, and the store knows nothing later and nothing of it.
fn still_fails(canary: &str, json: &str, known: Option<&str>, ticked: Option<i64>) -> bool {
    fails_since(json, known, ticked).unwrap_or_else(|error| {
        tracing::error!(canary, %error, "how a canary stood while this process was alone cannot be read");
        false
    })
}

#[cfg(test)]
mod tests;
