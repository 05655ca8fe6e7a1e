//! What a message is composed of besides the incident: what its channel is to be told, and the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::base::time::epoch_ms;
use crate::outcome::LinkKey;
use crate::plan::{Alerting, Probe, Template};

use super::{Action, Occasion};

/// How long after a message its links open without a log-in.
const LINKS_OPEN: Duration = Duration::from_hours(24 * 7);

/// What one channel is to be told.
#[derive(Debug, Clone, Copy)]
pub struct Saying<'a> {
    /// What the receiver is to do.
    pub what: Action,
    /// The key it opens, changes or ends.
    pub key: &'a str,
    /// The ring's number.
    pub number: u64,
    /// The key of the ring before this one at the same channel.
    pub previous: Option<&'a str>,
    /// Why it is sent; used for rings only, since it follows from `what` and the end otherwise.
    pub occasion: Occasion,
    /// Regions that this channel was told of before.
    pub told: &'a BTreeSet<Arc<str>>,
    /// Counts of an incident that flaps.
    pub flapped: Option<Flapped>,
}

/// The failed and counted runs of a flapping incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapped {
    /// Failed runs.
    pub failed: u32,
    /// Counted runs.
    pub counted: u32,
    /// Within this time.
    pub within: Duration,
}

/// The configuration of messages.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageContext<'a> {
    /// Where pages of incidents and runs are, without a slash at the end; absent where nobody said where people reach them.
    pub pages: Option<&'a str>,
    /// What signs links to them; whoever follows one without a key has to log in.
    pub links: Option<&'a LinkKey>,
    /// Where a trace is looked at; `trace_id` is in scope.
    pub trace_url: Option<&'a Template>,
    /// The region whose process says it, where several processes look after themselves.
    pub origin: Option<&'a str>,
    /// Since when this process cannot reach the others of its fleet, who may tell of the same.
    pub alone: Option<Duration>,
    /// The probes by name, whose owners and runbooks a region's blindness lists.
    pub probes: Option<&'a BTreeMap<Arc<str>, Arc<Probe>>>,
}

impl<'a> MessageContext<'a> {
    /// The configuration, and what signs links.
    pub fn of(alerting: &'a Alerting, links: Option<&'a LinkKey>) -> Self {
        let pages = alerting.public_url.as_deref();
        Self {
            pages,
            links,
            trace_url: alerting.trace_url.as_ref(),
            origin: alerting.origin.as_deref(),
            alone: None,
            probes: None,
        }
    }

    /// The same with the probes.
    #[must_use]
    pub fn with(self, probes: &'a BTreeMap<Arc<str>, Arc<Probe>>) -> Self {
        Self { probes: Some(probes), ..self }
    }

    /// Where an incident is looked at.
    pub(super) fn incident_url(&self, incident: &str, now: Moment) -> Option<String> {
        let key = self.key(incident, now).map(|key| format!("?key={key}")).unwrap_or_default();
        Some(format!("{}/incidents/{incident}{key}", self.pages?))
    }

    /// Where a run of an incident is looked at.
    pub(super) fn run_url(&self, run: &str, incident: &str, now: Moment) -> Option<String> {
        let key = self.key(incident, now).map(|key| format!("?key={key}&incident={incident}")).unwrap_or_default();
        Some(format!("{}/runs/{run}{key}", self.pages?))
    }

    fn key(&self, incident: &str, now: Moment) -> Option<String> {
        Some(self.links?.sign(incident, epoch_ms(now.wall + LINKS_OPEN)))
    }
}
