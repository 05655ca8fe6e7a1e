//! The barrier of a `parallel`: all entries start at once when the last is ready, and one that drops out does not hold up the
//! others.

use std::sync::Arc;

use tokio::sync::watch;

/// One party's ticket at the barrier. Dropping it counts as having arrived.
#[derive(Debug)]
pub(super) struct BarrierTicket {
    /// Closed once every party has dropped its half.
    gate: watch::Receiver<()>,
    held: Option<Arc<watch::Sender<()>>>,
}

impl BarrierTicket {
    /// Tickets for so many parties.
    pub(super) fn for_parties(parties: usize) -> Vec<Self> {
        let (sender, gate) = watch::channel(());
        let sender = Arc::new(sender);
        (0..parties).map(|_| Self { gate: gate.clone(), held: Some(Arc::clone(&sender)) }).collect()
    }

    /// Waits until everyone has arrived or dropped out.
    pub(super) async fn wait(mut self) {
        self.held = None;
        // An error means that the last sender is gone, which is the signal.
        while self.gate.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn nobody_is_let_go_before_all_have_arrived() {
        let mut tickets = BarrierTicket::for_parties(2);
        let second = tickets.pop().unwrap();
        let first = tickets.pop().unwrap();
        let mut first = Box::pin(first.wait());
        assert!(first.as_mut().now_or_never().is_none());
        second.wait().await;
        first.await;
    }

    #[tokio::test]
    async fn a_party_that_drops_out_holds_nobody_up() {
        let mut tickets = BarrierTicket::for_parties(2);
        drop(tickets.pop());
        tickets.pop().unwrap().wait().await;
    }
}
