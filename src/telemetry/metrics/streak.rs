//! Consecutive failures of a canary, in the order of its ticks.
//!
//! Owns the rules of the verdict table that speak of streaks: what resets, what adds, what does neither, when a streak is
//! forgotten, and that a result which comes late takes its tick's place. Pure: it takes `now` where it needs it. Ticks are in
//! the order in which they were launched and time is the steady clock's, so that a wall clock that is set changes nothing.

use std::time::{Duration, Instant};

use crate::outcome::Verdict;

/// Results kept apart for late ones to be put between; as many runs of one canary may overlap.
const RECENT: usize = 4;

/// What is known of a canary's last counted runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streak {
    /// The newest counted results, ascending by tick, filled from the front.
    recent: [Option<Counted>; RECENT],
    /// The streak before them, and the result it ended at.
    settled: Option<(Counted, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    /// Its place among the launches of this process.
    order: u64,
    /// When it was heard of.
    at: Instant,
    verdict: Verdict,
}

/// How a canary stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// No counted run, or none recent enough to say.
    Unknown,
    /// So many failures in a row; 0 means that the last counted run passed.
    Known(u32),
}

impl Streak {
    /// The streak after the run launched as number `order`, heard of at `at`, whichever order runs end in. `memory` is how long
    /// a streak lives without a counted run.
    pub(super) fn after(mut self, order: u64, at: Instant, verdict: Verdict, memory: Duration) -> Self {
        match verdict {
            Verdict::Passed | Verdict::Failed => {}
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => return self,
        }
        if self.counted().any(|known| known.order == order) {
            return self;
        }
        let is_settled = self.settled.is_some_and(|(settled, _)| order <= settled.order);
        let order = match verdict {
            // It comes after its place was settled, and counts as the newest one, as it does for the page.
            Verdict::Failed if is_settled => self.counted().map(|known| known.order).max().unwrap_or(order),
            _ if is_settled => return self,
            _ => order,
        };
        let new = Counted { order, at, verdict };
        let Some(place) = self.recent.iter().position(Option::is_none) else {
            return self.settle(new, memory);
        };
        self.recent[place] = Some(new);
        self.recent[..=place].sort_unstable_by_key(|counted| counted.map(|counted| counted.order));
        self
    }

    /// Makes room by folding the oldest result, which may be the new one, into the settled streak.
    fn settle(mut self, new: Counted, memory: Duration) -> Self {
        let mut all: Vec<Counted> = self.counted().chain([new]).collect();
        all.sort_unstable_by_key(|counted| counted.order);
        self.settled = Some(step(self.settled, all[0], memory));
        for (slot, counted) in self.recent.iter_mut().zip(all.into_iter().skip(1)) {
            *slot = Some(counted);
        }
        self
    }

    /// How the canary stands at `now`.
    pub(super) fn standing(&self, now: Instant, memory: Duration) -> Standing {
        let last = self.counted().fold(self.settled, |before, counted| Some(step(before, counted, memory)));
        match last {
            Some((last, failures)) if !forgotten(last.at, now, memory) => Standing::Known(failures),
            Some(_) | None => Standing::Unknown,
        }
    }

    fn counted(&self) -> impl Iterator<Item = Counted> {
        self.recent.into_iter().flatten()
    }
}

fn step(before: Option<(Counted, u32)>, counted: Counted, memory: Duration) -> (Counted, u32) {
    let failures = before.filter(|(last, _)| !forgotten(last.at, counted.at, memory)).map_or(0, |(_, failures)| failures);
    (counted, counted.verdict.streak(failures))
}

fn forgotten(last: Instant, now: Instant, memory: Duration) -> bool {
    now.saturating_duration_since(last) > memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Blocked, Errored, Failed, Missed, Passed, Skipped};

    const MEMORY: Duration = Duration::from_hours(1);

    /// How a canary stands after runs launched and heard of in these minutes.
    fn standing(results: &[(u64, Verdict)], now: u64) -> Standing {
        let begin = Instant::now();
        let at = |minute| begin + Duration::from_mins(minute);
        let after = |streak: Streak, &(minute, verdict): &(u64, Verdict)| streak.after(minute, at(minute), verdict, MEMORY);
        results.iter().fold(Streak::default(), after).standing(at(now), MEMORY)
    }

    #[test]
    fn the_verdict_table_decides_what_a_streak_is() {
        for (results, expected) in [
            (&[(1, Failed), (2, Failed), (3, Failed)][..], Standing::Known(3)),
            (&[(1, Failed), (2, Passed)], Standing::Known(0)),
            (&[(1, Failed), (2, Errored), (3, Missed), (4, Blocked), (5, Skipped), (6, Failed)], Standing::Known(2)),
            (&[(1, Errored), (2, Missed)], Standing::Unknown),
            (&[], Standing::Unknown),
        ] {
            assert_eq!(standing(results, 7), expected, "{results:?}");
        }
    }

    #[test]
    fn a_late_result_of_an_older_tick_takes_its_place_and_never_overwrites_a_newer_one() {
        assert_eq!(standing(&[(2, Passed), (1, Failed)], 3), Standing::Known(0));
        assert_eq!(standing(&[(2, Failed), (1, Failed)], 3), Standing::Known(2));
        assert_eq!(standing(&[(1, Failed), (3, Failed), (2, Passed)], 4), Standing::Known(1));
    }

    #[test]
    fn any_order_of_four_overlapping_runs_gives_the_streak_of_their_ticks() {
        let ticks = [(10, Failed), (11, Passed), (12, Failed), (13, Failed)];
        let settled = [(1, Failed), (2, Failed), (3, Failed), (4, Failed), (5, Failed)];
        let expected = standing(&[&settled[..], &ticks].concat(), 14);
        assert_eq!(expected, Standing::Known(2));
        for rotation in 0..4 {
            let mut late = ticks;
            late.rotate_left(rotation);
            assert_eq!(standing(&[&settled[..], &late].concat(), 14), expected, "{late:?}");
        }
    }

    #[test]
    fn a_long_streak_is_counted_past_what_is_kept_apart() {
        let failures: Vec<(u64, Verdict)> = (0..50).map(|minute| (minute, Failed)).collect();
        assert_eq!(standing(&failures, 50), Standing::Known(50));
    }

    #[test]
    fn the_same_tick_counts_once() {
        assert_eq!(standing(&[(1, Failed), (1, Failed)], 1), Standing::Known(1));
        assert_eq!(standing(&[(1, Failed), (2, Passed), (1, Failed)], 2), Standing::Known(0));
    }

    #[test]
    fn a_failure_that_comes_after_its_place_was_settled_counts_as_the_newest_one() {
        let passed: Vec<(u64, Verdict)> = (2..10).map(|minute| (minute, Passed)).collect();
        assert_eq!(standing(&[&passed[..], &[(1, Failed)]].concat(), 10), Standing::Known(1));
        assert_eq!(standing(&[&passed[..], &[(10, Failed), (1, Passed)]].concat(), 10), Standing::Known(1));
    }

    #[test]
    fn a_streak_is_forgotten_after_its_memory_without_a_counted_run() {
        assert_eq!(standing(&[(0, Failed), (60, Failed)], 60), Standing::Known(2));
        assert_eq!(standing(&[(0, Failed), (61, Failed)], 61), Standing::Known(1));
        assert_eq!(standing(&[(0, Failed), (30, Errored)], 61), Standing::Unknown);
    }
}
