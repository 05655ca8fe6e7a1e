//! What became of a run's cleanup, kept beside the run: each step with its result, in the shape of `serinus test --output json`.
//!
//! It comes after its run and on a way of its own, so that the run's row may not be written yet; whoever writes then waits for it.

use serde_json::Value;

use super::detail::transcripts;
use crate::outcome::{CleanupReport, CleanupResult, StepReport, Transcripts};
use crate::plan::Bodies;

/// Bytes of JSON that are kept of one cleanup.
const BYTES: usize = 64 << 10;

/// Leaks that are kept where that is too much.
const FIRST: usize = 20;

/// The cleanup as it is written, bounded. Of one that left nothing behind there is no more to tell of a step than its result and
/// its times.
pub(in crate::history) fn kept(report: &CleanupReport, bodies: Bodies) -> String {
    let steps = |exchanges: Option<Bodies>, attempts: bool| -> Vec<Value> {
        let bare = |made: &StepReport| StepReport { attempts: Vec::new(), expectations: Vec::new(), ..made.clone() };
        let json = |made: &StepReport| {
            if attempts { made.to_json(transcripts(exchanges)) } else { bare(made).to_json(Transcripts::Without) }
        };
        report.steps.iter().map(json).collect()
    };
    let leaks = match &report.result {
        CleanupResult::Clean => return report.to_json_of(&[], &steps(None, false)).to_string(),
        CleanupResult::Leaked(causes) => causes.as_slice(),
    };
    let first = &leaks[..leaks.len().min(FIRST)];
    let most = [(leaks, (Some(bodies), true)), (leaks, (None, true)), (first, (None, false))];
    let mut drawn =
        most.into_iter().map(|(leaks, (exchanges, attempts))| report.to_json_of(leaks, &steps(exchanges, attempts)).to_string());
    drawn.find(|text| text.len() <= BYTES).unwrap_or_else(|| report.to_json_of(&[], &[]).to_string())
}
