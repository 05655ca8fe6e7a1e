//! What a message is composed of besides the incident: what its channel is to be told, and the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Alerting, Probe, Template};

use super::{Action, Occasion};

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
    /// Where pages of incidents and runs are, without a slash at the end; absent while nothing answers there.
    pub pages: Option<&'a str>,
    /// Where a trace is looked at; `trace_id` is in scope.
    pub trace_url: Option<&'a Template>,
    /// The region whose process says it, where several processes look after themselves.
    pub origin: Option<&'a str>,
    /// The probes by name, whose owners and runbooks a region's blindness lists.
    pub probes: Option<&'a BTreeMap<Arc<str>, Arc<Probe>>>,
}

impl<'a> MessageContext<'a> {
    /// The configuration. The service has no pages yet, so there are no links to it, whatever its `public_url`.
    pub fn of(alerting: &'a Alerting) -> Self {
        Self { pages: None, trace_url: alerting.trace_url.as_ref(), origin: alerting.origin.as_deref(), probes: None }
    }

    /// The same with the probes.
    #[must_use]
    pub fn with(self, probes: &'a BTreeMap<Arc<str>, Arc<Probe>>) -> Self {
        Self { probes: Some(probes), ..self }
    }
}
