//! The task that does what other processes of the fleet ask of this one.
//!
//! It knows nothing of what is asked: whoever starts it hands in what does it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::history::{LeaseName, ReadError};

use super::member::Member;
use super::watch::LeaseWatch;

/// How often it is looked what is asked. Somebody waits for the answer.
const LOOK: Duration = Duration::from_millis(400);

/// How long what was asked may take; whoever asked does not wait as long.
const DONE_WITHIN: Duration = Duration::from_secs(10);

/// Does what is asked, in JSON, and answers in JSON.
pub type DoAsked = Arc<dyn Fn(String) -> BoxFuture<'static, String> + Send + Sync>;

/// Who answers for this process, before anything does.
pub struct Answerer {
    member: Member,
    evaluator: LeaseWatch,
}

/// The task. It ends when it is dropped.
pub struct Answering(JoinHandle<()>);

impl Answerer {
    /// For this process, which evaluates while it has the evaluator's lease for certain.
    pub fn new(member: Member, evaluator: LeaseWatch) -> Self {
        Self { member, evaluator }
    }

    /// Does what is asked of this process from now on, on the runtime it is called on.
    pub fn start(self, does: DoAsked) -> Answering {
        Answering(tokio::spawn(self.answer(does)))
    }

    async fn answer(self, does: DoAsked) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // Whoever keeps the leases says that the store does not answer.
            let _asked = self.look(&does).await;
        }
    }

    async fn look(&self, does: &DoAsked) -> Result<(), ReadError> {
        let mut own = vec![self.member.region()];
        if self.evaluator.is_certain(Instant::now(), SystemTime::now()) {
            own.push(LeaseName::Evaluator);
        }
        let holder = &self.member.holder;
        for asked in self.member.fleet.take_requests(own, holder.clone()).await? {
            // Whoever asked is told that it may have been done; nobody else waits for it.
            let done = tokio::time::timeout(DONE_WITHIN, AssertUnwindSafe(does(asked.json)).catch_unwind()).await;
            let Ok(Ok(answer)) = done else {
                tracing::error!(request = asked.id, "what was asked panicked, or did not end; the former is a defect");
                continue;
            };
            match self.member.fleet.answer(asked.id.clone(), holder.clone(), answer).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(request = asked.id, "what was asked was done, and another process has taken over meanwhile");
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, request = asked.id, "what was asked was done, and whoever asked cannot be told");
                }
            }
        }
        Ok(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}
