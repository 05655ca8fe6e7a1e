//! Ticks that brought no counted run: the measure of *no data*, and the verdict table's column of that name.
//!
//! Every tick of a canary is told of, as a run, as a tick that did not run, or as a number of those ([`MissedTicks`]). Counting
//! what is told needs no calendar and no clock: where nothing is due nothing is missing, be it a night or a weekend.
//!
//! [`MissedTicks`]: super::MissedTicks

use super::{Reason, Verdict};

/// What a verdict does to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDataCount {
    /// It is data: the count begins anew.
    Resets,
    /// It is none: the tick counts.
    RunsOn,
    /// Nothing was to be expected of the tick.
    Stops,
}

impl Verdict {
    /// What it does to the count of ticks without data.
    pub fn no_data(self) -> NoDataCount {
        match self {
            Self::Passed | Self::Failed => NoDataCount::Resets,
            Self::Errored | Self::Missed | Self::Blocked => NoDataCount::RunsOn,
            Self::Skipped => NoDataCount::Stops,
        }
    }
}

/// Ticks of one canary, in a row, that brought no counted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoData {
    /// How many.
    pub ticks: u64,
    /// Further ticks that wait for a run which is still going. They count when that run has ended without data, and are none if
    /// it has some.
    pub waiting: u64,
    /// Why the latest of them brought none.
    pub reason: Option<Reason>,
}

impl NoData {
    /// The count after `ticks` more ticks that ended so for the same reason; a run is one tick.
    #[must_use]
    pub fn after(self, verdict: Verdict, reason: Option<Reason>, ticks: u64) -> Self {
        match (verdict.no_data(), reason) {
            (NoDataCount::Resets, _) => Self::default(),
            (NoDataCount::Stops, _) => Self { waiting: 0, ..self },
            (NoDataCount::RunsOn, Some(Reason::Overlap)) => {
                Self { waiting: self.waiting.saturating_add(ticks), reason: self.reason.or(reason), ..self }
            }
            (NoDataCount::RunsOn, _) => {
                Self { ticks: self.ticks.saturating_add(self.waiting).saturating_add(ticks), waiting: 0, reason }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_table_decides_what_is_no_data() {
        use NoDataCount::{Resets, RunsOn, Stops};
        assert_eq!(Verdict::ALL.map(Verdict::no_data), [Resets, Resets, RunsOn, RunsOn, RunsOn, Stops]);
    }

    #[test]
    fn ticks_that_wait_for_a_run_count_when_it_ended_without_data() {
        let waits = |before: NoData| before.after(Verdict::Missed, Some(Reason::Overlap), 2);
        let waiting = waits(NoData::default());
        assert_eq!((waiting.ticks, waiting.waiting), (0, 2));
        assert_eq!(waiting.after(Verdict::Failed, Some(Reason::Deadline), 1), NoData::default());
        let errored = waiting.after(Verdict::Errored, Some(Reason::SelfCheck), 1);
        assert_eq!(errored, NoData { ticks: 3, waiting: 0, reason: Some(Reason::SelfCheck) });
        let skipped = waits(errored).after(Verdict::Skipped, Some(Reason::Paused), 1);
        assert_eq!(skipped, errored, "a pause neither adds nor takes back");
        assert_eq!(errored.after(Verdict::Missed, Some(Reason::Slept), 40).ticks, 43);
    }
}
