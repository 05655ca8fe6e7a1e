//! What the processes of a fleet ask of the database that they share: see [`Fleet`].
//!
//! Owns leases, what is read of facts, and what this process has lost; what is written under a lease is refused in `write`, where the
//! transaction begins. Questions have connections of their own, so that no slow reader delays a lease.

mod facts;
mod fence;
mod followed;
mod lease;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::PostgresStore;
use crate::history::{Epoch, FactsPage, Fenced, Fleet, LeaseName, LeaseReply, LeaseView, ReadFuture, RestoredState};

pub(super) use fence::{Fence, Refusal};

/// How long a question may take as a whole.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// Questions that go on at once.
pub(super) const AT_ONCE: usize = 2;

impl Fleet for PostgresStore {
    fn take_lease(&self, name: LeaseName, holder: String, info: String, lasts: Duration) -> ReadFuture<LeaseReply> {
        let asker = self.fleet();
        Box::pin(
            async move { asker.ask(async |client| lease::take(client, &name.to_string(), &holder, &info, lasts).await).await },
        )
    }

    fn release_lease(&self, name: LeaseName, holder: String) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| lease::release(client, &name.to_string(), &holder).await).await })
    }

    fn leases(&self) -> ReadFuture<Vec<LeaseView>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| lease::all(client).await).await })
    }

    fn facts(&self) -> ReadFuture<FactsPage> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| facts::not_well(client).await).await })
    }

    fn facts_since(&self, after: i64) -> ReadFuture<FactsPage> {
        let (asker, own) = (self.fleet(), Arc::clone(self.fence().region()));
        Box::pin(async move { asker.ask(async |client| facts::since(client, after, &own).await).await })
    }

    fn followed(&self) -> ReadFuture<Vec<RestoredState>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| followed::all(client).await).await })
    }

    fn hold_region(&self, epoch: Epoch) {
        self.fence().hold(epoch);
    }

    fn fenced(&self) -> watch::Receiver<Fenced> {
        self.fence().watch()
    }
}

#[cfg(test)]
mod tests;
