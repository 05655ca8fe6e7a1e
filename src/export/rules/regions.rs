//! Critical where regions share no store: each process knows its own region only, and Prometheus knows all of them.
//!
//! As in the service itself, a region counts while it fails by its own rule, or, with failures in a row, while a canary's last counted
//! run failed within the window; and some region must be at page level. A service that probes all of its regions by itself knows
//! better, and has no such rule.

use crate::plan::{CriticalRule, PageRule, Probe, Service, Severity};

use super::super::text::{duration, quoted};
use super::selector::{rises, runs};
use super::{Group, KEEP, Rule, annotations, labels};

pub(super) fn group(service: &Service) -> Group {
    let alone = service.alerting.origin.is_some();
    let probes = service.plan.probes.iter().filter(|probe| alone && probe.alert.page);
    Group {
        name: "serinus-regions",
        about: "Regions whose processes share no store: what is critical no process of them can know.",
        rules: probes.filter_map(|probe| Some(rule(service, probe, probe.alert.critical?))).collect(),
    }
}

fn rule(service: &Service, probe: &Probe, critical: CriticalRule) -> Rule {
    let name = quoted(&probe.name);
    let pages = format!(
        "max by (probe, region) (serinus_incident{{kind=\"probe\",probe={name},severity=~\"page|critical\",region!=\"\"}})"
    );
    let regions = match probe.alert.rule {
        PageRule::Consecutive(_) => {
            let failed = rises("probe, region", &runs(probe, "failed"), critical.within);
            let last = format!("max by (probe, region) (serinus_consecutive_failures{{probe={name}}}) > 0");
            format!("  {pages}\n  or (\n    {last}\n    and {failed} > 0\n  )")
        }
        PageRule::Window { .. } => format!("  {pages}"),
    };
    let summary = format!("{{{{ $labels.probe }}}} fails in {{{{ $value }}}} regions within {}", duration(critical.within));
    Rule {
        alert: "SerinusProbeFailing",
        expr: format!("count by (probe) (\n{regions}\n) >= {}\nand on (probe) count by (probe) ({pages})", critical.regions),
        lasting: None,
        keep: Some(KEEP),
        severity: Severity::Critical,
        labels: labels(probe).into_iter().chain([("kind", "regions".to_owned())]).collect(),
        annotations: annotations(service, probe, &summary, "Each region pages for itself, and none of them knows of the others."),
    }
}
