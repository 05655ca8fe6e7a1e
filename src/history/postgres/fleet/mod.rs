//! What the processes of a fleet ask of the database that they share: see [`Fleet`].
//!
//! Owns leases, what is read of facts, what processes ask of each other, who is there, what logs people in, and what this process has lost; what is written under a lease is refused in `write`, where the
//! transaction begins. Questions have connections of their own, so that no slow reader delays a lease.

mod access;
mod facts;
mod fence;
mod instance;
mod lease;
mod request;
mod states;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::PostgresStore;
use crate::history::{
    Epoch, FactsPage, Fenced, Fleet, InstanceView, LeaseName, LeaseReply, LeaseView, ReadFuture, Request, RequestState,
    RestoredState, TakenRequest,
};

pub(super) use fence::{Fence, Refusal};

/// How long a question may take as a whole.
pub(super) const WITHIN: Duration = Duration::from_secs(2);

/// Questions that go on at once: the leases, requests that are looked for, and one more for whoever asks.
pub(super) const AT_ONCE: usize = 3;

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

    fn states_of(&self, kinds: &'static [&'static str]) -> ReadFuture<Vec<RestoredState>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| states::all(client, kinds).await).await })
    }

    fn ask(&self, requests: Vec<Request>, lasts: Duration) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| request::ask(client, &requests, lasts).await).await })
    }

    fn take_requests(&self, of: Vec<LeaseName>, holder: String) -> ReadFuture<Vec<TakenRequest>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| request::take(client, &of, &holder).await).await })
    }

    fn answer(&self, id: String, holder: String, json: String) -> ReadFuture<bool> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| request::answer(client, &id, &holder, &json).await).await })
    }

    fn answers(&self, ids: Vec<String>) -> ReadFuture<Vec<RequestState>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| request::answers(client, ids).await).await })
    }

    fn withdraw(&self, ids: Vec<String>) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| request::withdraw(client, ids).await).await })
    }

    fn announce(&self, holder: String, info: String) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| instance::announce(client, &holder, &info).await).await })
    }

    fn depart(&self, holder: String) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| instance::depart(client, &holder).await).await })
    }

    fn instances(&self) -> ReadFuture<Vec<InstanceView>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| instance::all(client).await).await })
    }

    fn first_state(&self, kind: &'static str, json: String) -> ReadFuture<String> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| access::first_state(client, kind, json).await).await })
    }

    fn keep_code(&self, hash: String, json: String, lasts: Duration) -> ReadFuture<()> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| access::keep_code(client, &hash, &json, lasts).await).await })
    }

    fn take_code(&self, hash: String) -> ReadFuture<Option<String>> {
        let asker = self.fleet();
        Box::pin(async move { asker.ask(async |client| access::take_code(client, &hash).await).await })
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
