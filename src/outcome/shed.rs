//! Which canaries' rows give way where too many wait: one policy for every queue of results.
//!
//! Rows go by canary and whole, so that what is left of a canary is all there was: of "fail, pass, fail" never "fail, fail"
//! is left. Canaries of which only passes wait go first, then those without a failure; failures decide and stay. It must not
//! know queues; whoever has one removes the rows and counts them.

use std::collections::{HashMap, HashSet};

use crate::plan::CanaryId;

use super::Verdict;

/// What waits of a canary, ordered by who gives way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    OnlyPasses,
    NoFailure,
    Failures,
}

/// What may give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Give {
    /// No canary of which a failure waits.
    NoFailures,
    /// In the end those too, because the process must live.
    Everything,
}

/// The canaries whose rows, all of them, give way so that at least `spare` rows do; fewer where no more may. Of canaries that
/// stand alike the ones with the most rows go first, so that few lose any. Takes some milliseconds for 50,000 rows.
pub fn give_way<'a>(rows: impl IntoIterator<Item = (&'a CanaryId, Verdict)>, spare: usize, give: Give) -> HashSet<CanaryId> {
    let mut waiting: HashMap<&CanaryId, (Rank, usize)> = HashMap::new();
    for (canary, verdict) in rows {
        let rank = match verdict {
            Verdict::Passed => Rank::OnlyPasses,
            Verdict::Failed => Rank::Failures,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Rank::NoFailure,
        };
        let known = waiting.entry(canary).or_insert((rank, 0));
        *known = (known.0.max(rank), known.1 + 1);
    }
    let may = |rank| give == Give::Everything || rank != Rank::Failures;
    let mut order: Vec<(Rank, usize, &CanaryId)> =
        waiting.into_iter().filter(|(_, (rank, _))| may(*rank)).map(|(canary, (rank, rows))| (rank, rows, canary)).collect();
    order.sort_unstable_by(|left, right| (left.0, right.1, left.2).cmp(&(right.0, left.1, right.2)));
    let mut left = spare;
    let needed = order.into_iter().take_while(|(_, rows, _)| {
        let wanted = left > 0;
        left = left.saturating_sub(*rows);
        wanted
    });
    needed.map(|(_, _, canary)| canary.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Errored, Failed, Missed, Passed};

    fn gone(rows: &[(&str, Verdict)], spare: usize, give: Give) -> Vec<String> {
        let ids: Vec<(CanaryId, Verdict)> = rows.iter().map(|(id, verdict)| (CanaryId::from_text(id), *verdict)).collect();
        let gone = give_way(ids.iter().map(|(id, verdict)| (id, *verdict)), spare, give);
        let mut gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
        gone.sort();
        gone
    }

    const ROWS: [(&str, Verdict); 9] = [
        ("fails", Failed),
        ("passes", Passed),
        ("fails", Passed),
        ("errs", Errored),
        ("passes often", Passed),
        ("errs", Passed),
        ("passes often", Passed),
        ("fails", Failed),
        ("misses", Missed),
    ];

    #[test]
    fn canaries_that_only_passed_go_first_then_those_without_a_failure_and_a_failure_never() {
        assert_eq!(gone(&ROWS, 0, Give::NoFailures), [""; 0]);
        assert_eq!(gone(&ROWS, 1, Give::NoFailures), ["passes often"]);
        assert_eq!(gone(&ROWS, 3, Give::NoFailures), ["passes", "passes often"]);
        assert_eq!(gone(&ROWS, 4, Give::NoFailures), ["errs", "passes", "passes often"]);
        assert_eq!(gone(&ROWS, 100, Give::NoFailures), ["errs", "misses", "passes", "passes often"]);
        assert_eq!(gone(&ROWS, 100, Give::Everything), ["errs", "fails", "misses", "passes", "passes often"]);
    }
}
