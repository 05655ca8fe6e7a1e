//! When each owner of conditions wants to be called again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::CanaryId;

/// Whose conditions they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ConditionOwner {
    /// A canary's runs.
    Canary(CanaryId),
    /// Those of a probe.
    Probe(Arc<str>),
    /// Those of the process.
    Process,
}

/// The next time of each that has one.
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Duration, ConditionOwner)>,
    times: HashMap<ConditionOwner, Duration>,
}

impl Timers {
    /// Sets or removes its timer. An unchanged timer costs nothing.
    pub(super) fn set(&mut self, owner: &ConditionOwner, due: Option<Duration>) {
        let before = self.times.get(owner).copied();
        if before == due {
            return;
        }
        if let Some((owner, before)) = self.times.remove_entry(owner) {
            self.order.remove(&(before, owner));
        }
        if let Some(due) = due {
            self.times.insert(owner.clone(), due);
            self.order.insert((due, owner.clone()));
        }
    }

    /// When the next one wants to be asked.
    pub(super) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out the next timer whose time has come.
    pub(super) fn take(&mut self, now: Duration) -> Option<ConditionOwner> {
        if self.next()? > now {
            return None;
        }
        let (_, owner) = self.order.pop_first()?;
        self.times.remove(&owner);
        Some(owner)
    }
}
