//! When a process goes on alone, and when it is one of its fleet again.
//!
//! Owns what the answers of the store so far mean for that. It asks nobody and does nothing: the keeper tells it what it saw, and does
//! what a [`Turn`] says.

use std::time::{Duration, Instant};

use super::member::ASK;

/// How long a process that was alone keeps asking for the evaluator's lease before it has ended what it told; then it leaves it to others.
const HOLDS: Duration = Duration::from_secs(4);

/// How long a process whose region was taken over meanwhile goes on, to end what it told alone.
const ENDS: Duration = Duration::from_secs(20);

/// Where a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is one of its fleet.
    Among,
    /// It is alone.
    Cut,
    /// It reaches the others again, and since then it ends what it told alone.
    Back(Instant),
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on alone. The others have not been reached for so long.
    GoAlone(Duration),
    /// The store answers: where it has caught up and somebody evaluates, the process joins the others.
    TryToJoin,
}

/// What becomes of a process whose region another one has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionLost {
    /// It ends what it told alone, from now on.
    JoinsFirst,
    /// It still ends that.
    StillEnds,
    /// It ends itself.
    Ends,
}

/// Whether a process reaches the others.
#[derive(Debug)]
pub(super) struct Reach {
    alone_after: Duration,
    /// Since when no question was answered, or nothing could be written.
    unanswered: Option<Instant>,
    /// Since when what the fleet knows cannot be read in time to evaluate it.
    unread: Option<Instant>,
    /// Whether another process has this one's region.
    region_lost: bool,
    place: Place,
}

impl Reach {
    /// One that has just reached them, and goes on alone after so long without an answer.
    pub(super) fn new(alone_after: Duration) -> Self {
        Self { alone_after, unanswered: None, unread: None, region_lost: false, place: Place::Among }
    }

    /// The store did not answer, or takes nothing.
    pub(super) fn fails(&mut self, now: Instant) {
        self.unanswered.get_or_insert(now);
    }

    /// The store answers, and takes what is written.
    pub(super) fn answers(&mut self) {
        self.unanswered = None;
    }

    /// This process has the evaluator's lease and could not read in time what there is to evaluate.
    pub(super) fn cannot_read(&mut self, now: Instant) {
        self.unread.get_or_insert(now);
    }

    /// A process evaluates.
    pub(super) fn is_evaluated(&mut self) {
        self.unread = None;
    }

    /// What is to be done now. `still_ends`: something that was told alone has not ended yet.
    pub(super) fn turn(&mut self, now: Instant, still_ends: bool) -> Option<Turn> {
        // Where another process has the region nothing is written any more, and there is nothing to wait for.
        let since = self.unanswered.or(self.unread).filter(|_| !self.region_lost);
        let away = since.map(|since| now.duration_since(since)).filter(|away| *away >= self.alone_after);
        match (self.place, away) {
            (Place::Among | Place::Back(_), Some(away)) => {
                self.place = Place::Cut;
                Some(Turn::GoAlone(away))
            }
            (Place::Cut, _) if self.unanswered.is_none() => Some(Turn::TryToJoin),
            (Place::Back(since), None) if now.duration_since(since) >= ASK && !still_ends => {
                self.place = Place::Among;
                None
            }
            (Place::Among | Place::Cut | Place::Back(_), _) => None,
        }
    }

    /// It is one of the fleet again, and begins to end what it told alone.
    pub(super) fn joins(&mut self, now: Instant) {
        self.unread = None;
        self.place = Place::Back(now);
    }

    /// Another process has this one's region.
    pub(super) fn loses_region(&mut self, now: Instant) -> RegionLost {
        self.region_lost = true;
        match self.place {
            Place::Cut => {
                self.joins(now);
                RegionLost::JoinsFirst
            }
            Place::Back(since) if now.duration_since(since) < ENDS => RegionLost::StillEnds,
            Place::Among | Place::Back(_) => RegionLost::Ends,
        }
    }

    /// Whether this process asks for the evaluator's lease. One that still ends what it told alone leaves it to others after a moment.
    pub(super) fn may_ask_to_evaluate(&self, now: Instant) -> bool {
        match self.place {
            Place::Among => true,
            Place::Cut => false,
            Place::Back(since) => now.duration_since(since) < HOLDS,
        }
    }

    /// Whether it may begin to evaluate: it has nothing of its own to end.
    pub(super) fn is_among(&self) -> bool {
        self.place == Place::Among
    }

    /// Whether it is alone.
    pub(super) fn is_cut(&self) -> bool {
        self.place == Place::Cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_mins(1);

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn a_process_goes_on_alone_once_it_has_not_been_answered_for_long_and_joins_when_it_is() {
        let begin = Instant::now();
        let mut reach = Reach::new(AFTER);
        reach.fails(begin);
        assert_eq!(reach.turn(at(begin, 59), false), None);
        assert_eq!(reach.turn(at(begin, 60), false), Some(Turn::GoAlone(AFTER)));
        assert_eq!(reach.turn(at(begin, 61), false), None, "it is alone already");
        assert!(reach.is_cut() && !reach.may_ask_to_evaluate(at(begin, 61)));
        reach.answers();
        assert_eq!(reach.turn(at(begin, 70), false), Some(Turn::TryToJoin));
        reach.joins(at(begin, 71));
        assert_eq!(reach.turn(at(begin, 72), true), None);
        assert!(!reach.is_among() && reach.may_ask_to_evaluate(at(begin, 72)), "it has something to end");
        assert!(!reach.may_ask_to_evaluate(at(begin, 75)), "somebody else may evaluate meanwhile");
        assert_eq!(reach.turn(at(begin, 76), false), None);
        assert!(reach.is_among());
    }

    #[test]
    fn one_that_could_not_read_in_time_does_not_go_alone_again_as_soon_as_it_has_joined() {
        let begin = Instant::now();
        let mut reach = Reach::new(AFTER);
        reach.cannot_read(begin);
        assert_eq!(reach.turn(at(begin, 60), false), Some(Turn::GoAlone(AFTER)));
        assert_eq!(reach.turn(at(begin, 61), false), Some(Turn::TryToJoin));
        reach.joins(at(begin, 61));
        for second in 62..200 {
            assert_eq!(reach.turn(at(begin, second), false), None);
        }
        reach.cannot_read(at(begin, 200));
        assert_eq!(reach.turn(at(begin, 259), false), None);
        assert_eq!(reach.turn(at(begin, 260), false), Some(Turn::GoAlone(AFTER)));
    }

    #[test]
    fn one_whose_region_is_taken_ends_what_it_told_alone_and_then_itself() {
        let begin = Instant::now();
        let mut reach = Reach::new(AFTER);
        reach.fails(begin);
        assert_eq!(reach.turn(at(begin, 60), false), Some(Turn::GoAlone(AFTER)));
        assert_eq!(reach.loses_region(at(begin, 60)), RegionLost::JoinsFirst);
        assert_eq!(reach.loses_region(at(begin, 79)), RegionLost::StillEnds);
        assert_eq!(reach.turn(at(begin, 79), true), None, "nothing is written any more, and that is no reason to go alone");
        assert_eq!(reach.loses_region(at(begin, 80)), RegionLost::Ends);
        assert_eq!(Reach::new(AFTER).loses_region(begin), RegionLost::Ends);
    }
}
