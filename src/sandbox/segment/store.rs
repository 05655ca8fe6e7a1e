//! The segments and jobs that are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::bounded::Bounded;
use super::super::seed::Seed;
use super::catalogue;
use super::record::{Job, Segment};

/// Standing segments for good, everything else by age.
#[derive(Debug)]
pub(super) struct Store(Mutex<Tables>);

#[derive(Debug)]
pub(super) struct Tables {
    standing: BTreeMap<Arc<str>, Segment>,
    made: Bounded<Segment>,
    pub(super) jobs: Bounded<Job>,
}

impl Store {
    pub(super) fn new(seed: Seed, most: usize) -> Self {
        let standing = catalogue::segments(seed).into_iter().map(|segment| (Arc::clone(&segment.id), segment)).collect();
        let made = Bounded::new(most, usize::MAX);
        // Refresh jobs of standing segments are jobs too, hence the room beyond the segments'.
        let jobs = Bounded::new(most.saturating_add(64), usize::MAX);
        Self(Mutex::new(Tables { standing, made, jobs }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    pub(super) fn get(&self, id: &str) -> Option<&Segment> {
        self.standing.get(id).or_else(|| self.made.get(id))
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Segment> {
        self.standing.get_mut(id).or_else(|| self.made.get_mut(id))
    }

    /// Standing segments by id, then the others by age.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.standing.values().chain(self.made.values())
    }

    pub(super) fn standing_mut(&mut self) -> impl Iterator<Item = &mut Segment> {
        self.standing.values_mut()
    }

    pub(super) fn add(&mut self, segment: Segment) {
        self.made.put(Arc::clone(&segment.id), segment, 0);
    }

    pub(super) fn add_job(&mut self, job: Job) {
        self.jobs.put(Arc::clone(&job.id), job, 0);
    }

    /// Removes a segment that is not standing.
    pub(super) fn remove(&mut self, id: &str) -> Option<Segment> {
        self.made.remove(id)
    }

    pub(super) fn len(&self) -> usize {
        self.standing.len() + self.made.len() + self.jobs.len()
    }
}
