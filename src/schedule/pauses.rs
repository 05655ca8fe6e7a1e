//! What people have paused: a probe or a canary, for a while or until somebody resumes it.
//!
//! Pauses are in memory only; a caller that wants them to outlive the process stores the list and pauses again. A run costs one
//! atomic read while nothing is paused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::plan::{Canary, CanaryId};

/// How long a pause that was lifted is remembered, so that runs which were going meanwhile are told apart.
const RETAINED: Duration = Duration::from_hours(1);

/// The pauses of a scheduler. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Pauses {
    inner: Arc<PauseList>,
}

#[derive(Debug, Default)]
struct PauseList {
    /// Whether there is anything in the list.
    any: AtomicBool,
    list: Mutex<Vec<PauseEntry>>,
}

#[derive(Debug)]
struct PauseEntry {
    pause: Pause,
    /// When it was lifted.
    lifted: Option<Instant>,
}

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PauseTarget {
    /// Every canary of a probe, by its name.
    Probe(Arc<str>),
    /// One canary.
    Canary(CanaryId),
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub target: PauseTarget,
    /// Since when, for people.
    pub since: SystemTime,
    /// When it ends by itself, by the wall clock; until it is lifted if absent.
    pub until: Option<SystemTime>,
    /// Who paused it.
    pub by: String,
    /// What for.
    pub why: Option<String>,
}

impl Pauses {
    /// Pauses something, from now on. An earlier pause of the same is replaced.
    pub fn pause(&self, pause: Pause) {
        let mut list = self.lock();
        list.retain(|entry| entry.lifted.is_some() || entry.pause.target != pause.target);
        list.push(PauseEntry { pause, lifted: None });
        self.tidy(&mut list);
    }

    /// Lifts a pause. Returns whether there was one.
    pub fn resume(&self, target: &PauseTarget) -> bool {
        let mut list = self.lock();
        let now = SystemTime::now();
        let found = list.iter_mut().find(|entry| entry.pause.target == *target && entry.is_open(now));
        let was = found.map(|entry| entry.lifted = Some(Instant::now())).is_some();
        self.tidy(&mut list);
        was
    }

    /// The pauses in force, in the order in which they were made.
    pub fn list(&self) -> Vec<Pause> {
        let mut list = self.lock();
        self.tidy(&mut list);
        let now = SystemTime::now();
        list.iter().filter(|entry| entry.is_open(now)).map(|entry| entry.pause.clone()).collect()
    }

    /// A pause of this canary that was in force at some time since a moment, given by both clocks.
    pub(super) fn over(&self, canary: &Canary, steady: Instant, wall: SystemTime) -> Option<Pause> {
        if !self.inner.any.load(Ordering::Relaxed) {
            return None;
        }
        let since = |entry: &&PauseEntry| {
            entry.pause.target.is(canary)
                && entry.lifted.is_none_or(|lifted| lifted >= steady)
                && entry.pause.until.is_none_or(|until| until > wall)
        };
        self.lock().iter().find(since).map(|entry| entry.pause.clone())
    }

    /// Forgets what ended so long ago that no run can have been going then.
    fn tidy(&self, list: &mut Vec<PauseEntry>) {
        let now = SystemTime::now();
        list.retain(|entry| {
            let ended = entry.pause.until.and_then(|until| now.duration_since(until).ok());
            ended.is_none_or(|ago| ago < RETAINED) && entry.lifted.is_none_or(|lifted| lifted.elapsed() < RETAINED)
        });
        self.inner.any.store(!list.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PauseEntry>> {
        self.inner.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PauseEntry {
    fn is_open(&self, now: SystemTime) -> bool {
        self.lifted.is_none() && self.pause.until.is_none_or(|until| until > now)
    }
}

impl PauseTarget {
    /// Whether a canary is meant.
    pub fn is(&self, canary: &Canary) -> bool {
        match self {
            Self::Probe(name) => *name == canary.probe.name,
            Self::Canary(id) => *id == canary.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::every;
    use super::*;

    fn pause(until: Option<SystemTime>) -> Pause {
        let target = PauseTarget::Probe("rests".into());
        Pause { target, since: SystemTime::now(), until, by: "ann".into(), why: None }
    }

    #[test]
    fn a_pause_ends_by_itself_and_a_run_that_began_before_its_end_overlaps_it() {
        let (canary, pauses) = (every("rests", Duration::from_secs(10), 1), Pauses::default());
        let (steady, now) = (Instant::now(), SystemTime::now());
        pauses.pause(pause(Some(now - Duration::from_secs(1))));
        assert_eq!(pauses.list(), []);
        assert!(pauses.over(&canary, steady, now).is_none());
        assert!(pauses.over(&canary, steady, now - Duration::from_secs(2)).is_some());
        assert!(!pauses.resume(&PauseTarget::Probe("rests".into())), "it has ended");
    }

    #[test]
    fn pausing_again_replaces_the_pause_and_others_are_left_alone() {
        let (canary, other) = (every("rests", Duration::from_secs(10), 1), every("other", Duration::from_secs(10), 1));
        let pauses = Pauses::default();
        let later = SystemTime::now() + Duration::from_hours(1);
        pauses.pause(pause(None));
        pauses.pause(pause(Some(later)));
        assert_eq!(pauses.list().iter().map(|pause| pause.until).collect::<Vec<_>>(), [Some(later)]);
        let over = |canary| pauses.over(canary, Instant::now(), SystemTime::now()).is_some();
        assert_eq!((over(&canary), over(&other)), (true, false));
    }

    #[test]
    fn a_run_that_began_after_a_pause_was_lifted_is_not_over_it() {
        let (canary, pauses) = (every("rests", Duration::from_secs(10), 1), Pauses::default());
        let before = Instant::now();
        pauses.pause(pause(None));
        assert!(pauses.resume(&PauseTarget::Probe("rests".into())));
        assert!(pauses.over(&canary, before, SystemTime::now()).is_some());
        let after = Instant::now() + Duration::from_nanos(1);
        assert!(pauses.over(&canary, after, SystemTime::now()).is_none());
    }
}
