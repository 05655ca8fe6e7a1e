//! What a process ran before it reached the store of its fleet: for history and objectives, once it does.
//!
//! Owns the bound: the oldest passed runs go first, and then the oldest of all. What went is counted as the store counts it. It is in
//! memory: a crash loses it. How the rules of the canaries stood is in the journal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;

use crate::base::time::epoch_ms;
use crate::history::{Commit, Record, RestoredTick, Store};
use crate::outcome::{CleanupReport, OutcomeSink, RunReport, Trigger, Verdict};

/// Runs that are kept: an hour of a thousand canaries that run every four seconds.
const RUNS: usize = 20_000;

/// How long a start waits for it to be written; the store writes it later otherwise.
const WITHIN: Duration = Duration::from_secs(10);

/// Counts what could not be kept while the store was away.
const DROPPED: &str = "serinus_store_dropped_total";

/// The runs, in the order of their ends, and what became of their cleanups.
#[derive(Debug, Default)]
pub struct Spool(Mutex<Spooled>);

#[derive(Debug, Default)]
struct Spooled {
    passed: VecDeque<Arc<RunReport>>,
    others: VecDeque<Arc<RunReport>>,
    cleanups: VecDeque<Arc<CleanupReport>>,
}

impl Spool {
    /// Hands it to the store, but for ticks that another process has run; resolves when it is written.
    pub async fn hand_in(&self, store: &dyn Store, last_ticks: &[RestoredTick]) {
        let Spooled { passed, others, cleanups } = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let ticked: HashMap<(&str, u32), i64> = last_ticks.iter().map(|tick| ((&*tick.canary, tick.slot), tick.due_ms)).collect();
        let is_later = |report: &Arc<RunReport>| {
            let known = ticked.get(&(report.canary.id.as_str(), report.tick.slot));
            known.is_none_or(|known| epoch_ms(report.tick.due) > *known)
        };
        let record = |report: Arc<RunReport>| {
            let counted = !matches!(report.trigger, Trigger::Manual | Trigger::Test);
            Record { report, counted }
        };
        let runs: Vec<Record> = passed.into_iter().chain(others).filter(is_later).map(record).collect();
        let count = runs.len();
        if count == 0 {
            return;
        }
        let commit = store.commit(Commit { runs, ..Commit::default() });
        let written = tokio::time::timeout(WITHIN, commit).await.is_ok_and(|written| written.is_ok());
        for report in &cleanups {
            store.cleanup_finished(report);
        }
        if written {
            tracing::info!(runs = count, "what ran before the store of the fleet was reached is in it");
        } else {
            tracing::warn!(runs = count, "what ran before the store of the fleet was reached is not written yet");
        }
    }
}

impl OutcomeSink for Spool {
    fn run_finished(&self, report: &Arc<RunReport>) {
        let mut spooled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if report.verdict == Verdict::Passed {
            spooled.passed.push_back(Arc::clone(report));
        } else {
            spooled.others.push_back(Arc::clone(report));
        }
        if spooled.passed.len() + spooled.others.len() > RUNS {
            let what = if spooled.passed.pop_front().is_some() { "passed" } else { "not_passed" };
            if what == "not_passed" {
                spooled.others.pop_front();
            }
            counter!(DROPPED, "what" => what).increment(1);
        }
    }

    fn cleanup_finished(&self, report: &Arc<CleanupReport>) {
        let mut spooled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spooled.cleanups.push_back(Arc::clone(report));
        if spooled.cleanups.len() > RUNS {
            spooled.cleanups.pop_front();
            counter!(DROPPED, "what" => "details").increment(1);
        }
    }
}
