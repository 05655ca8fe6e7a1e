//! In how many regions a probe fails, and how each region stands.
//!
//! Owns the rule *critical*: an incident at page level is critical when so many regions have a failed run of the probe, of any
//! cell, within the window. A region that has not said anything for long is unknown: neither failing nor well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::{RunReport, Verdict};
use crate::plan::CriticalRule;

use super::canary::counts;
use super::{Moment, RegionState};

/// The regions of one probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regions {
    regions: BTreeMap<Arc<str>, Latest>,
}

/// When a region's latest counted runs ended, any cell; steady time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Latest {
    passed: Option<Duration>,
    failed: Option<Duration>,
}

/// [`Latest`] as the store keeps it: milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<i64>,
}

impl Regions {
    /// Takes a run in that has just ended.
    pub fn seen(&mut self, report: &RunReport, now: Moment) {
        if counts(report.trigger) {
            self.ended(&report.canary.region.name, report.verdict, now);
        }
    }

    fn ended(&mut self, region: &Arc<str>, verdict: Verdict, now: Moment) {
        let latest = match verdict {
            Verdict::Passed | Verdict::Failed => self.regions.entry(Arc::clone(region)).or_default(),
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => return,
        };
        if verdict == Verdict::Passed {
            latest.passed = Some(now.steady);
        } else {
            latest.failed = Some(now.steady);
        }
    }

    /// Regions with a failed run within the window.
    pub fn failing(&self, within: Duration, now: Moment) -> usize {
        self.regions.values().filter(|latest| is_within(latest.failed, within, now)).count()
    }

    /// Whether an incident of the probe that is (or is not) at page level is critical.
    pub fn is_critical(&self, rule: Option<&CriticalRule>, at_page_level: bool, now: Moment) -> bool {
        at_page_level && rule.is_some_and(|rule| self.failing(rule.within, now) >= rule.regions.get() as usize)
    }

    /// When the next failed run leaves the window, if nothing else happens; steady time.
    pub fn due(&self, within: Duration, now: Moment) -> Option<Duration> {
        let failed = self.regions.values().filter_map(|latest| latest.failed.filter(|_| is_within(latest.failed, within, now)));
        // A failed run that is exactly as old as the window is still in it.
        failed.min().map(|at| at + within + Duration::from_millis(1))
    }

    /// How every known region stands: "failing" with a failed run within the window, otherwise "passing" if its latest counted
    /// run passed and is not older than `memory`, otherwise "unknown".
    pub fn states(&self, known: &[Arc<str>], within: Duration, memory: Duration, now: Moment) -> Vec<RegionState> {
        let state = |region: &Arc<str>| match self.regions.get(region) {
            Some(latest) if is_within(latest.failed, within, now) => "failing",
            Some(latest) if latest.passed > latest.failed && is_within(latest.passed, memory, now) => "passing",
            Some(_) | None => "unknown",
        };
        known.iter().map(|region| RegionState { region: region.to_string(), state: state(region).to_owned() }).collect()
    }

    /// The state for the store.
    pub fn to_json(&self, now: Moment) -> String {
        let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
        let rows: BTreeMap<&str, Row> = self
            .regions
            .iter()
            .map(|(region, latest)| (&**region, Row { passed: wall(latest.passed), failed: wall(latest.failed) }))
            .collect();
        serde_json::to_string(&rows).expect("its keys are strings")
    }

    /// The state that [`to_json`](Self::to_json) wrote, perhaps in an earlier process.
    ///
    /// # Errors
    /// If it is no such state.
    pub fn from_json(json: &str, now: Moment) -> Result<Self, serde_json::Error> {
        let rows: BTreeMap<Arc<str>, Row> = serde_json::from_str(json)?;
        let steady = |at: Option<i64>| at.map(|at| now.steady_of(at));
        let latest = |row: Row| Latest { passed: steady(row.passed), failed: steady(row.failed) };
        Ok(Self { regions: rows.into_iter().map(|(region, row)| (region, latest(row))).collect() })
    }
}

fn is_within(at: Option<Duration>, within: Duration, now: Moment) -> bool {
    at.is_some_and(|at| now.steady.saturating_sub(at) <= within)
}

#[cfg(test)]
mod tests;
