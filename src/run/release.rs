//! A barrier for `parallel`: everyone who is ready is let go at once, and whoever drops out holds nobody up.

use std::sync::Arc;

use tokio::sync::watch;

/// One party's place at the barrier. Dropping it counts as having arrived.
#[derive(Debug)]
pub(super) struct Release {
    /// Closed once every party has dropped its half.
    gate: watch::Receiver<()>,
    held: Option<Arc<watch::Sender<()>>>,
}

impl Release {
    /// Places for so many parties.
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
        let mut places = Release::for_parties(2);
        let second = places.pop().unwrap();
        let first = places.pop().unwrap();
        let mut first = Box::pin(first.wait());
        assert!(first.as_mut().now_or_never().is_none());
        second.wait().await;
        first.await;
    }

    #[tokio::test]
    async fn a_party_that_drops_out_holds_nobody_up() {
        let mut places = Release::for_parties(2);
        drop(places.pop());
        places.pop().unwrap().wait().await;
    }
}
