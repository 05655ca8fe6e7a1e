//! What an incident is about.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What an incident is about. There is at most one open incident of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A probe whose canaries fail, together or each, or whose objectives are not kept.
    Probe(Arc<str>),
    /// One subject of a probe, whatever region or cell saw it.
    Subject(Arc<str>, Arc<str>),
    /// Subjects of a probe beyond the cap.
    Subjects(Arc<str>),
    /// A probe without data.
    NoData(Arc<str>),
    /// A region without data.
    Blind(Arc<str>),
    /// Test data of a probe that cannot be removed.
    Leak(Arc<str>),
    /// A process that starts again and again.
    Restarts(Arc<str>),
    /// A channel that takes nothing.
    Channel(Arc<str>),
    /// A test page of `notify-test`.
    Test,
}

impl Scope {
    /// The probe, if it is about one.
    pub fn probe(&self) -> Option<&Arc<str>> {
        match self {
            Self::Probe(probe) | Self::Subject(probe, _) | Self::Subjects(probe) | Self::NoData(probe) | Self::Leak(probe) => {
                Some(probe)
            }
            Self::Blind(_) | Self::Restarts(_) | Self::Channel(_) | Self::Test => None,
        }
    }

    /// Every value of [`kind`](Self::kind).
    pub const KINDS: [&str; 9] = ["probe", "subject", "subjects", "no-data", "blind", "leak", "restarts", "channel", "test"];

    /// The kind of scope, with which its text begins; also a label value of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Probe(_) => "probe",
            Self::Subject(..) => "subject",
            Self::Subjects(_) => "subjects",
            Self::NoData(_) => "no-data",
            Self::Blind(_) => "blind",
            Self::Leak(_) => "leak",
            Self::Restarts(_) => "restarts",
            Self::Channel(_) => "channel",
            Self::Test => "test",
        }
    }

    /// Whether further members ring only in numbers or for a new reason.
    pub fn rings_in_bulk(&self) -> bool {
        matches!(self, Self::NoData(_) | Self::Blind(_) | Self::Subjects(_))
    }
}

impl fmt::Display for Scope {
    /// The first part of a key: `probe/playlist-sync`, `subject/segment-copy/seg-1`, `blind/eu`. The kind stands first, so that
    /// no two scopes look alike whatever probes are called.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(probe) => write!(f, "probe/{probe}"),
            Self::Subject(probe, subject) => write!(f, "subject/{probe}/{subject}"),
            Self::Subjects(probe) => write!(f, "subjects/{probe}"),
            Self::NoData(probe) => write!(f, "no-data/{probe}"),
            Self::Blind(region) => write!(f, "blind/{region}"),
            Self::Leak(probe) => write!(f, "leak/{probe}"),
            Self::Restarts(process) => write!(f, "restarts/{process}"),
            Self::Channel(name) => write!(f, "channel/{name}"),
            Self::Test => f.write_str("test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scopes_text_begins_with_its_kind_and_every_kind_is_listed() {
        let [one, other]: [Arc<str>; 2] = ["one".into(), "other".into()];
        let scopes = [
            Scope::Probe(one.clone()),
            Scope::Subject(one.clone(), other),
            Scope::Subjects(one.clone()),
            Scope::NoData(one.clone()),
            Scope::Blind(one.clone()),
            Scope::Leak(one.clone()),
            Scope::Restarts(one.clone()),
            Scope::Channel(one),
            Scope::Test,
        ];
        assert_eq!(scopes.each_ref().map(Scope::kind), Scope::KINDS);
        for scope in scopes {
            assert_eq!(scope.to_string().split('/').next(), Some(scope.kind()));
        }
    }
}
