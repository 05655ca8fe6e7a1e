//! Rows of the evaluator of a fleet, which one process is at a time: what waits is of one epoch.
//!
//! Owns which rows those are. Rows of an epoch that another one followed are dropped, as they would be refused, and they must not be
//! written together with what the next epoch decided.

use tokio::sync::oneshot;

use super::{Backlog, Waiter};
use crate::history::{Commit, OF_EVALUATOR};

impl Backlog {
    /// Takes what belongs together, and tells when all of it is durable.
    pub(super) fn push_and_wait(&mut self, commit: Commit, done: oneshot::Sender<()>) {
        let for_evaluation = commit.evaluator.is_some() && is_evaluation(&commit);
        if self.push(commit) {
            self.await_by(Waiter::new(done, for_evaluation));
        }
    }

    /// Drops what is older of this commit's and of the waiting rows of the evaluator. Returns whether the commit is whole.
    pub(super) fn admit(&mut self, commit: &mut Commit) -> bool {
        if commit.evaluator.is_some() && commit.evaluator < self.evaluator {
            let is_whole = !is_evaluation(commit);
            commit.states.retain(|row| !OF_EVALUATOR.contains(&row.kind));
            commit.incidents.clear();
            commit.timeline.clear();
            commit.tries.clear();
            commit.outcomes.clear();
            return is_whole;
        }
        if commit.evaluator > self.evaluator {
            self.drop_evaluation();
            self.evaluator = commit.evaluator;
        }
        true
    }

    /// Drops what is older of the rows of the evaluator, in this backlog or in the one that came after it.
    pub(super) fn admit_all(&mut self, newer: &mut Self) {
        if newer.evaluator > self.evaluator {
            self.drop_evaluation();
            self.evaluator = newer.evaluator;
        } else if newer.evaluator.is_some() && newer.evaluator < self.evaluator {
            newer.drop_evaluation();
        }
    }

    /// Drops the rows of the evaluator. Whoever waits for them gets an error.
    pub(in crate::history) fn drop_evaluation(&mut self) {
        self.states.retain(|(kind, _), _| !OF_EVALUATOR.contains(kind));
        self.incidents.clear();
        self.timeline.clear();
        self.tries = super::Tries::default();
        self.waiters.retain(|waiter| !waiter.for_evaluation);
    }

    /// Whether rows of the evaluator wait.
    pub(in crate::history) fn has_evaluation(&self) -> bool {
        !self.incidents.is_empty()
            || !self.timeline.is_empty()
            || self.tries.len() > 0
            || self.states.keys().any(|(kind, _)| OF_EVALUATOR.contains(kind))
    }
}

/// Whether rows of the evaluator are in it.
fn is_evaluation(commit: &Commit) -> bool {
    !commit.incidents.is_empty()
        || !commit.timeline.is_empty()
        || !commit.tries.is_empty()
        || !commit.outcomes.is_empty()
        || commit.states.iter().any(|row| OF_EVALUATOR.contains(&row.kind))
}

#[cfg(test)]
mod tests;
