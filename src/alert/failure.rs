//! What is kept of a failed run as evidence of a fact. It was redacted when the report was made, and is bounded here.

use serde::{Deserialize, Serialize};

/// A failed run, as far as a page tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The canary's id.
    pub canary: String,
    /// The run.
    pub run_id: String,
    /// Its trace.
    pub trace_id: String,
    /// When this was made, milliseconds since the epoch.
    pub at_ms: i64,
    /// The closed word.
    pub reason: String,
    /// One sentence: what was tried, what was seen.
    pub message: String,
    /// The step.
    pub step: Option<String>,
    /// Attempts made of it.
    pub attempts: u32,
    /// The expectation that did not hold, as written.
    pub expectation: Option<String>,
    /// `file:line:column`.
    pub location: Option<String>,
    /// Parts of the expectation and the values seen.
    pub seen: Vec<(String, String)>,
}
