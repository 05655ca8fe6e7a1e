//! When a probe pages and when it is well again: policies only, the machines that follow them are in `alert`.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A probe's `[alert]`, laid over `[alerting.defaults]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertPolicy {
    /// Whether its members are of level page; otherwise they are of level warn, so that nobody is woken for them.
    pub page: bool,
    /// When a canary is at page level.
    pub rule: PageRule,
    /// When canaries are at page level because many of them fail together; never if absent.
    pub across: Option<AcrossPolicy>,
    /// Passes in a row after which a canary is settled, the last at least two intervals after the last failed run's tick; one pass
    /// where the interval is over an hour, and `of` − `failures` + 1 where the rule is a window.
    pub resolve_after: NonZeroU32,
    /// When a page becomes critical; never if absent.
    pub critical: Option<CriticalRule>,
    /// How long after a ring Slack, e-mail and webhook are rung again for what still fails and nobody acknowledged; never if absent.
    pub remind: Option<Duration>,
    /// Failures in a row of a subject before it pages.
    pub subject_after: NonZeroU32,
    /// Subjects of the probe with an incident of their own at once; those beyond share one.
    pub max_subjects: NonZeroU32,
    /// Whether a subject's incident can become critical, by the regions that saw it fail.
    pub subject_critical: bool,
    /// What a subject means that an earlier run found and a later one does not.
    pub subject_gone: SubjectGone,
    /// Whether the error budget of `[slo]` raises incidents as it burns.
    pub burn_rate: bool,
}

/// When a canary is at page level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageRule {
    /// After so many counted failures in a row.
    Consecutive(NonZeroU32),
    /// When so many of the last counted runs failed.
    Window {
        /// Failed runs, at most `of`.
        failures: NonZeroU32,
        /// Counted runs looked at, at most 1,000.
        of: NonZeroU32,
    },
}

/// So many of the last counted runs of a probe failed, whichever canaries of this process they were of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcrossPolicy {
    /// Failed runs, at most `of`.
    pub failures: NonZeroU32,
    /// Counted runs looked at, at most 1,000.
    pub of: NonZeroU32,
}

/// An incident at page level is critical while this many regions count: they have a failing page-level member, or a canary whose
/// last counted run failed within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalRule {
    /// Regions, at least 2.
    pub regions: NonZeroU32,
    /// The window that ends now, and how long it must have been otherwise before it is over.
    pub within: Duration,
}

/// What a vanished subject means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectGone {
    /// It is a failure of the subject: an emptied list looks like this.
    #[default]
    Fail,
    /// It is no longer looked for.
    Retire,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
        Self {
            page: true,
            rule: PageRule::Consecutive(TWO),
            across: None,
            resolve_after: TWO,
            critical: Some(CriticalRule { regions: TWO, within: Duration::from_mins(10) }),
            remind: None,
            subject_after: NonZeroU32::MIN,
            max_subjects: const { NonZeroU32::new(20).unwrap() },
            subject_critical: false,
            subject_gone: SubjectGone::Fail,
            burn_rate: true,
        }
    }
}
