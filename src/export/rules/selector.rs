//! The series that rules ask for.

use std::time::Duration;

use indexmap::IndexSet;

use crate::plan::{Plan, Probe};

use super::super::text::{duration, quoted};
use super::SHORTEST;

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

/// By how much counters rose over a window, as a whole number. `increase` would make a share of a run more or less of what it has not
/// seen. Where a process started anew in the window, the scrapes in which a counter had risen are counted, which are fewer.
pub(super) fn rises(by: &str, selector: &str, over: Duration) -> String {
    let seen = format!("{selector}[{}]", duration(over));
    format!(
        "sum by ({by}) (\n    (max_over_time({seen}) - min_over_time({seen}) unless resets({seen}) > 0)\n    \
         or changes({seen}) - resets({seen})\n  )"
    )
}

/// What the service told of a probe, or of those that explain its failures, within a window: rules on counters are silent then, also
/// until their own window has forgotten an outage that is over. What is told of subjects counts whatever its severity, since the
/// runs that found them are counted as failed.
pub(super) fn unless_told(plan: &Plan, probe: &Probe, within: Duration) -> String {
    let names: Vec<String> = with_roots(plan, probe).iter().map(|name| regex::escape(name)).collect();
    let (names, within) = (quoted(&names.join("|")), duration(within.max(SHORTEST)));
    format!(
        "unless on () (\n  max_over_time(serinus_incident{{kind=\"probe\",severity=~\"page|critical\",probe=~{names}}}[{within}])\n  \
         or max_over_time(serinus_incident{{kind=~\"subject|subjects\",probe={}}}[{within}])\n)",
        quoted(&probe.name)
    )
}

/// A probe and all that its `needs` lead to.
fn with_roots<'p>(plan: &'p Plan, probe: &'p Probe) -> IndexSet<&'p str> {
    let mut names = IndexSet::from([&*probe.name]);
    let mut at = 0;
    while let Some(&name) = names.get_index(at) {
        let needs = plan.probes.iter().find(|other| *other.name == *name).into_iter().flat_map(|other| &other.needs);
        names.extend(needs.map(|root| &**root));
        at += 1;
    }
    names
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
