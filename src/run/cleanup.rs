//! Undoing what a run created: last-in first-out, on a budget of its own, after any verdict, and after a crash too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures::FutureExt as _;

use crate::outcome::{Cause, CleanupReport, CleanupResult, LedgerEnd, LedgerEntry, Reason, RunReport, SpanId};
use crate::plan;

use super::context::Context;
use super::creation;
use super::cut;
use super::ledger;
use super::request::CleanupTask;
use super::sequence;
use super::step_context::StepContext;
use super::undo::{Created, CreationStatus, Undo};

/// The task that undoes what `context`'s run created; `None` if it created nothing.
pub(super) fn task(context: Arc<Context>, run: &Arc<RunReport>) -> Option<CleanupTask> {
    let (undos, nothing): (Vec<Undo>, Vec<Undo>) =
        context.log.take_undos().into_iter().partition(|undo| undo.made.created != Created::No);
    for undo in &nothing {
        end_ledger_entry(&context, undo, LedgerEnd::Gone);
    }
    if undos.is_empty() {
        return None;
    }
    let run = Arc::clone(run);
    Some(async move { Arc::new(undo_all(&context, undos, run).await) }.boxed())
}

async fn undo_all(context: &Context, undos: Vec<Undo>, run: Arc<RunReport>) -> CleanupReport {
    let started = Instant::now();
    let until = started + context.env.limits.cleanup;
    let mut leaked = Vec::new();
    let mut later_is_open = false;
    for undo in undos {
        let result = undo_until(context, &undo, until).await.map_err(|cause| cause.sealed(context.env.redactor()));
        let end = match &result {
            // The cleanup of a later creation is still open. When it is repeated it may need this one again, as one signs out
            // what the other signs in.
            Ok(()) if undo.made.cut || later_is_open => LedgerEnd::Again,
            Ok(()) => LedgerEnd::Gone,
            Err(cause) => LedgerEnd::Retry { message: cause.message.clone() },
        };
        later_is_open |= end != LedgerEnd::Gone;
        end_ledger_entry(context, &undo, end);
        leaked.extend(result.err());
    }
    let ended = Instant::now();
    cut::keep_attempts((&context.env, &context.log), ended, Reason::Deadline);
    let steps = context.log.finish(ended, context.env.started, leaked.last());
    let result = if leaked.is_empty() { CleanupResult::Clean } else { CleanupResult::Leaked(leaked) };
    CleanupReport { run, started: context.env.offset(started), duration: ended.duration_since(started), steps, result }
        .sealed(context.env.redactor())
}

fn end_ledger_entry(context: &Context, undo: &Undo, end: LedgerEnd) {
    if let (Some(ledger), Some(entry)) = (&context.ledger, &undo.entry) {
        ledger.entries().ended(entry, end);
    }
}

/// Undoes what an earlier run left, from its entry in the ledger, and says what is to become of the entry.
pub(super) async fn resume(context: &Context, entry: &LedgerEntry) -> LedgerEnd {
    let gone = |message: String| LedgerEnd::Retry { message };
    let Some(step) = plan::find(&context.env.canary.probe.steps, &entry.step) else {
        return gone(format!(
            "the probe has no step `{}` any more, so nobody knows how to undo it; remove it by hand",
            entry.step
        ));
    };
    if step.cleanup.is_empty() {
        return gone(format!("the step `{}` has no cleanup any more; remove what it left by hand", entry.step));
    }
    let undo = Undo {
        id: SpanId::random(),
        step: Arc::clone(&step.name),
        names: ledger::restored_names(&context.env, &entry.names),
        device: entry.device.as_str().into(),
        made: CreationStatus { created: if entry.created { Created::Yes } else { Created::Maybe }, cut: !entry.created },
        entry: None,
    };
    let undone = undo_until(context, &undo, context.env.started + context.env.limits.cleanup).await;
    let steps = context.log.finish(Instant::now(), context.env.started, undone.as_ref().err());
    match undone {
        // A cleanup has passed before, so that finding nothing to undo is a success.
        Err(cause) if entry.passed == 0 || !creation::found_nothing(&steps) => {
            LedgerEnd::Retry { message: cause.sealed(context.env.redactor()).message }
        }
        Ok(()) | Err(_) if creation::is_open(&context.env, entry, SystemTime::now()) => LedgerEnd::Again,
        Ok(()) | Err(_) => LedgerEnd::Gone,
    }
}

/// Undoes one step's work by this moment. Panics and timeouts become causes.
async fn undo_until(context: &Context, undo: &Undo, until: Instant) -> Result<(), Cause> {
    let work = AssertUnwindSafe(undo_one(context, undo)).catch_unwind();
    match tokio::time::timeout_at(until.into(), work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(context.env.cause(Reason::Internal, Some(&undo.step), "the prober panicked while cleaning up")),
        Err(_elapsed) => {
            let budget = humantime::format_duration(context.env.limits.cleanup);
            let message = format!("the cleanup's budget of {budget} was used up");
            Err(context.env.cause(Reason::Deadline, Some(&undo.step), &message))
        }
    }
}

/// Undoes one step's work. All of its cleanup steps are tried; the first failure is returned.
async fn undo_one(context: &Context, undo: &Undo) -> Result<(), Cause> {
    let Some(step) = plan::find(&context.env.canary.probe.steps, &undo.step) else { return Ok(()) };
    let outer = StepContext { device: Some(Arc::clone(&undo.device)), ..StepContext::default() };
    let mut names = Arc::clone(&undo.names);
    let mut result = Ok(());
    for cleanup in &step.cleanup {
        match sequence::one(context, cleanup, &names, &outer, None).await {
            Ok(captures) => Arc::make_mut(&mut names).extend(captures),
            Err(cause) => result = result.and(Err(cause)),
        }
    }
    result.map_err(|cause| {
        let doubt = if undo.made.created == Created::Maybe {
            "may have created something that was not removed"
        } else {
            "left something behind"
        };
        Cause { message: format!("`{}` {doubt}: {}", undo.step, cause.message), ..cause }
    })
}
