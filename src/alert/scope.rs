//! What an incident is about.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What an incident is about. There is at most one open incident of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A probe whose canaries fail.
    Probe(Arc<str>),
    /// One subject of a probe, whatever region or cell saw it.
    Subject(Arc<str>, Arc<str>),
    /// Subjects of a probe beyond the cap.
    Subjects(Arc<str>),
    /// A region whose canaries have no counted runs.
    Blind(Arc<str>),
    /// A probe's error budget, which burns.
    Budget(Arc<str>),
    /// A probe's latency objective.
    Latency(Arc<str>),
    /// Test data of a probe that cannot be removed.
    Leak(Arc<str>),
    /// A test page of `notify-test`.
    Test,
}

impl Scope {
    /// The probe, if it is about one.
    pub fn probe(&self) -> Option<&Arc<str>> {
        match self {
            Self::Probe(probe)
            | Self::Subject(probe, _)
            | Self::Subjects(probe)
            | Self::Budget(probe)
            | Self::Latency(probe)
            | Self::Leak(probe) => Some(probe),
            Self::Blind(_) | Self::Test => None,
        }
    }
}

impl fmt::Display for Scope {
    /// The first part of a dedup key: `playlist-sync`, `segment-copy/subject/seg-1`, `blind/eu`. Probes' names have no slash,
    /// and the words that follow one are not regions, so that no two scopes look alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(probe) => write!(f, "probe/{probe}"),
            Self::Subject(probe, subject) => write!(f, "subject/{probe}/{subject}"),
            Self::Subjects(probe) => write!(f, "subjects/{probe}"),
            Self::Blind(region) => write!(f, "blind/{region}"),
            Self::Budget(probe) => write!(f, "budget/{probe}"),
            Self::Latency(probe) => write!(f, "latency/{probe}"),
            Self::Leak(probe) => write!(f, "leak/{probe}"),
            Self::Test => f.write_str("test"),
        }
    }
}
