//! The incidents that the demo can replay.

/// An incident that happened to somebody, with services that all said "success".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Registrations stopped after the payment, for three months.
    RegistrationsSilent,
    /// Playlists stopped reaching the other device.
    PlaylistsUnsynced,
    /// Copies of segments lost most of their users.
    SegmentsTruncated,
}

impl Incident {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RegistrationsSilent, Self::PlaylistsUnsynced, Self::SegmentsTruncated];

    /// The name a user types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationsSilent => "registrations-silent",
            Self::PlaylistsUnsynced => "playlists-unsynced",
            Self::SegmentsTruncated => "segments-truncated",
        }
    }

    /// What breaks, in one sentence without a full stop.
    pub fn summary(self) -> &'static str {
        match self {
            Self::RegistrationsSilent => "registrations stop after their payment, and every call goes on answering 200",
            Self::PlaylistsUnsynced => "what is edited on one device never reaches the other, and every edit succeeds",
            Self::SegmentsTruncated => "copies of segments stop at 10,000 users, and their jobs report success",
        }
    }
}
