//! How a run ended, and what each ending means for whoever counts.

use std::fmt;

use super::Reason;

/// How a run ended. Never a bool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
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
}
