//! The series that rules ask for.

use std::time::Duration;

use indexmap::IndexSet;

use crate::plan::{Plan, Probe, Service};

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
/// runs that found them are counted as failed; so does what is told of a probe that pages nobody.
pub(super) fn unless_told(service: &Service, probe: &Probe, within: Duration) -> String {
    let within = duration(within.max(SHORTEST));
    let told = |labels: &str| format!("max_over_time(serinus_incident{{{labels}}}[{within}])");
    let (paging, silent): (Vec<&str>, Vec<&str>) = with_roots(&service.plan, probe).into_iter().partition(|name| {
        let root = service.plan.probes.iter().find(|other| *other.name == **name);
        root.is_none_or(|root| root.alert.page)
    });
    let named = |names: &[&str]| quoted(&names.iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|"));
    let all = [
        (!paging.is_empty()).then(|| told(&format!("kind=\"probe\",severity=~\"page|critical\",probe=~{}", named(&paging)))),
        (!silent.is_empty()).then(|| told(&format!("kind=\"probe\",probe=~{}", named(&silent)))),
        Some(told(&format!("kind=~\"subject|subjects\",probe={}", quoted(&probe.name)))),
    ];
    let all = all.into_iter().flatten().collect::<Vec<_>>().join("\n  or ");
    let on = if each_tells(service) { "region" } else { "" };
    format!("unless on ({on}) (\n  {all}\n)")
}

/// Whether each region's process tells of what it probes by itself, because it knows of no other.
pub(super) fn each_tells(service: &Service) -> bool {
    service.alerting.origin.is_some()
}

/// What a rule about a probe is told by: the probe, and the region where each tells by itself.
pub(super) fn by_probe(service: &Service) -> &'static str {
    if each_tells(service) { "probe, region" } else { "probe" }
}

/// A probe in the words of a rule that is told so.
pub(super) fn named(service: &Service) -> &'static str {
    if each_tells(service) { "{{ $labels.probe }} in {{ $labels.region }}" } else { "{{ $labels.probe }}" }
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

/// How many canaries of it a rule is about: those of all regions that are known, or of one where each tells by itself.
pub(super) fn canaries(service: &Service, probe: &Probe) -> u32 {
    let plan = &service.plan;
    let here = plan.canaries.iter().filter(|canary| canary.probe.name == probe.name).count();
    let regions = plan.regions.len().max(1);
    let known = if each_tells(service) { regions } else { plan.known_regions.len().max(regions) };
    u32::try_from(here * known / regions).unwrap_or(u32::MAX).max(1)
}
