//! The port through which runs write down what they are about to create, so that it is removed after a crash too.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// What a run is about to create, or created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its id (ULID).
    pub id: String,
    /// The run's id.
    pub run_id: String,
    /// The run's trace.
    pub trace_id: String,
    /// The canary's id.
    pub canary: String,
    /// The probe's name.
    pub probe: String,
    /// The region's name.
    pub region: String,
    /// The step whose cleanup undoes it.
    pub step: String,
    /// The device that creates it.
    pub device: String,
    /// When the run started, milliseconds since the epoch.
    pub started_ms: i64,
    /// Vars, loop names and captures, by name, as JSON. Never a secret.
    pub names: serde_json::Value,
    /// Whether the creation is known to have happened (its captures are in `names`).
    pub created: bool,
    /// Cleanups that passed, but do not prove that it is undone, because the creation's answer never came (see
    /// [`LedgerEnd::Again`]).
    #[serde(default)]
    pub passed: u32,
    /// Cleanups that failed so far.
    pub attempts: u32,
}

/// Why an intent could not be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store did not take the cleanup ledger's entry in time")]
pub struct LedgerUnavailable;

/// What became of an entry's cleanup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEnd {
    /// Undone, or nothing had been created.
    Gone,
    /// Its cleanup passed, but the creation's answer never came, so that it may still be created: the cleanup is repeated later.
    Again,
    /// One more try failed; it is tried again later.
    Retry {
        /// What was seen.
        message: String,
    },
    /// Given up on; it stays listed as leaked.
    GivenUp {
        /// What was seen last.
        message: String,
    },
}

/// Keeps the entries. Implemented by the store.
pub trait Ledger: Send + Sync + 'static {
    /// Writes an intent down; resolves when it is durable.
    fn intend(&self, entry: LedgerEntry) -> BoxFuture<'static, Result<(), LedgerUnavailable>>;

    /// The creation happened: these are its names now. Never blocks.
    fn created(&self, id: &str, names: serde_json::Value);

    /// Its cleanup ended. Never blocks.
    fn ended(&self, id: &str, end: LedgerEnd);
}
