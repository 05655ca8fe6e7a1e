//! Where a member is routed: the first route that matches names the channels.
//!
//! The route is asked with the member's region, its owner and the incident's severity. Without any routes every channel is
//! meant. A page-level member that no route matches goes everywhere, whatever channels take least.

use std::sync::Arc;

use crate::plan::{Alerting, Channel, Probe, Route, Severity};

/// What a route looks at.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The incident's severity.
    pub severity: Severity,
    /// Of an incident that is about a probe.
    pub probe: Option<&'a Probe>,
    /// Who is responsible, also where the probe is gone.
    pub owner: Option<&'a str>,
    /// The member's regions; empty where it is about none.
    pub regions: &'a [Arc<str>],
}

/// Where a member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed<'a> {
    /// To the channels of this route.
    Route(&'a Route),
    /// There are no routes: to all.
    All,
    /// There are routes, and none matches.
    Nowhere,
}

/// Where a member goes.
pub fn routed<'a>(alerting: &'a Alerting, asked: &Asked<'_>) -> Routed<'a> {
    match alerting.routes.iter().find(|route| matches(route, asked)) {
        Some(route) => Routed::Route(route),
        None if alerting.routes.is_empty() => Routed::All,
        None => Routed::Nowhere,
    }
}

impl Routed<'_> {
    /// Whether a channel is meant, for an incident of this severity.
    pub fn means(&self, channel: &Channel, severity: Severity) -> bool {
        match self {
            Self::Route(route) => route.channels.contains(&channel.name) && channel.least <= severity,
            Self::All => channel.least <= severity,
            Self::Nowhere => severity >= Severity::Page || channel.least <= severity,
        }
    }
}

fn matches(route: &Route, asked: &Asked<'_>) -> bool {
    let any = |wanted: &[Arc<str>], there: &[&str]| {
        wanted.is_empty() || there.iter().any(|there| wanted.iter().any(|wanted| **wanted == **there))
    };
    let owner: Vec<&str> = asked.owner.into_iter().collect();
    let tags: Vec<&str> = asked.probe.into_iter().flat_map(|probe| probe.tags.iter().map(String::as_str)).collect();
    let regions: Vec<&str> = asked.regions.iter().map(|region| &**region).collect();
    let probe: Vec<&str> = asked.probe.into_iter().map(|probe| &*probe.name).collect();
    (route.severities.is_empty() || route.severities.contains(&asked.severity))
        && any(&route.owners, &owner)
        && any(&route.tags, &tags)
        && any(&route.regions, &regions)
        && any(&route.probes, &probe)
}
