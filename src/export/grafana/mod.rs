//! Dashboards for Grafana (10 or newer): all probes at once, and one of them in depth.
//!
//! [`panel`] has the kinds of panels, [`overview`] and [`probe`] say which there are. Queries follow the variables `$probe` and
//! `$region` and leave out what no probe of the plan can have. The JSON is that of Grafana's published schema, which a test holds
//! it against; another one asks a real Prometheus each query.

mod overview;
mod panel;
mod probe;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::plan::{LatencyOf, Plan, Service, Step, journey, warns};

use panel::{Panel, place};

/// The schema's version that Grafana 10 writes; newer ones read it.
const SCHEMA: u32 = 39;

/// Which dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dashboard {
    /// All probes: what fails now, and how the prober itself fares.
    Overview,
    /// One probe: its canaries, durations, steps and objectives.
    Probe,
}

impl Dashboard {
    /// The unique id, by which links find it.
    fn uid(self) -> &'static str {
        match self {
            Self::Overview => "serinus-overview",
            Self::Probe => "serinus-probe",
        }
    }
}

/// A dashboard as JSON.
pub fn grafana_dashboard(service: &Service, dashboard: Dashboard) -> String {
    let has = Has::of(service);
    let (title, panels) = match dashboard {
        Dashboard::Overview => ("Serinus: overview", overview::panels(&has)),
        Dashboard::Probe => ("Serinus: probe", probe::panels(&has)),
    };
    let document = json!({
        "uid": dashboard.uid(),
        "title": title,
        "description": "Made by `serinus export grafana-dashboard`; `--check FILE` says whether it still is what is exported.",
        "tags": ["serinus"],
        "schemaVersion": SCHEMA,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "timezone": "browser",
        "annotations": { "list": [annotation()] },
        "links": links(&has, dashboard),
        "templating": { "list": variables(dashboard) },
        "panels": place(panels),
    });
    format!("{document:#}\n")
}

/// What the probes of a plan have, and so what can be shown.
#[expect(clippy::struct_excessive_bools, reason = "each is a panel that is there or not")]
struct Has {
    /// Where our own pages are, if that is known.
    pages: Option<String>,
    /// Whether something may be degraded.
    warns: bool,
    /// Whether something converges.
    convergence: bool,
    /// Whether somebody promises a share of successes.
    success: bool,
    /// Whether somebody bounds a convergence.
    convergence_bound: bool,
    /// Matrix keys of all probes.
    keys: BTreeSet<String>,
}

impl Has {
    fn of(service: &Service) -> Self {
        let plan: &Plan = &service.plan;
        let slos = || plan.probes.iter().filter_map(|probe| probe.slo.as_ref());
        let converges = |step: &Step| step.eventually.is_some();
        let keys =
            plan.probes.iter().flat_map(|probe| &probe.cells).flat_map(|cell| cell.0.iter().map(|(key, _)| key.to_string()));
        Self {
            pages: service.alerting.public_url.clone(),
            warns: plan.probes.iter().any(|probe| warns(&probe.steps)),
            convergence: plan.probes.iter().any(|probe| journey(&probe.steps).any(converges)),
            success: slos().any(|slo| slo.success.is_some()),
            convergence_bound: slos().filter_map(|slo| slo.latency.as_ref()).any(|latency| latency.of == LatencyOf::Convergence),
            keys: keys.collect(),
        }
    }

    /// The legend that tells canaries apart: keys that a probe has not leave nothing.
    fn canary_legend(&self) -> String {
        let keys = self.keys.iter().map(|key| format!(" {{{{{key}}}}}"));
        format!("{{{{region}}}}{}", keys.collect::<String>())
    }
}

/// The data source that is chosen above.
fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Marks the moments at which incidents began.
fn annotation() -> Value {
    json!({
        "name": "incidents",
        "datasource": source(),
        "enable": true,
        "hide": false,
        "iconColor": "red",
        "target": {
            "refId": "Anno",
            "expr": "max by (scope, severity) (serinus_incident{severity=~\"page|critical\",probe=~\"$probe|\"})",
            "interval": "60s",
        },
        "tagKeys": "severity",
        "titleFormat": "{{scope}}",
    })
}

fn links(has: &Has, dashboard: Dashboard) -> Value {
    let to = |title: &str, kind: &str, url: String| {
        json!({ "title": title, "type": kind, "url": url, "icon": "external link", "tooltip": "", "tags": [], "asDropdown": false,
                "targetBlank": kind == "link" && !url.starts_with("/d/"), "includeVars": url.starts_with("/d/"), "keepTime": url.starts_with("/d/") })
    };
    let other = match dashboard {
        Dashboard::Overview => Dashboard::Probe,
        Dashboard::Probe => Dashboard::Overview,
    };
    let name = if other == Dashboard::Probe { "Probe" } else { "Overview" };
    let mut links = vec![to(name, "link", format!("/d/{}", other.uid()))];
    if let Some(pages) = &has.pages {
        let path = if dashboard == Dashboard::Probe { "/probes/${probe}" } else { "/" };
        links.push(to("Serinus", "link", format!("{pages}{path}")));
    }
    links.into()
}

fn variables(dashboard: Dashboard) -> Value {
    let many = dashboard == Dashboard::Overview;
    let query = |name: &str, query: &str, many: bool| {
        let mut variable = json!({
            "name": name, "label": name, "type": "query", "datasource": source(), "refresh": 2, "sort": 1, "hide": 0,
            "query": { "query": query, "refId": name }, "multi": many, "includeAll": many, "regex": "",
            "skipUrlSync": false,
        });
        if many {
            variable["allValue"] = ".*".into();
            variable["current"] = json!({ "selected": true, "text": ["All"], "value": ["$__all"] });
        }
        variable
    };
    json!([
        { "name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "refresh": 1, "hide": 0,
          "multi": false, "includeAll": false, "regex": "", "skipUrlSync": false },
        query("probe", "label_values(serinus_probe_info, probe)", many),
        query("region", "label_values(serinus_runs_total{probe=~\"$probe\"}, region)", true),
    ])
}
