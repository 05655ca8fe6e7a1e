//! When whose condition wants to be asked again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::CanaryId;

/// Whose conditions they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Owner {
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
    order: BTreeSet<(Duration, Owner)>,
    times: HashMap<Owner, Duration>,
}

impl Timers {
    /// It wants to be asked then, or not at all. Costs nothing where that is as it was.
    pub(super) fn set(&mut self, owner: &Owner, due: Option<Duration>) {
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

    /// The next one whose time has come; it is not among them any more then.
    pub(super) fn take(&mut self, now: Duration) -> Option<Owner> {
        if self.next()? > now {
            return None;
        }
        let (_, owner) = self.order.pop_first()?;
        self.times.remove(&owner);
        Some(owner)
    }
}
