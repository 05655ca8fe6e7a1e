//! Routing: the first route that matches a member names its channels.
//!
//! Routes match the member's region, its owner and the incident's severity. Without any routes, everything goes to all channels.
//! A page-level member that matches no route goes to all channels, whatever their `least`.

use std::sync::Arc;

use crate::plan::{Alerting, Channel, Probe, Route, Severity};

/// What routes match.
#[derive(Debug, Clone)]
pub struct RouteQuery<'a> {
    /// The incident's severity.
    pub severity: Severity,
    /// The probe, if there is one.
    pub probe: Option<&'a Probe>,
    /// The owner, even if the probe was removed.
    pub owner: Option<&'a str>,
    /// The member's regions; empty where it is about none.
    pub regions: &'a [Arc<str>],
}

/// The result of routing a member.
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
pub fn routed<'a>(alerting: &'a Alerting, asked: &RouteQuery<'_>) -> Routed<'a> {
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

fn matches(route: &Route, asked: &RouteQuery<'_>) -> bool {
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
