//! Who is in an incident, and which places the last notification named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::{Member, Moment, Notice};

/// A canary in an incident; of a summary a subject, of a leak an entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::alert) struct Joined {
    /// The region's name; empty where there is none.
    pub(in crate::alert) region: Arc<str>,
    /// `platform=ios,size=large`; empty without a matrix.
    pub(in crate::alert) cell: Arc<str>,
    /// Whether it is worth another notification when no notification has named its region or its cell.
    pub(in crate::alert) spreads: bool,
    /// When its failures began; steady time.
    pub(in crate::alert) since: Duration,
    /// Failures in a row.
    pub(in crate::alert) failures: u32,
    /// The closed word of the last failure.
    pub(in crate::alert) reason: Option<Arc<str>>,
}

/// The regions and cells that a notification named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::alert) struct Named {
    regions: BTreeSet<Arc<str>>,
    cells: BTreeSet<Arc<str>>,
}

/// Who is in an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::alert) struct Members {
    list: BTreeMap<Arc<str>, Joined>,
    named: Named,
    /// Those in a region or cell that the last notification did not name.
    newcomers: BTreeSet<Arc<str>>,
}

impl Members {
    /// Nobody yet, after a notification that named these places.
    pub(super) fn after(named: Named) -> Self {
        Self { named, ..Self::default() }
    }

    /// It is in the incident from now on, or there is news of it. Says whether it is new.
    pub(in crate::alert) fn join(&mut self, key: &Arc<str>, joined: Joined) -> bool {
        if let Some(known) = self.list.get_mut(key) {
            *known = joined;
            return false;
        }
        if joined.spreads && !(self.named.regions.contains(&joined.region) && self.named.cells.contains(&joined.cell)) {
            self.newcomers.insert(Arc::clone(key));
        }
        self.list.insert(Arc::clone(key), joined);
        true
    }

    /// It is no longer in the incident. Says whether it was.
    pub(in crate::alert) fn leave(&mut self, key: &str) -> bool {
        self.newcomers.remove(key);
        self.list.remove(key).is_some()
    }

    /// A notification names everybody.
    pub(in crate::alert) fn told(&mut self) {
        self.newcomers.clear();
        self.named = Named::default();
        for joined in self.list.values().filter(|joined| joined.spreads) {
            self.named.regions.insert(Arc::clone(&joined.region));
            self.named.cells.insert(Arc::clone(&joined.cell));
        }
    }

    pub(in crate::alert) fn contains(&self, key: &str) -> bool {
        self.list.contains_key(key)
    }

    pub(in crate::alert) fn len(&self) -> usize {
        self.list.len()
    }

    pub(in crate::alert) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(in crate::alert) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.keys()
    }

    /// Whether somebody is in it whom the last notification did not name.
    pub(in crate::alert) fn has_newcomers(&self) -> bool {
        !self.newcomers.is_empty()
    }

    /// The regions it is about.
    pub(in crate::alert) fn regions(&self) -> BTreeSet<&str> {
        self.list.values().map(|joined| &*joined.region).filter(|region| !region.is_empty()).collect()
    }

    /// The regions of those whom the last notification did not name.
    pub(in crate::alert) fn new_regions(&self) -> BTreeSet<&str> {
        let joined = self.newcomers.iter().filter_map(|key| self.list.get(key));
        joined.map(|joined| &*joined.region).filter(|region| !region.is_empty()).collect()
    }

    /// Those whose region and cell the last notification named.
    pub(in crate::alert) fn told_of(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.keys().filter(|key| !self.newcomers.contains(*key))
    }

    pub(super) fn named(&self) -> &Named {
        &self.named
    }

    /// As a page lists them: the worst first, at most [`Notice::MEMBERS`].
    pub(in crate::alert) fn listed(&self, now: Moment) -> Vec<Member> {
        let mut all: Vec<(&Arc<str>, &Joined)> = self.list.iter().collect();
        all.sort_by(|(_, a), (_, b)| b.failures.cmp(&a.failures).then(a.since.cmp(&b.since)));
        all.truncate(Notice::MEMBERS);
        let member = |(key, joined): (&Arc<str>, &Joined)| Member {
            canary: key.to_string(),
            region: joined.region.to_string(),
            cell: joined.cell.to_string(),
            since_ms: now.wall_ms_of(joined.since),
            failures: joined.failures,
            reason: joined.reason.as_deref().map(str::to_owned),
        };
        all.into_iter().map(member).collect()
    }
}
