//! A group of alerts that are told together, and when there is news of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Labels;
use super::alert::Alert;

/// Alerts that are told together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) alerts: BTreeMap<Labels, Alert>,
    /// When it looks next.
    pub(super) next: Duration,
    /// Whether it has looked once.
    pub(super) flushed: bool,
}

impl Group {
    pub(super) fn new(next: Duration) -> Self {
        Self { alerts: BTreeMap::new(), next, flushed: false }
    }

    /// Takes an alert in. One that began long ago does not wait again.
    pub(super) fn insert(&mut self, alert: Alert, group_wait: Duration, now: Duration) {
        if !self.flushed && alert.starts + group_wait < now {
            self.next = now;
        }
        self.alerts.insert(alert.labels.clone(), alert);
    }
}

/// What was said last of a group.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) at: Duration,
    pub(super) firing: BTreeSet<Labels>,
    pub(super) resolved: BTreeSet<Labels>,
}

impl Said {
    /// Whether this is to be said after that.
    pub(super) fn is_news(&self, last: Option<&Self>, send_resolved: bool, repeat: Duration) -> bool {
        let Some(last) = last else { return !self.firing.is_empty() };
        if !self.firing.is_subset(&last.firing) {
            return true;
        }
        if self.firing.is_empty() {
            return !last.firing.is_empty();
        }
        (send_resolved && !self.resolved.is_subset(&last.resolved)) || last.at + repeat < self.at
    }
}
