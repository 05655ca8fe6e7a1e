//! Exit codes, the same for every command.
//!
//! They are part of the interface: a pipeline tells by them whether the product is broken, the files are, or the prober is.

use std::process::ExitCode;

use crate::outcome::Verdict;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done, and all was well.
    Well = 0,
    /// A probe failed: the target does not do what the probe expects.
    ProbeFailed = 1,
    /// Bad usage or an invalid configuration: nothing was run.
    Usage = 2,
    /// The prober itself could not do its work: it says nothing about the target.
    Prober = 3,
}

impl Exit {
    /// The exit for runs that ended with these verdicts. A failure outweighs everything. A run that neither passed nor
    /// failed has proven nothing, so it must not look like success.
    pub(crate) fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        verdicts.into_iter().map(Self::of_one).fold(Self::Well, |worst, exit| match (worst, exit) {
            (Self::ProbeFailed, _) | (_, Self::ProbeFailed) => Self::ProbeFailed,
            (Self::Well, other) => other,
            (worst @ (Self::Usage | Self::Prober), _) => worst,
        })
    }

    fn of_one(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Well,
            Verdict::Failed => Self::ProbeFailed,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Self::Prober,
        }
    }
}

/// Why a command could not do what it was asked for: what to exit with and what to say.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    /// The user asked for what cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// The prober could not do its part.
    pub(crate) fn prober(message: impl Into<String>) -> Self {
        Self { exit: Exit::Prober, message: message.into() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passed_runs_exit_well_and_a_failure_outweighs_the_probers_own_trouble() {
        assert_eq!(Exit::of([Verdict::Passed, Verdict::Passed]), Exit::Well);
        assert_eq!(Exit::of([Verdict::Errored, Verdict::Failed]), Exit::ProbeFailed);
        assert_eq!(Exit::of([Verdict::Failed, Verdict::Errored]), Exit::ProbeFailed);
        assert_eq!(Exit::of([Verdict::Passed, Verdict::Errored, Verdict::Passed]), Exit::Prober);
        assert_eq!(Exit::of([Verdict::Blocked]), Exit::Prober);
    }
}
