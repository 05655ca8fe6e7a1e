//! What readers get of all canaries at once, in few bytes each: runs as marks of strips and sparklines, and the counts of hours.
//!
//! A page that shows every canary asks once for all of them, and not once for each.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::outcome::{Reason, Verdict};

/// A run in the least that a strip or a sparkline shows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunMark {
    /// Its canary's id.
    pub canary: Arc<str>,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
    /// When it started, milliseconds since the epoch.
    pub started_ms: i64,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// How it ended.
    #[serde(serialize_with = "verdict_word")]
    pub verdict: Verdict,
    /// Why it did not pass.
    #[serde(serialize_with = "reason_word")]
    pub reason: Option<Reason>,
    /// Whether it passed and a `warn` of one of its steps did not hold.
    pub degraded: bool,
    /// Whether it counts for streaks and SLO: it passed or failed, was due, and its canary was still there.
    pub counted: bool,
    /// How long until what it waited for held, microseconds: the longest of its `eventually` steps. None where nothing was waited for,
    /// or something in vain.
    pub convergence_us: Option<u64>,
}

/// Marks in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarksPage {
    /// The runs.
    pub marks: Vec<RunMark>,
    /// Where to go on: at the next page, or later for what was written since.
    pub next: String,
    /// Whether the store was begun anew since the cursor, so that this begins from the start: forget what was read before.
    pub is_cut: bool,
    /// Whether there may be more now.
    pub more: bool,
}

impl MarksPage {
    /// The most marks a page has.
    pub const LIMIT: usize = 20_000;
}

/// How runs ended, those that count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunCounts {
    /// By verdict.
    pub passed: u64,
    /// See [`Self::passed`].
    pub failed: u64,
    /// See [`Self::passed`].
    pub errored: u64,
    /// See [`Self::passed`].
    pub missed: u64,
    /// See [`Self::passed`].
    pub blocked: u64,
    /// See [`Self::passed`].
    pub skipped: u64,
    /// How many of the passed ones are degraded.
    pub degraded: u64,
}

impl RunCounts {
    /// Adds others.
    pub fn add(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.errored += more.errored;
        self.missed += more.missed;
        self.blocked += more.blocked;
        self.skipped += more.skipped;
        self.degraded += more.degraded;
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.passed + self.failed + self.errored + self.missed + self.blocked + self.skipped
    }

    /// Those that passed or failed, which are what an objective is of.
    pub fn counted(self) -> u64 {
        self.passed + self.failed
    }

    /// The share of those that passed, 0..=1; none without any.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits than a double has")]
    pub fn success(self) -> Option<f64> {
        (self.counted() > 0).then(|| self.passed as f64 / self.counted() as f64)
    }
}

/// How the runs of an hour of a canary ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HourCounts {
    /// The canary's id.
    pub canary: Arc<str>,
    /// Start of the hour, milliseconds since the epoch.
    pub hour_ms: i64,
    /// How its runs ended.
    #[serde(flatten)]
    pub counts: RunCounts,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in references")]
fn verdict_word<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.as_str())
}

#[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde hands in references")]
fn reason_word<S: Serializer>(reason: &Option<Reason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_str).serialize(serializer)
}
