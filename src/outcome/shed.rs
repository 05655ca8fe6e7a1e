//! Which canaries' rows are dropped when too many wait: one policy for every queue of results.
//!
//! All rows of a canary are dropped or none, so that "fail, pass, fail" never becomes "fail, fail". Canaries with only passed
//! runs are dropped first, then those without a failed run; those with a failed run stay. It must not know queues; the caller
//! removes the rows and counts them.

use std::collections::{HashMap, HashSet};

use crate::plan::CanaryId;

use super::Verdict;

/// What waits of a canary, in the order of dropping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    OnlyPasses,
    NoFailure,
    Failures,
}

/// What may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayShed {
    /// No canary of which a failure waits.
    NoFailures,
    /// Those with failures too, so that the process does not run out of memory.
    Everything,
}

/// The canaries whose rows are all dropped, so that at least `spare` rows are, or as many as may be. Of canaries of the same rank
/// those with the most rows are dropped first, so that few lose any. It takes some milliseconds for 50,000 rows.
pub fn canaries_to_shed<'a>(
    rows: impl IntoIterator<Item = (&'a CanaryId, Verdict)>,
    spare: usize,
    may_shed: MayShed,
) -> HashSet<CanaryId> {
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
    let may = |rank| may_shed == MayShed::Everything || rank != Rank::Failures;
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

    fn gone(rows: &[(&str, Verdict)], spare: usize, may_shed: MayShed) -> Vec<String> {
        let ids: Vec<(CanaryId, Verdict)> = rows.iter().map(|(id, verdict)| (CanaryId::from_text(id), *verdict)).collect();
        let gone = canaries_to_shed(ids.iter().map(|(id, verdict)| (id, *verdict)), spare, may_shed);
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
        assert_eq!(gone(&ROWS, 0, MayShed::NoFailures), [""; 0]);
        assert_eq!(gone(&ROWS, 1, MayShed::NoFailures), ["passes often"]);
        assert_eq!(gone(&ROWS, 3, MayShed::NoFailures), ["passes", "passes often"]);
        assert_eq!(gone(&ROWS, 4, MayShed::NoFailures), ["errs", "passes", "passes often"]);
        assert_eq!(gone(&ROWS, 100, MayShed::NoFailures), ["errs", "misses", "passes", "passes often"]);
        assert_eq!(gone(&ROWS, 100, MayShed::Everything), ["errs", "fails", "misses", "passes", "passes often"]);
    }
}
