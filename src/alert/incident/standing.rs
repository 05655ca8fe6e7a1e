//! How an incident and its members stand now: severity, and what is said of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::plan::Severity;

use super::super::fact::Level;
use super::{Incident, Member};

impl Incident {
    /// The highest severity of its failing members that are not held; [`Severity::Critical`] while it is critical at page level.
    pub fn severity(&self) -> Option<Severity> {
        let level = self.ringing().filter_map(Member::level).max()?;
        let critical = level == Level::Page && self.critical.fails();
        Some(if critical { Severity::Critical } else { level.severity() })
    }

    /// Whether it is at page level.
    pub fn is_at_page_level(&self) -> bool {
        self.ringing().any(|member| member.level() == Some(Level::Page))
    }

    /// Members that fail and are neither muted nor explained.
    pub fn ringing(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.fails() && !member.held)
    }

    /// The regions of members that fail and are not held; those of a member that is about several are its shares'.
    pub fn regions(&self) -> BTreeSet<Arc<str>> {
        self.ringing().flat_map(regions_of).collect()
    }
}

/// The regions that a member is about.
pub(in super::super) fn regions_of(member: &Member) -> Vec<Arc<str>> {
    let fact = &member.fact;
    if !fact.region.is_empty() {
        return vec![Arc::clone(&fact.region)];
    }
    fact.shares.iter().filter(|(_, share)| share.reaches).map(|(region, _)| Arc::clone(region)).collect()
}
