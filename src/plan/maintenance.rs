//! Windows in which failures are expected.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Canary;

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

impl Maintenance {
    /// Whether it is about this canary.
    pub fn selects(&self, canary: &Canary) -> bool {
        let any = |list: &[Arc<str>], of: &str| list.is_empty() || list.iter().any(|name| &**name == of);
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| canary.probe.tags.iter().any(|of| **of == **tag));
        any(&self.probes, &canary.probe.name) && any(&self.regions, &canary.region.name) && tagged
    }
}
