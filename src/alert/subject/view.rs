//! What can be asked of subjects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Place, Subject, Subjects};
use crate::alert::Failure;
use crate::plan::CanaryId;

/// What a canary sees of a subject at page level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// Who sees it.
    pub canary: &'a CanaryId,
    /// Since when it fails; steady time.
    pub since: Duration,
    /// Failures in a row.
    pub failures: u32,
}

impl Subjects {
    /// Subjects at page level with a page of their own, or those in the summary, by name. Those that are not told apart have no
    /// name and are not among them.
    pub fn paging(&self, place: Place) -> impl Iterator<Item = &Arc<str>> {
        self.failing.iter().filter(move |(_, subject)| subject.place == Some(place)).map(|(name, _)| name)
    }

    /// Subjects that are not told apart, because there are more than [`TRACKED`](super::TRACKED).
    pub fn untold(&self) -> usize {
        self.lists.values().map(|list| list.untold).max().unwrap_or(0)
    }

    /// Every canary that has seen something of them.
    pub fn canaries(&self) -> BTreeSet<CanaryId> {
        let subjects = self.failing.values().chain([&self.rest]);
        self.lists.keys().chain(subjects.flat_map(|subject| subject.tracks.keys())).cloned().collect()
    }

    /// The canaries that have the subject at page level; `None` asks for those that are not told apart.
    pub fn sightings(&self, subject: Option<&str>) -> Vec<Sighting<'_>> {
        let tracks = self.subject(subject).into_iter().flat_map(|subject| &subject.tracks);
        tracks
            .filter_map(|(canary, track)| Some(Sighting { canary, since: track.paging_since()?, failures: track.failures() }))
            .collect()
    }

    /// What a page tells of the subject's latest failure.
    pub fn failure(&self, subject: Option<&str>) -> Option<&Arc<Failure>> {
        self.subject(subject)?.failure.as_ref()
    }

    fn subject(&self, name: Option<&str>) -> Option<&Subject> {
        match name {
            Some(name) => self.failing.get(name),
            None => Some(&self.rest),
        }
    }
}
