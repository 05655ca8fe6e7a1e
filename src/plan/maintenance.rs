//! Windows in which failures are expected.
//!
//! Pure: whoever asks says what time it is, by the wall clock, because a calendar goes by that. A recurring window lasts as long
//! as it says, also where the clocks change within it: one hour from 02:00 on the night of the repeated hour ends when it is
//! 02:00 again. Windows that begin before the one before them has ended run into one another.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Calendar, Canary};

/// A window in which the canaries it selects are skipped.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// What people call it.
    pub name: Arc<str>,
    /// When.
    pub when: MaintenanceTime,
    /// Probes; empty means all.
    pub probes: Vec<Arc<str>>,
    /// Regions; empty means all.
    pub regions: Vec<Arc<str>>,
    /// Tags, one of which the probe must have; empty means all.
    pub tags: Vec<Arc<str>>,
}

/// When a window is open.
#[derive(Debug, Clone)]
pub enum MaintenanceTime {
    /// Once.
    Once {
        /// Begin.
        from: SystemTime,
        /// End, exclusive.
        until: SystemTime,
    },
    /// Again and again.
    Recurring {
        /// When it begins.
        cron: Box<croner::Cron>,
        /// The zone the expression is read in.
        timezone: chrono_tz::Tz,
        /// How long it lasts.
        lasts: Duration,
    },
}

/// A stretch of time in which a window neither opens nor closes: `from..until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its begin, or the moment that was asked about.
    pub from: SystemTime,
    /// Its end, exclusive; none if nothing changes any more. Where an open window runs into its next one, the stretch may end
    /// before the window closes.
    pub until: Option<SystemTime>,
    /// Whether the window is open then.
    pub open: bool,
}

impl Maintenance {
    /// Whether it is open at a moment.
    pub fn open_at(&self, at: SystemTime) -> bool {
        self.stretch_at(at).open
    }

    /// Whether it is open at some moment from `from` to `to`, both included.
    pub fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        let stretch = self.stretch_at(from);
        // What is closed until a moment opens at it.
        stretch.open || stretch.until.is_some_and(|opens| to >= opens)
    }

    /// What is known at `at`, so that it need not be asked for again until the stretch ends.
    pub fn stretch_at(&self, at: SystemTime) -> Stretch {
        match &self.when {
            MaintenanceTime::Once { from, until } if at < *from => {
                // A window that ends before it begins never opens.
                Stretch { from: at, until: (from < until).then_some(*from), open: false }
            }
            MaintenanceTime::Once { until, .. } if at < *until => Stretch { from: at, until: Some(*until), open: true },
            MaintenanceTime::Once { .. } => Stretch { from: at, until: None, open: false },
            MaintenanceTime::Recurring { cron, timezone, lasts } => recurring(Calendar { cron, timezone: *timezone }, *lasts, at),
        }
    }

    /// Whether it is about this canary.
    pub fn selects(&self, canary: &Canary) -> bool {
        let any = |list: &[Arc<str>], of: &str| list.is_empty() || list.iter().any(|name| &**name == of);
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| canary.probe.tags.iter().any(|of| **of == **tag));
        any(&self.probes, &canary.probe.name) && any(&self.regions, &canary.region.name) && tagged
    }
}

fn recurring(calendar: Calendar<'_>, lasts: Duration, at: SystemTime) -> Stretch {
    let now = nanos(at);
    let closes = calendar.until(now).map(|opened| wall(opened) + lasts).filter(|closes| *closes > at);
    if closes.is_some() {
        return Stretch { from: at, until: closes, open: true };
    }
    let opens = calendar.after(now).filter(|_| !lasts.is_zero());
    Stretch { from: at, until: opens.map(wall), open: false }
}

/// Before the epoch is the epoch.
fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn wall(at: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at)
}
