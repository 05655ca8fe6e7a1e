//! Who is told: the first route that matches an incident names the channels.
//!
//! Without a matching route every channel is told. In any case a channel gets nothing below its own `least`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::{Alerting, Probe, Route, Severity};

/// What a route looks at.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) severity: Severity,
    /// Of an incident that is about a probe.
    pub(super) probe: Option<&'a Probe>,
    pub(super) regions: BTreeSet<&'a str>,
}

/// The channels that are told.
pub(super) fn channels(alerting: &Alerting, facts: &Facts<'_>) -> BTreeSet<Arc<str>> {
    let route = alerting.routes.iter().find(|route| matches(route, facts));
    let named = |name: &Arc<str>| route.is_none_or(|route| route.channels.contains(name));
    let takes = alerting.channels.iter().filter(|channel| channel.least <= facts.severity && named(&channel.name));
    takes.map(|channel| Arc::clone(&channel.name)).collect()
}

fn matches(route: &Route, facts: &Facts<'_>) -> bool {
    let any = |wanted: &[Arc<str>], there: Vec<&str>| {
        wanted.is_empty() || there.iter().any(|there| wanted.iter().any(|wanted| **wanted == **there))
    };
    let probe = facts.probe;
    (route.severities.is_empty() || route.severities.contains(&facts.severity))
        && any(&route.owners, probe.and_then(|probe| probe.owner.as_deref()).into_iter().collect())
        && any(&route.tags, probe.into_iter().flat_map(|probe| probe.tags.iter().map(String::as_str)).collect())
        && any(&route.regions, facts.regions.iter().copied().collect())
        && any(&route.probes, probe.map(|probe| &*probe.name).into_iter().collect())
}
