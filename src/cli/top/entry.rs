//! The rows of the list: which there are, in which order.
//!
//! Incidents come first, then probes as the service orders them, the worst first. Below a probe stand those of its canaries that are not
//! well, or all of them where it is opened. A probe with one canary is one row.

use crate::alert::status::Health;

use super::data::{Incident, Probe, Row};
use super::state::TopState;

/// A row of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry<'s> {
    Incident(&'s Incident),
    /// So many incidents that are not told.
    MoreIncidents(usize),
    Probe(&'s Probe),
    Row(&'s Probe, &'s Row),
}

impl Entry<'_> {
    /// What names it, wherever it stands.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Incident(incident) => format!("incident {}", incident.id),
            Self::MoreIncidents(_) => "more incidents".to_owned(),
            Self::Probe(probe) => Self::key_of_probe(&probe.name),
            Self::Row(probe, row) => format!("row {} {}", probe.name, row.canary.as_deref().unwrap_or(&row.name)),
        }
    }

    /// What names the row of a probe.
    pub(super) fn key_of_probe(name: &str) -> String {
        format!("probe {name}")
    }

    /// The probe that it belongs to.
    pub(super) fn probe(&self) -> Option<&Probe> {
        match self {
            Self::Incident(_) | Self::MoreIncidents(_) => None,
            Self::Probe(probe) | Self::Row(probe, _) => Some(probe),
        }
    }

    /// The incident that it is about.
    pub(super) fn incident(&self) -> Option<String> {
        match self {
            Self::Incident(incident) => Some(incident.id.clone()),
            Self::MoreIncidents(_) => None,
            Self::Probe(probe) => probe.incident.clone(),
            Self::Row(probe, row) => row.incident.clone().or_else(|| probe.incident.clone()),
        }
    }
}

/// The rows, from the top.
pub(super) fn entries(state: &TopState) -> Vec<Entry<'_>> {
    let mut all: Vec<Entry<'_>> = state.incidents.iter().map(Entry::Incident).collect();
    let more = state.head.as_ref().map_or(0, |head| head.incidents_left_out);
    all.extend((more > 0).then_some(Entry::MoreIncidents(more)));
    for probe in &state.probes {
        all.push(Entry::Probe(probe));
        let is_opened = state.opened.contains(&probe.name);
        if probe.rows.len() > 1 {
            all.extend(probe.rows.iter().filter(|row| is_shown(probe, row, is_opened)).map(|row| Entry::Row(probe, row)));
        }
    }
    all
}

fn is_shown(probe: &Probe, row: &Row, is_opened: bool) -> bool {
    // The row of all canaries says what the probe's own row says.
    if row.canary.is_none() && probe.is_folded {
        return false;
    }
    is_opened
        || match row.health {
            Health::Failing | Health::NoData | Health::Suspect => true,
            Health::Muted | Health::Unknown | Health::Passing => false,
        }
}
