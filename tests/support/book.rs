//! A cleanup ledger in memory.

use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serinus::outcome::{Ledger, LedgerEnd, LedgerEntry, LedgerUnavailable};

/// A ledger in memory that tells what it was told, and may be slow or full.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) entries: Mutex<Vec<LedgerEntry>>,
    pub(crate) ends: Mutex<Vec<(String, LedgerEnd)>>,
    /// How long it takes to write an intent down.
    pub(crate) takes: Duration,
    /// Whether it takes none.
    pub(crate) full: bool,
    /// Whether it loses what it was told after the intent, as a crash before the answer does.
    pub(crate) forgets: bool,
}

impl Book {
    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn ends(&self) -> Vec<LedgerEnd> {
        self.ends.lock().unwrap().iter().map(|(_, end)| end.clone()).collect()
    }
}

impl Ledger for Book {
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>> {
        self.entries.lock().unwrap().push(entry);
        let (takes, full) = (self.takes, self.full);
        async move {
            tokio::time::sleep(takes).await;
            if full { Err(LedgerUnavailable) } else { Ok(()) }
        }
        .boxed()
    }

    fn created(&self, id: &str, names: serde_json::Value) {
        if self.forgets {
            return;
        }
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.iter_mut().find(|entry| entry.id == id).unwrap();
        (entry.created, entry.names) = (true, names);
    }

    fn ended(&self, id: &str, end: LedgerEnd) {
        let mut entries = self.entries.lock().unwrap();
        match &end {
            LedgerEnd::Gone => entries.retain(|entry| entry.id != id),
            LedgerEnd::Again => entries.iter_mut().filter(|entry| entry.id == id).for_each(|entry| entry.passed += 1),
            LedgerEnd::Retry { .. } | LedgerEnd::GivenUp { .. } => {
                entries.iter_mut().filter(|entry| entry.id == id).for_each(|entry| entry.attempts += 1);
            }
        }
        self.ends.lock().unwrap().push((id.to_owned(), end));
    }
}
