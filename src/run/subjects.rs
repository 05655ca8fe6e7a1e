//! Subjects that failed, what they mean for their run, and how long each of them may poll.
//!
//! A failed subject stops neither its loop nor the run. At the end the run is `failed`: with the reason of whatever else failed,
//! so that this is not hidden, or else with the reason `subject`. So that subjects which fail slowly leave the steps after them
//! the time they need, they share the deadline:
//!
//! - when a loop with subjects begins, the time that is left to the deadline is divided into equal parts: one for this loop, one
//!   for each later loop with subjects, and one for all other steps that come after it, if there are any;
//! - when a round begins, what is left of its loop's part is divided by the rounds that are still to be made one after the other
//!   (all that are left divided by `at_once`). What one does not use, those after it have.
//!
//! An `eventually` of a subject makes no further attempt once its share is used up. No attempt is cut by that, and the first one
//! is always made. A subject may thus fail earlier than its `within`, but not one that answers at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::outcome::{Cause, Reason, Verdict};
use crate::plan::Step;

use super::polling::Next;

/// Subjects that are named in a message; the steps' reports name all.
const NAMED: usize = 10;

/// The subjects that failed so far.
#[derive(Debug, Default)]
pub(super) struct Subjects(Mutex<Vec<FailedLoop>>);

/// Those of one loop.
#[derive(Debug, Clone)]
struct FailedLoop {
    step: Arc<str>,
    names: Vec<String>,
    failed: usize,
    made: usize,
    first: Cause,
}

impl Subjects {
    /// These subjects of a loop failed, of so many.
    pub(super) fn failed(&self, step: &Arc<str>, made: usize, failed: &[&Cause]) {
        let Some(first) = failed.first() else { return };
        let names = failed.iter().filter_map(|cause| cause.subject.clone()).take(NAMED).collect();
        let failed = FailedLoop { step: Arc::clone(step), names, failed: failed.len(), made, first: (*first).clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(failed);
    }

    /// Why the run failed, as far as its subjects are concerned; `None` if none did.
    pub(super) fn cause(&self) -> Option<Cause> {
        let loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = loops.first()?;
        let told: Vec<String> = match &loops[..] {
            [only] => vec![only.summary()],
            many => many.iter().map(|failed| format!("`{}`: {}", failed.step, failed.summary())).collect(),
        };
        let message = format!("{}; the first: {}", told.join("; "), first.first.message);
        Some(Cause { reason: Reason::Subject, message, step: Some(Arc::clone(&first.step)), ..first.first.clone() })
    }
}

impl FailedLoop {
    fn summary(&self) -> String {
        let more = if self.failed > self.names.len() { ", …" } else { "" };
        format!("{} of {} subjects failed ({}{more})", self.failed, self.made, self.names.join(", "))
    }
}

/// The cause of a run, from those of its steps and its subjects. A failure outweighs any other cause. Of two failures that of the
/// steps is the run's, because subjects page by themselves.
pub(super) fn combined(journey: Option<Cause>, subjects: Option<Cause>) -> Option<Cause> {
    let (journey, subjects) = match (journey, subjects) {
        (Some(journey), Some(subjects)) => (journey, subjects),
        (journey, subjects) => return journey.or(subjects),
    };
    let failed = |cause: &Cause| Verdict::of(cause.reason) == Verdict::Failed;
    Some(match (failed(&journey), failed(&subjects)) {
        // After a panic nothing is certain.
        _ if journey.reason == Reason::Internal => journey,
        (true, true) => Cause { message: format!("{}; besides, {}", journey.message, subjects.message), ..journey },
        (false, true) => Cause { message: format!("{}; and then: {}", subjects.message, journey.message), ..subjects },
        (true | false, false) => journey,
    })
}

/// The part of the deadline that a loop with subjects has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    until: Instant,
}

/// How long a subject may go on polling.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    began: Instant,
    lasting: Duration,
}

impl Allowance {
    /// The part of the loop `step` of a run, which begins at `now`; the run's bound ends at `end`.
    pub(super) fn of_loop(steps: &[Step], step: &Step, end: Instant, now: Instant) -> Self {
        let after = steps.iter().position(|known| known.name == step.name).map_or(&[][..], |at| &steps[at + 1..]);
        let loops = after.iter().filter(|step| step.subject.is_some()).count();
        let parts = 1 + loops + usize::from(loops < after.len());
        Self { until: now + divided(end.saturating_duration_since(now), parts) }
    }

    /// The share of a round that begins at `now`, when so many are to be made one after the other, this one included.
    pub(super) fn share(&self, rounds: usize, now: Instant) -> Share {
        Share { began: now, lasting: divided(self.until.saturating_duration_since(now), rounds) }
    }
}

impl Share {
    /// How long it lasts, if it is used up at `now`, when this process has stood still for so long since it began.
    pub(super) fn used_up(&self, stalled: impl Fn(Instant) -> Duration, now: Instant) -> Option<Duration> {
        (now >= self.end(stalled)).then_some(self.lasting)
    }

    /// When the next attempt is made, if at all: the last one at the share's very end.
    pub(super) fn bounded(&self, next: Next, stalled: impl Fn(Instant) -> Duration, now: Instant) -> Next {
        let end = self.end(stalled);
        match next {
            Next::At(_) if now >= end => Next::Stop,
            Next::At(moment) => Next::At(moment.min(end)),
            Next::Stop => Next::Stop,
        }
    }

    /// It is prolonged by the time that the process stood still meanwhile, at most by itself.
    fn end(&self, stalled: impl Fn(Instant) -> Duration) -> Instant {
        self.began + self.lasting + stalled(self.began).min(self.lasting)
    }
}

fn divided(time: Duration, parts: usize) -> Duration {
    time / u32::try_from(parts.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cause(reason: Reason) -> Cause {
        Cause {
            reason,
            message: reason.as_str().to_owned(),
            step: None,
            subject: None,
            attempts: 1,
            expectation: None,
            location: None,
            seen: Vec::new(),
        }
    }

    fn of_subjects(reason: Reason) -> Subjects {
        let subjects = Subjects::default();
        let failed: Vec<Cause> = (0..12).map(|at| Cause { subject: Some(format!("s{at}")), ..cause(reason) }).collect();
        subjects.failed(&"copies".into(), 20, &failed.iter().collect::<Vec<_>>());
        subjects
    }

    #[test]
    fn subjects_alone_make_the_reason_subject_and_say_how_many_and_which() {
        let subjects = of_subjects(Reason::Expectation);
        let told = combined(None, subjects.cause()).unwrap();
        assert_eq!((told.reason, told.step.as_deref(), told.subject.as_deref()), (Reason::Subject, Some("copies"), Some("s0")));
        assert_eq!(told.message, "12 of 20 subjects failed (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, …); the first: expectation");
        subjects.failed(&"others".into(), 1, &[&Cause { subject: Some("x".to_owned()), ..cause(Reason::Timeout) }]);
        let told = subjects.cause().unwrap().message;
        assert!(
            told.starts_with("`copies`: 12 of 20 subjects") && told.contains("; `others`: 1 of 1 subjects failed (x); the"),
            "{told}"
        );
        subjects.failed(&"well".into(), 3, &[]);
        assert!(!subjects.cause().unwrap().message.contains("well"));
    }

    #[test]
    fn a_failure_outweighs_what_is_none_and_that_of_the_journey_outweighs_its_subjects() {
        let with = |reason| combined(Some(cause(reason)), of_subjects(Reason::Expectation).cause()).unwrap();
        for &reason in Reason::ALL {
            let expected = match Verdict::of(reason) {
                Verdict::Failed => reason,
                _ if reason == Reason::Internal => reason,
                _ => Reason::Subject,
            };
            assert_eq!(with(reason).reason, expected, "{reason}");
        }
        assert!(with(Reason::Timeout).message.starts_with("timeout; besides, 12 of 20 subjects failed"));
        assert!(with(Reason::Guard).message.ends_with("; and then: guard"));
        assert_eq!(combined(None, None), None);
        // Where the subjects' failures were excused, they are no failure any more.
        let excused = || Some(cause(Reason::SelfCheck));
        assert_eq!(combined(Some(cause(Reason::Timeout)), excused()).map(|cause| cause.reason), Some(Reason::Timeout));
        assert_eq!(combined(Some(cause(Reason::Stall)), excused()).map(|cause| cause.reason), Some(Reason::Stall));
    }

    #[test]
    fn subjects_that_use_up_their_shares_use_up_the_part_of_their_loop_and_no_more() {
        let start = Instant::now();
        let allowance = Allowance { until: start + 30 * SECOND };
        let mut now = start;
        for round in 0..6 {
            let share = allowance.share(6 - round, now);
            assert_eq!(share.lasting, 5 * SECOND);
            now += share.lasting;
        }
        assert_eq!(now, start + 30 * SECOND);
        assert_eq!(allowance.share(1, now + SECOND).lasting, Duration::ZERO, "nothing is left");
        // What the first five leave, the last one has.
        assert_eq!(allowance.share(1, start + SECOND).lasting, 29 * SECOND);
    }

    #[test]
    fn a_share_ends_polling_with_an_attempt_at_its_very_end_and_is_prolonged_by_our_own_stalls() {
        let start = Instant::now();
        let share = Share { began: start, lasting: 4 * SECOND };
        let awake = |_| Duration::ZERO;
        let at = |seconds: u32| start + seconds * SECOND;
        assert_eq!(share.bounded(Next::At(at(3)), awake, at(2)), Next::At(at(3)));
        assert_eq!(share.bounded(Next::At(at(5)), awake, at(3)), Next::At(at(4)));
        assert_eq!(share.bounded(Next::At(at(5)), awake, at(4)), Next::Stop);
        assert_eq!(share.bounded(Next::Stop, awake, at(1)), Next::Stop);
        assert_eq!(share.used_up(awake, at(3)), None);
        assert_eq!(share.used_up(awake, at(4)), Some(4 * SECOND));
        assert_eq!(share.bounded(Next::At(at(5)), |_| SECOND, at(4)), Next::At(at(5)));
        assert_eq!(share.bounded(Next::At(at(20)), |_| 60 * SECOND, at(7)), Next::At(at(8)), "at most by itself");
    }
}
