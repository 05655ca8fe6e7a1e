//! The verbs of people and their answers: muting a known bug, acknowledging, closing.
//!
//! A [`Mute`] is about one reason or one subject of a probe: a known bug rings nobody, and anything else still rings. It
//! acknowledges nothing and holds its incident open. The API stores mutes; the evaluator applies them. All times are milliseconds
//! since the epoch.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::view::{MuteKind, Muted};

/// What of a probe is muted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutes {
    /// Canaries whose latest failed run has this reason: a closed word.
    Reason(Arc<str>),
    /// A subject, by its name.
    Subject(Arc<str>),
}

impl fmt::Display for Mutes {
    /// `reason timeout`, `subject seg-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => write!(f, "reason {reason}"),
            Self::Subject(subject) => write!(f, "subject {subject}"),
        }
    }
}

/// A known bug of a probe, for which nobody is to be rung.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// The probe's name.
    pub probe: Arc<str>,
    /// What of it.
    pub mutes: Mutes,
    /// Since when.
    pub since_ms: i64,
    /// When it ends by itself; until somebody ends it if absent.
    pub until_ms: Option<i64>,
    /// Who said so.
    pub by: Arc<str>,
    /// What for.
    pub why: Option<Arc<str>>,
}

impl Mute {
    /// Whether it is in force at a moment of the wall clock.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }

    /// Whether it is about a canary of this probe whose latest failed run has this reason.
    pub fn is_of_reason(&self, probe: &str, reason: &str) -> bool {
        &*self.probe == probe && matches!(&self.mutes, Mutes::Reason(word) if &**word == reason)
    }

    /// Whether it is about this subject.
    pub fn is_of_subject(&self, probe: &str, subject: &str) -> bool {
        &*self.probe == probe && matches!(&self.mutes, Mutes::Subject(name) if &**name == subject)
    }

    /// Why a member is muted by it; `steady` converts a wall-clock time.
    pub fn muted(&self, steady: impl FnOnce(i64) -> std::time::Duration) -> Muted {
        let why = match &self.mutes {
            Mutes::Reason(reason) => MuteKind::Reason(Arc::clone(reason)),
            Mutes::Subject(_) => MuteKind::Subject,
        };
        Muted { why, by: Some(Arc::clone(&self.by)), because: self.why.clone(), until: self.until_ms.map(steady) }
    }
}

/// The result of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acked {
    /// Another process of the fleet evaluates, and has to be asked.
    Elsewhere,
    /// No such incident is open.
    Unknown,
    /// No channel took anything of it, so there is nothing to acknowledge.
    NothingTold,
    /// It was acknowledged before.
    Already {
        /// By whom.
        by: Arc<str>,
        /// When.
        at_ms: i64,
        /// Members that are acknowledged now and were not before.
        newly: usize,
    },
    /// It is acknowledged now.
    Done {
        /// Members that it covers.
        members: usize,
    },
}

/// The result of closing an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Another process of the fleet evaluates, and has to be asked.
    Elsewhere,
    /// No such incident is open.
    Unknown,
    /// These still fail, and are neither muted nor without data.
    Refused {
        /// Their names.
        failing: Vec<String>,
    },
    /// It is closed.
    Done {
        /// Members that are well now because of it.
        members: usize,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mute(mutes: Mutes, until_ms: Option<i64>) -> Mute {
        Mute { probe: "p".into(), mutes, since_ms: 1, until_ms, by: "ann".into(), why: Some("ticket 7".into()) }
    }

    #[test]
    fn a_mute_is_about_its_probe_and_its_reason_or_subject_and_nothing_else() {
        let (reason, subject) = (mute(Mutes::Reason("timeout".into()), None), mute(Mutes::Subject("timeout".into()), None));
        assert!(reason.is_of_reason("p", "timeout") && subject.is_of_subject("p", "timeout"));
        for (of_reason, of_subject) in [
            (reason.is_of_reason("q", "timeout"), reason.is_of_subject("p", "timeout")),
            (reason.is_of_reason("p", "dns"), subject.is_of_subject("q", "timeout")),
            (subject.is_of_reason("p", "timeout"), subject.is_of_subject("p", "other")),
        ] {
            assert!(!of_reason && !of_subject);
        }
    }

    #[test]
    fn a_mute_holds_until_it_is_over() {
        let bounded = mute(Mutes::Subject("seg".into()), Some(10));
        assert!(bounded.holds(9) && !bounded.holds(10));
        assert!(mute(Mutes::Subject("seg".into()), None).holds(i64::MAX));
    }

    #[test]
    fn a_mute_is_read_back_as_it_was_kept_and_says_why_and_until_when() {
        let kept = mute(Mutes::Reason("dns".into()), Some(10));
        assert_eq!(serde_json::from_str::<Mute>(&serde_json::to_string(&kept).unwrap()).unwrap(), kept);
        let muted = kept.muted(|ms| Duration::from_millis(ms.unsigned_abs()));
        assert_eq!((muted.why, muted.until), (MuteKind::Reason("dns".into()), Some(Duration::from_millis(10))));
        assert_eq!(muted.because.as_deref(), Some("ticket 7"));
    }
}
