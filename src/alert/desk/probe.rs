//! What belongs to one probe: its rules and the machines that all its canaries share.

use std::sync::Arc;

use crate::alert::Moment;
use crate::alert::across::{Across, AcrossRule};
use crate::alert::budget::{BudgetState, LatencyState};
use crate::alert::canary::CanaryRule;
use crate::alert::critical::Regions;
use crate::alert::subject::{SubjectRule, Subjects};
use crate::plan::Probe;

/// A probe with its machines.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) probe: Arc<Probe>,
    pub(super) rule: CanaryRule,
    pub(super) subject_rule: SubjectRule,
    /// Only with `alert.across`.
    pub(super) across_rule: Option<AcrossRule>,
    pub(super) across: Across,
    pub(super) regions: Regions,
    pub(super) subjects: Subjects,
    /// Only with an `[slo]`.
    pub(super) budget: Option<BudgetState>,
    pub(super) latency: Option<LatencyState>,
    /// The regions it runs in, and those that other processes run.
    pub(super) known_regions: Vec<Arc<str>>,
    /// The probes that it needs, directly or through others, without itself.
    pub(super) roots: Vec<Arc<str>>,
}

impl Watched {
    /// One with so many canaries about which nothing is known.
    pub(super) fn new(probe: Arc<Probe>, canaries: usize) -> Self {
        let rule = CanaryRule::of(&probe);
        let subject_rule = SubjectRule::of(&probe, &rule);
        Self {
            rule,
            subject_rule,
            across_rule: AcrossRule::of(&probe, canaries),
            across: Across::default(),
            regions: Regions::default(),
            subjects: Subjects::default(),
            budget: probe.slo.as_ref().filter(|slo| slo.success.is_some()).map(BudgetState::new),
            latency: probe.slo.as_ref().filter(|slo| slo.latency.is_some()).map(LatencyState::new),
            known_regions: Vec::new(),
            roots: Vec::new(),
            probe,
        }
    }

    /// Judges by another version of the probe from now on.
    pub(super) fn apply(&mut self, probe: Arc<Probe>, canaries: usize) {
        let fresh = Self::new(probe, canaries);
        self.across_rule = fresh.across_rule;
        if self.across_rule.is_none() {
            self.across = Across::default();
        }
        self.rule = fresh.rule;
        self.subject_rule = fresh.subject_rule;
        self.budget = fresh.budget.map(|fresh| self.budget.take().unwrap_or(fresh));
        self.latency = fresh.latency.map(|fresh| self.latency.take().unwrap_or(fresh));
        self.probe = fresh.probe;
    }

    /// The window in which a region counts as failing.
    pub(super) fn window(&self) -> std::time::Duration {
        self.probe.alert.critical.as_ref().map_or(self.rule.memory, |rule| rule.within)
    }

    /// How its regions stand.
    pub(super) fn states(&self, now: Moment) -> Vec<crate::alert::RegionState> {
        self.regions.states(&self.known_regions, self.window(), self.rule.memory, now)
    }
}
