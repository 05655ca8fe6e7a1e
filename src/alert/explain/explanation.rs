//! The explanation of one failing member over time.
//!
//! | phase | there is evidence | there is none |
//! |---|---|---|
//! | new: it has just crossed its rule | explained | waits, if a root may still answer; otherwise nothing explains it |
//! | waits, one minute at most | explained | the wait ends, when it is over or every root has answered: nothing explains it |
//! | nothing explains it | explained | – |
//! | explained | goes on | lingers: it stays explained |
//! | lingers | explained, the count is kept | ends with the failure that makes it as many as its rule asks, at most two |
//!
//! It counts failed runs that *started* without evidence after there had been some, since a run that started in a root's outage
//! says nothing of the time after it. So an explanation never ends because evidence ends, only with a failure of the member
//! itself.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Evidence, Explains, ExplanationEnd};

/// The longest wait for what a root's run may show.
pub(super) const WAIT: Duration = Duration::from_mins(1);

/// Most gaps without evidence that are remembered for runs that started in them.
const GAPS: usize = 16;

/// The state of a member's explanation. The default is that of a member that does not fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    phase: Phase,
    /// Failed runs that started without evidence, since it began to fail.
    unexplained: u32,
    /// When the latest failed run started that was counted or skipped.
    #[serde(with = "crate::alert::serde_with::millis_option")]
    seen: Option<Duration>,
    /// Times without evidence, in order; only the last may be open.
    gaps: Vec<Gap>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    #[default]
    New,
    Waiting {
        #[serde(with = "crate::alert::serde_with::millis")]
        until: Duration,
    },
    Unexplained,
    Explained {
        by: Vec<Arc<str>>,
        #[serde(with = "crate::alert::serde_with::millis")]
        until: Duration,
        /// When it was last judged.
        #[serde(with = "crate::alert::serde_with::millis")]
        looked: Duration,
    },
    Lingering {
        by: Vec<Arc<str>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    #[serde(with = "crate::alert::serde_with::millis")]
    from: Duration,
    #[serde(with = "crate::alert::serde_with::millis_option", default, skip_serializing_if = "Option::is_none")]
    until: Option<Duration>,
}

/// The input for judging a failing member.
pub(super) struct JudgeInput<'a> {
    /// What explains it, if anything does.
    pub(super) evidence: Option<&'a Evidence>,
    /// When evidence ended the last time, as far as that is known.
    pub(super) lost: Option<Duration>,
    /// Whether a root that has said nothing yet may still explain it.
    pub(super) may_answer: bool,
    /// When its latest failed run started.
    pub(super) last_failed: Option<Duration>,
    /// Failed runs after which it is no longer explained.
    pub(super) failures: u32,
    /// The time.
    pub(super) at: Duration,
}

impl Explanation {
    /// Whether there is evidence now, so that it does not only linger.
    pub fn has_evidence(&self) -> bool {
        matches!(self.phase, Phase::Explained { .. })
    }

    /// Whether it waits.
    pub(super) fn waits(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Waiting { .. })
    }

    /// Makes a step. Returns the result, and which explanation or wait has ended.
    pub(super) fn step(&mut self, now: &JudgeInput<'_>) -> (Explains, Option<ExplanationEnd>) {
        self.note_gap(now);
        let own_failure = self.count(now);
        let mut ended = None;
        self.phase = match (std::mem::take(&mut self.phase), now.evidence) {
            (_, Some(evidence)) => Phase::Explained { by: evidence.by.clone(), until: evidence.until, looked: now.at },
            (Phase::New, None) if now.may_answer => Phase::Waiting { until: now.at + WAIT },
            (Phase::Waiting { until }, None) if now.may_answer && now.at < until => {
                Phase::Waiting { until: until.min(now.at + WAIT) }
            }
            (Phase::Waiting { .. }, None) => {
                ended = Some(ExplanationEnd::Wait);
                Phase::Unexplained
            }
            (Phase::New | Phase::Unexplained, None) => Phase::Unexplained,
            (Phase::Lingering { .. }, None) if own_failure && self.unexplained >= now.failures => {
                ended = Some(ExplanationEnd::Explanation);
                Phase::Unexplained
            }
            (Phase::Explained { by, .. } | Phase::Lingering { by }, None) => Phase::Lingering { by },
        };
        let state = match &self.phase {
            Phase::New | Phase::Unexplained => Explains::No,
            Phase::Waiting { until } => Explains::Waiting(*until),
            Phase::Explained { by, .. } | Phase::Lingering { by } => Explains::Explained(by.clone()),
        };
        (state, ended)
    }

    /// When it wants to be judged again by itself.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            // Evidence of exactly the maximum age still counts.
            Phase::Explained { until, .. } => Some(*until + Duration::from_millis(1)),
            Phase::New | Phase::Unexplained | Phase::Lingering { .. } => None,
        }
    }

    /// Opens and closes gaps, also when evidence ended and came back between two judgements.
    fn note_gap(&mut self, now: &JudgeInput<'_>) {
        if let Phase::Explained { until, looked, .. } = self.phase
            && now.evidence.is_none_or(|evidence| evidence.since > looked)
        {
            let from = now.lost.filter(|lost| *lost > looked).unwrap_or(until + Duration::from_millis(1)).min(now.at);
            if self.gaps.len() >= GAPS {
                self.gaps.remove(0);
            }
            self.gaps.push(Gap { from, until: None });
        }
        if let (Some(evidence), Some(gap)) = (now.evidence, self.gaps.last_mut()) {
            gap.until.get_or_insert(evidence.since.min(now.at));
        }
    }

    /// Counts the latest failed run if it is new and started without evidence. Returns whether it did.
    fn count(&mut self, now: &JudgeInput<'_>) -> bool {
        // The stored time has whole milliseconds.
        let is_seen = |started: Duration| self.seen.is_some_and(|seen| seen.as_millis() == started.as_millis());
        let Some(started) = now.last_failed.filter(|started| !is_seen(*started)) else { return false };
        self.seen = Some(started);
        let is_in = |gap: &Gap| gap.from.min(now.at) <= started && gap.until.is_none_or(|until| started < until);
        let counts = self.gaps.iter().any(is_in);
        self.unexplained = self.unexplained.saturating_add(u32::from(counts));
        counts
    }
}
