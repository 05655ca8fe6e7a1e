//! Undoing what a run created: last-in first-out, on a budget of its own, after any verdict.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;

use crate::outcome::{Cause, CleanupReport, CleanupResult, Reason, RunReport};

use super::context::Context;
use super::request::CleanupTask;
use super::sequence::{self, Place};
use super::state::{Created, Undo, find_step};

/// The task that undoes what `context`'s run journalled; `None` if it created nothing.
pub(super) fn task(context: Arc<Context>, run: &Arc<RunReport>) -> Option<CleanupTask> {
    let journal: Vec<Undo> = context.state.take_journal().into_iter().filter(|undo| undo.created != Created::No).collect();
    if journal.is_empty() {
        return None;
    }
    let run = Arc::clone(run);
    Some(async move { Arc::new(undo_all(&context, journal, run).await) }.boxed())
}

async fn undo_all(context: &Context, journal: Vec<Undo>, run: Arc<RunReport>) -> CleanupReport {
    let started = Instant::now();
    let budget = context.limits.cleanup;
    let until = started + budget;
    let mut leaked = Vec::new();
    for undo in journal {
        let work = AssertUnwindSafe(undo_one(context, &undo)).catch_unwind();
        let result = match tokio::time::timeout_at(until.into(), work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(context.cause(Reason::Internal, Some(&undo.step), "the prober panicked while cleaning up")),
            Err(_elapsed) => {
                let message = format!("the cleanup's budget of {} was used up", humantime::format_duration(budget));
                Err(context.cause(Reason::Deadline, Some(&undo.step), &message))
            }
        };
        leaked.extend(result.err());
    }
    let ended = Instant::now();
    let steps = context.state.finish(ended, context.started, leaked.last());
    let result = if leaked.is_empty() { CleanupResult::Clean } else { CleanupResult::Leaked(leaked) };
    CleanupReport { run, started: context.offset(started), duration: ended.duration_since(started), steps, result }
}

/// Undoes one step's work. All of its cleanup steps are tried; the first failure is told.
async fn undo_one(context: &Context, undo: &Undo) -> Result<(), Cause> {
    let Some(step) = find_step(&context.canary.probe.steps, &undo.step) else { return Ok(()) };
    let place = Place { device: Some(Arc::clone(&undo.device)), ..Place::default() };
    let mut names = Arc::clone(&undo.names);
    let mut result = Ok(());
    for cleanup in &step.cleanup {
        match sequence::one(context, cleanup, &names, &place, None).await {
            Ok(captures) => Arc::make_mut(&mut names).extend(captures),
            Err(cause) => result = result.and(Err(cause)),
        }
    }
    result.map_err(|cause| {
        let doubt = if undo.created == Created::Maybe {
            "may have created something that was not removed"
        } else {
            "left something behind"
        };
        Cause { message: format!("`{}` {doubt}: {}", undo.step, cause.message), ..cause }
    })
}
