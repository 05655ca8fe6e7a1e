//! Rules for Prometheus (2.42 or newer), by what they rest on.
//!
//! | group | rests on |
//! |---|---|
//! | [`state`] | the alert state that the service exports: they say what its pages say |
//! | [`counters`] | counts of runs alone, one rule a probe: they ring where the service's own alerting does not |
//! | [`objective`] | the same counts against what `[slo]` promises |
//! | [`regions`] | several processes that share no store |
//! | [`absent`] | what is not there: the prober, a region, a probe's runs, an answer of a channel |
//!
//! A new rule is a [`Rule`] in one of these; its name is a row in `config/README.md`, and a test with promtool says when it fires
//! and when it does not.

mod absent;
mod counters;
mod objective;
mod regions;
mod selector;
mod state;

use std::time::Duration;

use crate::plan::{Probe, Runbook, Service, Severity};

use super::text::{duration, literal, quoted};

/// The longest pause between two scrapes for which the windows are long enough: Prometheus's own default.
const SCRAPE: Duration = Duration::from_mins(1);

/// The shortest window that a rate is taken over: some scrapes, one or two of which may fail.
const SHORTEST: Duration = Duration::from_mins(5);

/// How long an alert outlives a scrape that failed or a restart of the prober.
const KEEP: Duration = Duration::from_mins(2);

const HEAD: &str = "\
# Alert rules for Prometheus 2.42 or newer, made by `serinus export prometheus-rules` from the probes that run. Do not edit: make it
# anew when probes change, and let `serinus export prometheus-rules --check FILE` say whether it still is what they are.
# Prometheus must scrape each minute or more often. config/README.md says what each alert means.
groups:
";

/// An alert.
#[derive(Debug)]
struct Rule {
    alert: &'static str,
    /// In `PromQL`; several lines are allowed.
    expr: String,
    /// How long it must hold before it fires.
    lasting: Option<Duration>,
    /// How long it goes on firing when it no longer holds.
    keep: Option<Duration>,
    severity: Severity,
    /// Labels besides the severity. Values are templates.
    labels: Vec<(&'static str, String)>,
    /// Values are templates.
    annotations: Vec<(&'static str, String)>,
}

impl Rule {
    fn write(&self, out: &mut String) {
        out.extend([format!("      - alert: {}\n        expr: |\n", self.alert)]);
        for line in self.expr.lines() {
            out.extend([format!("          {line}\n")]);
        }
        for (key, time) in [("for", self.lasting), ("keep_firing_for", self.keep)] {
            if let Some(time) = time {
                out.extend([format!("        {key}: {}\n", duration(time))]);
            }
        }
        out.extend([format!("        labels:\n          severity: {}\n", self.severity)]);
        for (name, value) in &self.labels {
            out.extend([format!("          {name}: {}\n", quoted(value))]);
        }
        out.push_str("        annotations:\n");
        for (name, value) in &self.annotations {
            out.extend([format!("          {name}: {}\n", quoted(value))]);
        }
    }
}

/// Rules that are evaluated together.
struct Group {
    name: &'static str,
    /// What they rest on, in lines.
    about: &'static str,
    rules: Vec<Rule>,
}

/// The rules as YAML.
pub fn prometheus_rules(service: &Service) -> String {
    let mut text = HEAD.to_owned();
    for group in [
        state::group(service),
        counters::group(service),
        objective::group(service),
        regions::group(service),
        absent::group(service),
    ] {
        if group.rules.is_empty() {
            continue;
        }
        for line in group.about.lines() {
            text.extend([format!("  # {line}\n")]);
        }
        text.extend([format!("  - name: {}\n    rules:\n", group.name)]);
        for rule in &group.rules {
            rule.write(&mut text);
        }
    }
    text
}

/// The labels of every alert about a probe.
fn labels(probe: &Probe) -> Vec<(&'static str, String)> {
    let owner = probe.owner.as_deref().map(|owner| ("owner", literal(owner)));
    [("probe", literal(&probe.name))].into_iter().chain(owner).collect()
}

/// The annotations of an alert about a probe: what happens, what it means, and where to look.
fn annotations(service: &Service, probe: &Probe, summary: &str, description: &str) -> Vec<(&'static str, String)> {
    let promise =
        probe.summary.as_deref().map(|summary| format!(" What it watches: {}.", literal(summary.trim_end_matches('.'))));
    let description = format!("{description}{}", promise.unwrap_or_default());
    let runbook = probe.runbook.as_ref().and_then(Runbook::url).map(|url| ("runbook_url", literal(url)));
    let page =
        service.alerting.public_url.as_deref().map(|url| ("dashboard_url", literal(&format!("{url}/probes/{}", probe.name))));
    [("summary", summary.to_owned()), ("description", description)].into_iter().chain(runbook).chain(page).collect()
}

/// The severity of an alert that would wake somebody: less for a probe that pages nobody.
fn wakes(probe: &Probe) -> Severity {
    if probe.alert.page { Severity::Page } else { Severity::Warn }
}
