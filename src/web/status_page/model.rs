//! What the page shows, as plain data: everything in it is public.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How something is, as its users would say; worse is greater.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, strum::IntoStaticStr, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PublicState {
    /// It is known to work.
    Operational,
    /// It is worked on, as was announced, and not looked at meanwhile.
    Maintenance,
    /// Nobody knows.
    #[default]
    Unknown,
    /// It works for some, or not as well as it should.
    Degraded,
    /// It does not work for most.
    Disrupted,
}

impl PublicState {
    /// All, the worst first.
    pub(super) const WORST_FIRST: [Self; 5] =
        [Self::Disrupted, Self::Degraded, Self::Unknown, Self::Maintenance, Self::Operational];

    /// In words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Operational => "Operational",
            Self::Maintenance => "Under maintenance",
            Self::Unknown => "Not known",
            Self::Degraded => "Degraded",
            Self::Disrupted => "Disrupted",
        }
    }

    /// The word in addresses of style and in JSON: the variant's name in small letters.
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }

    /// A form for each, so that it is told apart without colour.
    pub(super) fn glyph(self) -> &'static str {
        match self {
            Self::Operational => "●",
            Self::Maintenance => "◌",
            Self::Unknown => "?",
            Self::Degraded => "▲",
            Self::Disrupted => "✕",
        }
    }
}

/// The whole page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicPage {
    /// What it is called.
    pub title: String,
    /// What stands below the title.
    pub intro: Option<String>,
    /// When all this was so, milliseconds since the epoch.
    pub as_of_ms: i64,
    /// Whether nothing is known because the prober itself stands still.
    pub is_stale: bool,
    /// Whether days and incidents cannot be read now: they are as of `read_ms`, or not there.
    pub is_partial: bool,
    /// As of when days and incidents are, milliseconds since the epoch; absent if they were never read, or not all of them.
    pub read_ms: Option<i64>,
    /// Days that are shown.
    pub days: u32,
    /// What it tells of, in the owner's order.
    pub components: Vec<PublicComponent>,
    /// Incidents of these days: those that go on first, then the newest.
    pub incidents: Vec<PublicIncident>,
    /// Incidents of these days that are not listed.
    pub more_incidents: usize,
    /// Windows of maintenance that are open or come next, in order.
    pub maintenance: Vec<PublicWindow>,
}

impl PublicPage {
    /// The worst of its components; not known at best, while something cannot be read.
    pub(super) fn state(&self) -> PublicState {
        let least = if self.is_partial { PublicState::Unknown } else { PublicState::Operational };
        self.components.iter().map(|component| component.state).max().unwrap_or_default().max(least)
    }

    /// Since when it is not known whether what goes on does; absent where that is known.
    pub(super) fn last_known_ms(&self) -> Option<i64> {
        let read_ms = self.read_ms.unwrap_or(self.as_of_ms);
        if self.is_partial { Some(read_ms) } else { self.is_stale.then_some(read_ms.min(self.as_of_ms)) }
    }

    /// The same with nothing known of now: for a prober that stands still or cannot be asked.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.is_stale = true;
        for component in &mut self.components {
            component.state = PublicState::Unknown;
            component.regions.iter_mut().for_each(|region| region.state = PublicState::Unknown);
        }
        self
    }
}

/// A part of the product.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicComponent {
    /// What users call it.
    pub name: String,
    /// What it is for.
    pub summary: Option<String>,
    /// How it is.
    pub state: PublicState,
    /// How it is in each region; empty where regions are not shown.
    pub regions: Vec<PublicRegion>,
    /// Its days, the oldest first, today last.
    pub history: Vec<PublicDay>,
    /// The share of checks in these days that completed, 0..=1; absent without any.
    pub share: Option<f64>,
}

/// A part of the product in one region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicRegion {
    /// What it is called.
    pub name: String,
    /// How it is there.
    pub state: PublicState,
}

/// A day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicDay {
    /// Its begin, milliseconds since the epoch.
    pub day_ms: i64,
    /// `operational`, `degraded` or `disrupted` by the share; `unknown` without one.
    pub state: PublicState,
    /// The share of its checks that completed, 0..=1; absent without any.
    pub share: Option<f64>,
}

/// A time in which a component did not work as it should.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PublicIncident {
    /// A name for programs, which says nothing.
    pub id: String,
    /// The component's name.
    pub component: String,
    /// When it was noticed, milliseconds since the epoch.
    pub begun_ms: i64,
    /// When it was over; it goes on if absent.
    pub ended_ms: Option<i64>,
    /// What the owner says of it, oldest first.
    pub notes: Vec<PublicNote>,
}

/// What the owner says of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicNote {
    /// When, milliseconds since the epoch.
    pub at_ms: i64,
    /// Their words.
    pub text: String,
}

/// A time for which work was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicWindow {
    /// Names of the components.
    pub components: Vec<String>,
    /// When it begins, milliseconds since the epoch; it has begun if absent.
    pub begins_ms: Option<i64>,
    /// When it ends; unknown if absent.
    pub ends_ms: Option<i64>,
}
