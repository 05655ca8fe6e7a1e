//! The series that rules ask for.

use std::time::Duration;

use crate::plan::{Plan, Probe};

use super::super::text::{duration, quoted};

/// A selector of a probe's runs with these verdicts, a regular expression of words.
pub(super) fn runs(probe: &Probe, verdicts: &str) -> String {
    let operator = if verdicts.contains('|') { "=~" } else { "=" };
    format!("serinus_runs_total{{probe={},verdict{operator}\"{verdicts}\"}}", quoted(&probe.name))
}

/// The labels that tell a probe's canaries apart.
pub(super) fn canary_labels(probe: &Probe) -> String {
    let keys = probe.cells.first().into_iter().flat_map(|cell| cell.0.iter().map(|(key, _)| &**key));
    ["probe", "region"].into_iter().chain(keys).collect::<Vec<_>>().join(", ")
}

/// By how much counters rose over a window, as a whole number: in how many scrapes they had. A reset counts as none, so that nothing
/// is made of a restart, where `increase` would make a share of a run more or less of what it has not seen.
pub(super) fn rises(by: &str, selector: &str, over: Duration) -> String {
    let over = duration(over);
    format!("sum by ({by}) (changes({selector}[{over}]) - resets({selector}[{over}]))")
}

/// By how much counters rose over a window.
pub(super) fn increase(by: &str, selector: &str, over: Duration) -> String {
    format!("sum by ({by}) (increase({selector}[{}]))", duration(over))
}

/// From a tick of a canary to its next: the shortest such pause of a cron expression.
pub(super) fn interval(probe: &Probe) -> Duration {
    probe.cadence.pauses().0 / probe.runs.max(1)
}

/// The longest such pause.
pub(super) fn longest_interval(probe: &Probe) -> Duration {
    probe.cadence.pauses().1 / probe.runs.max(1)
}

/// How many canaries of it there are in all regions that are known.
pub(super) fn canaries(plan: &Plan, probe: &Probe) -> u32 {
    let here = plan.canaries.iter().filter(|canary| canary.probe.name == probe.name).count();
    let regions = plan.regions.len().max(1);
    u32::try_from(here * plan.known_regions.len().max(regions) / regions).unwrap_or(u32::MAX).max(1)
}
