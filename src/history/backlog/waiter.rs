//! Who waits for something to be durable.

use tokio::sync::oneshot;

/// Somebody who waits for something to be durable; an error, if it never will be.
#[derive(Debug)]
pub(in crate::history) struct Waiter {
    done: oneshot::Sender<()>,
    /// Whether it waits for rows of an evaluator, which may be dropped while the others are written.
    pub(super) for_evaluation: bool,
}

impl Waiter {
    pub(super) fn new(done: oneshot::Sender<()>, for_evaluation: bool) -> Self {
        Self { done, for_evaluation }
    }

    /// Whether it no longer waits.
    pub(super) fn is_closed(&self) -> bool {
        self.done.is_closed()
    }

    /// It is durable. Whoever no longer wants to know has dropped the receiver.
    pub(in crate::history) fn notify(self) {
        let _ = self.done.send(());
    }
}
