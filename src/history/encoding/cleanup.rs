//! What became of a run's cleanup, kept beside the run: each step with its result, in the shape of `serinus test --output json`.
//!
//! It comes after its run and on a way of its own, so that the run's row may not be written yet; whoever writes then waits for it.

use serde_json::{Value, json};

use super::detail::{cause, step};
use crate::base::time::seconds;
use crate::outcome::{CleanupReport, CleanupResult, StepReport};
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
        report.steps.iter().map(|made| if attempts { step(made, exchanges) } else { step(&bare(made), None) }).collect()
    };
    let (result, leaks) = match &report.result {
        CleanupResult::Clean => return written(report, "clean", &[], &steps(None, false)),
        CleanupResult::Leaked(causes) => ("leaked", causes.iter().map(cause).collect::<Vec<Value>>()),
    };
    let first = &leaks[..leaks.len().min(FIRST)];
    let most = [(&leaks[..], (Some(bodies), true)), (&leaks, (None, true)), (first, (None, false))];
    let mut drawn =
        most.into_iter().map(|(leaks, (exchanges, attempts))| written(report, result, leaks, &steps(exchanges, attempts)));
    drawn.find(|text| text.len() <= BYTES).unwrap_or_else(|| written(report, result, &[], &[]))
}

fn written(report: &CleanupReport, result: &str, leaks: &[Value], steps: &[Value]) -> String {
    json!({
        "result": result,
        "leaks": leaks,
        "started_seconds": seconds(report.started),
        "duration_seconds": seconds(report.duration),
        "steps": steps,
    })
    .to_string()
}
