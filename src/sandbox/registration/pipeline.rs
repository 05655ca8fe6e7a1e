//! What each stage does with a registration, and its worker.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::super::fault::FaultName;
use super::super::queue::Full;
use super::super::state::AppState;
use super::record::{Status, WarehouseRow};
use super::stage::Stage;

/// What a worker does with a message after it handled it.
enum MessageOutcome {
    /// Acknowledge it.
    Done,
    /// Hand it to this stage, then acknowledge it.
    Pass(Stage),
    /// Handle it again after this much product time.
    Again(Duration),
    /// It is held up by something outside: look again soon.
    HeldUp,
}

/// Wall time after which a held-up message is looked at again. It is not scaled, so that a fast sandbox does not spin.
const HELD_UP: Duration = Duration::from_millis(200);

/// Hands a registration to a stage.
pub(super) fn enqueue(app: &AppState, stage: Stage, id: &Arc<str>) -> Result<(), Full> {
    let (low, high) = stage.takes();
    let takes = app.time_scale.wall(app.seed.between(stage.as_str(), id, low, high));
    app.registrations.queues.of(stage).push(Instant::now() + takes, Arc::clone(id))
}

/// A stage's worker; runs until it is dropped.
pub(in crate::sandbox) async fn work(app: Arc<AppState>, stage: Stage) {
    let queue = app.registrations.queues.of(stage);
    loop {
        let id = queue.next().await;
        let again = match handle(&app, stage, &id) {
            MessageOutcome::Done => None,
            // A full queue downstream holds the message up here, as back-pressure would.
            MessageOutcome::Pass(next) => enqueue(&app, next, &id).err().map(|Full| HELD_UP),
            MessageOutcome::Again(product) => Some(app.time_scale.wall(product)),
            MessageOutcome::HeldUp => Some(HELD_UP),
        };
        if let Some(after) = again
            && queue.push(Instant::now() + after, Arc::clone(&id)).is_err()
        {
            // The message came out of this queue a moment ago. If the queue is full again, the sandbox is flooded.
            tracing::warn!(correlation_id = &*id, stage = stage.as_str(), "queue full, message lost");
        }
    }
}

/// Does a stage's work on one registration; it may have been deleted meanwhile.
fn handle(app: &AppState, stage: Stage, id: &str) -> MessageOutcome {
    let Some(registration) = app.registrations.store.get(id) else { return MessageOutcome::Done };
    let hit = |fault| app.faults.hit(fault, &registration.origin, id);
    let advance = |status| {
        tracing::debug!(correlation_id = id, stage = stage.as_str(), ?status, "registration advances");
        app.registrations.store.change(id, |registration| registration.advance(status));
    };
    match stage {
        Stage::Payment if hit(FaultName::PaymentErrors).is_some() || hit(FaultName::PaymentTimeouts).is_some() => {
            MessageOutcome::HeldUp
        }
        Stage::Payment => match registration.status {
            Status::Initiated if registration.declined => {
                advance(Status::Failed);
                MessageOutcome::Done
            }
            Status::Initiated => {
                advance(Status::Authorized);
                MessageOutcome::Again(Duration::from_millis(200))
            }
            Status::Authorized => {
                advance(Status::Captured);
                MessageOutcome::Pass(Stage::Activation)
            }
            // The activation queue was full when it was captured.
            Status::Captured => MessageOutcome::Pass(Stage::Activation),
            Status::Activated | Status::Failed => MessageOutcome::Done,
        },
        // The message is acknowledged and forgotten: nothing threw, and nothing will ever come after it.
        Stage::Activation if hit(FaultName::RegistrationStopsAfterPayment).is_some() => MessageOutcome::Done,
        Stage::Activation if hit(FaultName::StoppedConsumer).is_some() => MessageOutcome::HeldUp,
        Stage::Activation => {
            if registration.status == Status::Captured {
                advance(Status::Activated);
            }
            MessageOutcome::Pass(Stage::Receipt)
        }
        Stage::Receipt => {
            app.registrations.store.change(id, |registration| {
                registration.receipt_issued_at.get_or_insert_with(Utc::now);
            });
            MessageOutcome::Pass(Stage::Warehouse)
        }
        Stage::Warehouse => {
            let waited = registration.receipt_issued_at.and_then(|at| (Utc::now() - at).to_std().ok()).unwrap_or_default();
            if hit(FaultName::WarehouseLag).is_some_and(|hit| waited < app.time_scale.wall(hit.delay)) {
                return MessageOutcome::HeldUp;
            }
            let renamed = hit(FaultName::RenamedField).is_some();
            app.registrations.store.change(id, |registration| {
                registration.row = Some(WarehouseRow { loaded_at: Utc::now(), renamed });
            });
            MessageOutcome::Done
        }
    }
}
