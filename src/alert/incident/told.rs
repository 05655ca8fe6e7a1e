//! What one channel was told of one incident.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Severity;

use super::super::FactKey;
use super::super::serde_with::{millis_option, severity_word};
use super::super::tries::{Cover, Open};
use super::Member;

/// What one channel was told of one incident.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What it took, all its rings together.
    pub cover: Option<Cover>,
    /// Number of rings that were taken.
    pub rings: u32,
    /// When the last of them rang.
    #[serde(with = "millis_option", default)]
    pub last: Option<Duration>,
    /// What is open or perhaps open there because of it; oldest first.
    pub open: Vec<Open>,
    /// What the latest open key shows.
    pub shown: Option<Shown>,
    /// Since when a ring is due that the channel has not taken.
    #[serde(with = "millis_option", default)]
    pub due: Option<Duration>,
    /// Since when a ring for a page-level member is due.
    #[serde(with = "millis_option", default)]
    pub page_due: Option<Duration>,
    /// Whether a ring was due, was never taken, and is not due any more.
    #[serde(default)]
    pub missed: bool,
    /// The latest refusal of a try of this incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What the latest open key of a channel shows. A difference is worth a silent change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The severity.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The regions that fail.
    pub regions: BTreeSet<Arc<str>>,
    /// When it was last shown.
    #[serde(with = "super::super::serde_with::millis")]
    pub at: Duration,
}

impl Told {
    /// A ring was taken that was last sent at `rang`. `member` finds members of the incident, to merge the cover with the one
    /// before.
    pub fn took<'a>(&mut self, open: Open, cover: Cover, rang: Duration, member: impl Fn(&FactKey) -> Option<&'a Member>) {
        self.rings = self.rings.saturating_add(1);
        self.last = self.last.max(Some(rang));
        self.shown = Some(Shown { severity: cover.severity, regions: cover.regions.clone(), at: cover.at });
        let taken = open.taken;
        match self.open.iter_mut().find(|known| known.key == open.key) {
            Some(known) => *known = Open { taken: known.taken || taken, ..open },
            None => self.open.push(open),
        }
        if taken {
            let before = self.cover.take();
            let covered = |before: &Cover, key: &FactKey| member(key).is_some_and(|member| before.covers(member));
            let mut cover = cover.after(before.as_ref(), covered);
            if let Some(before) = before {
                cover.regions.extend(before.regions);
                cover.reasons.extend(before.reasons);
            }
            self.cover = Some(cover);
            (self.due, self.page_due) = (None, None);
        }
    }

    /// The key is ended, or was never opened.
    pub fn ended(&mut self, key: &str) {
        self.open.retain(|open| open.key != key);
    }

    /// Forgets what was told. All open keys there are ended or perhaps ended, though the incident goes on.
    pub fn forget(&mut self) {
        let open = self.open.drain(..).map(|open| Open { taken: false, ..open }).collect();
        *self = Self { open, ..Self::default() };
    }

    /// Whether an open key there was told fewer acknowledgements than this.
    pub fn lacks_acknowledgement(&self, acknowledgements: usize) -> bool {
        self.open.iter().any(|open| open.taken && open.acknowledged < acknowledgements)
    }

    /// Whether anything is open there, or perhaps open.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn not_after(&mut self, now: Duration) {
        self.last = self.last.map(|last| last.min(now));
        self.due = self.due.map(|due| due.min(now));
        self.page_due = self.page_due.map(|due| due.min(now));
        if let Some(cover) = &mut self.cover {
            cover.at = cover.at.min(now);
        }
        if let Some(shown) = &mut self.shown {
            shown.at = shown.at.min(now);
        }
    }
}
