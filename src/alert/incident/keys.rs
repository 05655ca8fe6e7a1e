//! Under which keys an incident was told, and who was told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::Severity;

/// After the first notification of a spread the next one waits so long, after that twice as long, and so on,
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// but never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// An incident that was last told of longer ago than this is told under a new key when it spreads.
const STALE: Duration = Duration::from_mins(30);

/// A key under which somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::alert) struct Told {
    pub(in crate::alert) key: String,
    /// The worst that was told under it.
    pub(in crate::alert) severity: Severity,
    /// Channels that were sent a trigger; empty if no route led to one.
    pub(in crate::alert) channels: BTreeSet<Arc<str>>,
    /// Channels that took one.
    pub(in crate::alert) delivered: BTreeSet<Arc<str>>,
    /// Whether it was resolved, though the incident goes on.
    pub(in crate::alert) resolved: bool,
}

impl Told {
    pub(in crate::alert) fn is_critical(&self) -> bool {
        self.severity == Severity::Critical
    }
}

/// The keys of an incident, in the order of their first use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::alert) struct Keys {
    pub(in crate::alert) told: Vec<Told>,
    /// When the last notification was made that named its members; steady time.
    pub(in crate::alert) last: Option<Duration>,
    /// Notifications of a spread since it was last quiet for long.
    pub(in crate::alert) spreads: u32,
}

impl Keys {
    /// The latest key that is not the one of its being critical.
    pub(in crate::alert) fn page(&self) -> Option<&Told> {
        self.told.iter().rev().find(|told| !told.is_critical())
    }

    /// The key of its being critical, while that is open.
    pub(in crate::alert) fn critical(&self) -> Option<&Told> {
        self.told.iter().rev().find(|told| told.is_critical() && !told.resolved)
    }

    /// Whether it was told at this level.
    pub(in crate::alert) fn reached(&self, level: Severity) -> bool {
        self.page().is_some_and(|told| told.severity >= level)
    }

    /// Whether a page of it was delivered.
    pub(in crate::alert) fn is_delivered(&self) -> bool {
        self.told.iter().any(|told| told.severity >= Severity::Page && !told.resolved && !told.delivered.is_empty())
    }

    /// When the next spread may be told.
    pub(in crate::alert) fn next_spread(&self) -> Duration {
        let pause = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(self.spreads)).min(LONGEST_PAUSE);
        self.last.map_or(Duration::ZERO, |last| last + pause)
    }

    /// Whether it was last told of so long ago that nobody looks at that page any more.
    pub(in crate::alert) fn is_stale(&self, now: Duration) -> bool {
        self.last.is_none_or(|last| now.saturating_sub(last) > STALE)
    }

    /// Notes that channels are sent a trigger under a key.
    pub(in crate::alert) fn tell(&mut self, key: &str, severity: Severity, channels: &BTreeSet<Arc<str>>) {
        if let Some(told) = self.told.iter_mut().rev().find(|told| told.key == key) {
            told.severity = told.severity.max(severity);
            told.resolved = false;
            told.channels.extend(channels.iter().cloned());
        } else {
            let (key, channels) = (key.to_owned(), channels.clone());
            self.told.push(Told { key, severity, channels, delivered: BTreeSet::new(), resolved: false });
        }
    }

    /// A channel took a trigger.
    pub(in crate::alert) fn took(&mut self, key: &str, channel: &Arc<str>) -> bool {
        let told = self.told.iter_mut().find(|told| told.key == key);
        told.is_some_and(|told| told.delivered.insert(Arc::clone(channel)))
    }

    /// A channel will not take what it was sent under a key: who reads it does not know how things stand.
    pub(in crate::alert) fn refused(&mut self, key: &str, channel: &Arc<str>) -> bool {
        let told = self.told.iter_mut().find(|told| told.key == key);
        told.is_some_and(|told| told.delivered.remove(channel))
    }
}
