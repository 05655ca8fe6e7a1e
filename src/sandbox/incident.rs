//! The incidents the sandbox can reproduce: which faults, and which shipped probe must notice.

use std::fmt;
use std::str::FromStr;

use super::fault::{FaultName, FaultScope};

/// One of the three incidents the project exists for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Incident {
    /// Registrations stopped completing for months while every stage answered 200.
    RegistrationsSilent,
    /// Playlists made on one device did not appear on the others.
    PlaylistsUnsynced,
    /// Copy and lookalike jobs succeeded and lost the users.
    SegmentsTruncated,
}

impl Incident {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RegistrationsSilent, Self::PlaylistsUnsynced, Self::SegmentsTruncated];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationsSilent => "registrations-silent",
            Self::PlaylistsUnsynced => "playlists-unsynced",
            Self::SegmentsTruncated => "segments-truncated",
        }
    }

    /// The faults that make it; each alone is enough for the probe to notice.
    pub fn faults(self) -> &'static [FaultName] {
        match self {
            Self::RegistrationsSilent => &[FaultName::RegistrationStopsAfterPayment],
            Self::PlaylistsUnsynced => &[FaultName::PlaylistNotSynced, FaultName::PlaylistLostEdits],
            Self::SegmentsTruncated => &[FaultName::SegmentCopyCapped, FaultName::LookalikeEmpty],
        }
    }

    /// Name of the shipped probe that must notice it.
    pub fn probe(self) -> &'static str {
        match self {
            Self::RegistrationsSilent => "premium-registration",
            Self::PlaylistsUnsynced => "playlist-sync",
            Self::SegmentsTruncated => "segment-copy",
        }
    }

    /// The matrix key and value of the one cell that its default scope hits; `None` where the scope is a whole region.
    pub fn cell(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::RegistrationsSilent => Some(("platform", "ios")),
            Self::PlaylistsUnsynced | Self::SegmentsTruncated => None,
        }
    }

    /// All requests of that cell from one region.
    pub fn scope(self, region: &str) -> FaultScope {
        self.on_its_platform(FaultScope::all().in_region(region))
    }

    /// All requests of that cell, wherever they come from.
    pub fn scope_everywhere(self) -> FaultScope {
        self.on_its_platform(FaultScope::all())
    }

    fn on_its_platform(self, scope: FaultScope) -> FaultScope {
        match self.cell() {
            Some((_, platform)) => scope.on_platform(platform),
            None => scope,
        }
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no incident's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no incident `{0}`; the incidents are {known}", known = Incident::ALL.map(Incident::as_str).join(", "))]
pub struct UnknownIncident(String);

impl FromStr for Incident {
    type Err = UnknownIncident;

    fn from_str(text: &str) -> Result<Self, UnknownIncident> {
        Self::ALL.into_iter().find(|incident| incident.as_str() == text).ok_or_else(|| UnknownIncident(text.to_owned()))
    }
}
