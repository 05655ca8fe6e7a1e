//! What is not there: the prober, a region, the runs of a probe, somebody who takes a page.

use std::time::Duration;

use crate::plan::{Plan, Probe, Service, Severity};

use super::super::text::{duration, literal, quoted};
use super::selector::{by_probe, longest_interval, rises, runs};
use super::{Group, Rule, SCRAPE, SHORTEST, annotations, labels, wakes};

/// How long something must be gone: a restart and a failed scrape take less.
const GONE: Duration = Duration::from_mins(5);

/// What says so of everything that is about no probe.
fn plain(service: &Service, summary: &str, description: &str) -> Vec<(&'static str, String)> {
    let url = service.alerting.public_url.as_deref().map(|url| ("dashboard_url", literal(url)));
    [("summary", summary.to_owned()), ("description", description.to_owned())].into_iter().chain(url).collect()
}

pub(super) fn group(service: &Service) -> Group {
    let mut rules = vec![prober(service)];
    rules.extend(probed_regions(&service.plan).map(|name| region(service, name)));
    rules.extend(service.plan.probes.iter().map(|probe| silent(service, probe)));
    rules.push(untold(service));
    rules.push(refused(service));
    Group { name: "serinus-absent", about: "What is not there.", rules }
}

/// Regions that some probe runs in, and so have series.
fn probed_regions(plan: &Plan) -> impl Iterator<Item = &str> {
    let probed = |name: &str| {
        plan.canaries.iter().any(|canary| *canary.region.name == *name)
            || plan.probes.iter().any(|probe| probe.elsewhere.iter().any(|region| **region == *name))
    };
    plan.known_regions.iter().map(|name| &**name).filter(move |name| probed(name))
}

fn prober(service: &Service) -> Rule {
    Rule {
        alert: "SerinusAbsent",
        expr: "absent(serinus_build_info)".to_owned(),
        lasting: Some(GONE),
        keep: None,
        severity: Severity::Page,
        labels: Vec::new(),
        annotations: plain(service, "no Serinus is scraped", "Nothing is probed, or Prometheus does not reach what probes."),
    }
}

fn region(service: &Service, name: &str) -> Rule {
    Rule {
        alert: "SerinusRegionAbsent",
        expr: format!("absent(serinus_runs_total{{region={}}})", quoted(name)),
        lasting: Some(GONE),
        keep: None,
        severity: Severity::Page,
        labels: vec![("region", literal(name))],
        annotations: plain(
            service,
            "nobody probes from {{ $labels.region }}",
            "The configuration names this region, and no process has series of it.",
        ),
    }
}

/// No counted run in the time of three ticks, and none that was skipped on purpose, of a process that was there before, still is, and
/// did not start meanwhile. The service tells of the same by itself.
fn silent(service: &Service, probe: &Probe) -> Rule {
    let alerting = &service.alerting;
    let least = longest_interval(probe) * alerting.blind.intervals + probe.deadline + SCRAPE * 2;
    let over = least.max(alerting.blind.at_least);
    let (by, passed, window) = ("probe, region", runs(probe, "passed"), duration(over));
    let expr = format!(
        "{} == 0\nunless on ({by}) {} > 0\nunless on ({by}) sum by ({by}) (resets({passed}[{window}])) > 0\n\
         and on ({by}) sum by ({by}) ({passed} offset {window})\nand on ({by}) sum by ({by}) ({passed})\n\
         unless on ({}) max_over_time(serinus_incident{{kind=\"no-data\",probe={}}}[{kept}])\n\
         unless on (region) max_over_time(serinus_incident{{kind=\"blind\"}}[{kept}])",
        rises(by, &runs(probe, "passed|failed"), over),
        rises(by, &runs(probe, "skipped"), over),
        by_probe(service),
        quoted(&probe.name),
        kept = duration(SHORTEST),
    );
    let summary = format!("no run of {{{{ $labels.probe }}}} in {{{{ $labels.region }}}} has passed or failed for {window}");
    let severity = if alerting.blind.page { wakes(probe) } else { Severity::Warn };
    Rule {
        alert: "SerinusNoRuns",
        expr,
        lasting: None,
        keep: None,
        severity,
        labels: labels(probe),
        annotations: annotations(service, probe, &summary, "It is not known whether it works."),
    }
}

fn untold(service: &Service) -> Rule {
    Rule {
        alert: "SerinusPageNotTaken",
        expr: "time() - min by (channel) (serinus_owed_oldest_timestamp_seconds > 0) > 300".to_owned(),
        lasting: None,
        keep: None,
        severity: Severity::Page,
        labels: Vec::new(),
        annotations: plain(
            service,
            "{{ $labels.channel }} has not taken what it is owed for five minutes",
            "Somebody ought to know of an incident and was not told by this channel.",
        ),
    }
}

fn refused(service: &Service) -> Rule {
    Rule {
        alert: "SerinusReloadFailed",
        expr: "serinus_config_last_reload_successful == 0".to_owned(),
        lasting: Some(GONE),
        keep: None,
        severity: Severity::Warn,
        labels: Vec::new(),
        annotations: plain(
            service,
            "{{ $labels.instance }} refused its configuration",
            "The one before is in force. `serinus check` says what is wrong.",
        ),
    }
}
