//! How a run ended, and what each ending means for the failure streak, the objectives and *no data*.
//!
//! *No data* counts ticks that brought no counted run. Every tick of a canary is reported: as a run, as a tick that did not run, or
//! within a number of those ([`MissedTicks`](super::MissedTicks)). Counting reports needs no calendar and no clock: when nothing is
//! due, as at night or on a weekend, nothing is missing.

use std::fmt;

use super::Reason;

/// How a run ended. Never a bool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString, utoipa::ToSchema)]
#[strum(serialize_all = "snake_case")]
#[schema(rename_all = "snake_case")]
pub enum Verdict {
    /// At least one expectation was evaluated, and all held before the deadline.
    Passed,
    /// An expectation was violated or not evaluable, a bound passed, or the target was unreachable or broke its protocol.
    Failed,
    /// The prober's own fault.
    Errored,
    /// A tick that did not run.
    Missed,
    /// A guard said no.
    Blocked,
    /// Maintenance or paused.
    Skipped,
}

/// What a verdict counts as for a service level objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SloCount {
    /// A good run.
    Good,
    /// A bad run.
    Bad,
    /// Neither.
    Not,
}

impl Verdict {
    /// Every verdict, in the order of the declaration.
    pub const ALL: [Self; 6] = [Self::Passed, Self::Failed, Self::Errored, Self::Missed, Self::Blocked, Self::Skipped];

    /// The word used everywhere outside: the variant's name in small letters.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The verdict that a run ended for `reason` has.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Expectation
            | Reason::NotEvaluable
            | Reason::Empty
            | Reason::Subject
            | Reason::Contract
            | Reason::Deadline
            | Reason::Timeout
            | Reason::Dns
            | Reason::Connect
            | Reason::Tls
            | Reason::Protocol
            | Reason::Redirects
            | Reason::ResponseTooLarge => Self::Failed,
            Reason::Secret | Reason::SelfCheck | Reason::Stall | Reason::Resources | Reason::Shutdown | Reason::Internal => {
                Self::Errored
            }
            Reason::Overlap | Reason::Overload | Reason::Slept | Reason::Down | Reason::Crashed => Self::Missed,
            Reason::Guard => Self::Blocked,
            Reason::Maintenance | Reason::Paused => Self::Skipped,
        }
    }

    /// The failure streak after this verdict, given the one before it.
    pub fn streak(self, before: u32) -> u32 {
        match self {
            Self::Passed => 0,
            Self::Failed => before.saturating_add(1),
            Self::Errored | Self::Missed | Self::Blocked | Self::Skipped => before,
        }
    }

    /// What it counts as for a service level objective.
    pub fn slo(self) -> SloCount {
        match self {
            Self::Passed => SloCount::Good,
            Self::Failed => SloCount::Bad,
            Self::Errored | Self::Missed | Self::Blocked | Self::Skipped => SloCount::Not,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a verdict does to the count of ticks without data.
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
    /// Further ticks that were skipped because a run is still going. They count if that run ends without data.
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
    fn every_reason_has_a_verdict_and_none_of_them_is_passed() {
        for &reason in Reason::ALL {
            assert_ne!(Verdict::of(reason), Verdict::Passed, "{reason}");
        }
    }

    #[test]
    fn only_passed_resets_and_only_failed_adds_to_a_streak() {
        let after: Vec<u32> = Verdict::ALL.iter().map(|verdict| verdict.streak(3)).collect();
        assert_eq!(after, [0, 4, 3, 3, 3, 3]);
    }

    #[test]
    fn what_the_prober_could_not_do_counts_neither_good_nor_bad() {
        let counts: Vec<SloCount> = Verdict::ALL.iter().map(|verdict| verdict.slo()).collect();
        assert_eq!(counts, [SloCount::Good, SloCount::Bad, SloCount::Not, SloCount::Not, SloCount::Not, SloCount::Not]);
    }

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
