//! Alerts on the alert state that the service exports. They say what its pages say: K of N, subjects, mutes, `needs` and missing
//! data included.
//!
//! Each level has its own rule that also holds while it is worse, so that nobody hears of an end because a page became critical. The
//! less severe one is inhibited by the exported routes of Alertmanager. They know of a probe that was added without being made anew.

use crate::plan::{Service, Severity};

use super::super::text::literal;
use super::{Group, KEEP, Rule};

/// Kinds of scopes, with the name of their alert (that of the service's own channel for Alertmanager) and what happens.
const KINDS: [(&str, &str, &str); 8] = [
    ("probe", "SerinusProbeFailing", "{{ $labels.probe }} fails"),
    ("subject", "SerinusSubjectFailing", "{{ $labels.scope }} fails"),
    ("subjects", "SerinusSubjectsFailing", "many subjects of {{ $labels.probe }} fail"),
    ("no-data", "SerinusNoData", "{{ $labels.probe }} is without data"),
    ("blind", "SerinusRegionBlind", "{{ $labels.region }} is not probed"),
    ("leak", "SerinusTestDataLeaked", "test data of {{ $labels.probe }} cannot be removed"),
    ("restarts", "SerinusRestarting", "the prober starts again and again ({{ $labels.scope }})"),
    ("channel", "SerinusChannelBroken", "nobody takes what Serinus says ({{ $labels.scope }})"),
];

pub(super) fn group(service: &Service) -> Group {
    let rules = KINDS.into_iter().flat_map(|kind| levels(kind.0).iter().map(move |level| rule(service, kind, *level))).collect();
    Group {
        name: "serinus-incidents",
        about: "What Serinus itself pages for, in its own words. Leave this group out if it tells Alertmanager by itself\n\
                (`[notify.alertmanager]`) and the routes are not the exported ones, which inhibit it.",
        rules,
    }
}

/// The severities that an incident of a kind can have.
fn levels(kind: &str) -> &'static [Severity] {
    match kind {
        "probe" | "subject" | "subjects" => &Severity::ALL,
        "leak" => &[Severity::Warn],
        _ => &[Severity::Warn, Severity::Page],
    }
}

fn rule(service: &Service, (kind, alert, summary): (&str, &'static str, &str), level: Severity) -> Rule {
    let at_least: Vec<&str> = Severity::ALL.into_iter().filter(|severity| *severity >= level).map(Severity::as_str).collect();
    let incident = format!("serinus_incident{{kind=\"{kind}\",severity=~\"{}\"}}", at_least.join("|"));
    let of_probe = matches!(kind, "probe" | "subject" | "subjects" | "no-data" | "leak");
    let url = service.alerting.public_url.as_deref().map(literal);
    let mut annotations = vec![("summary", summary.to_owned())];
    let expr = if of_probe {
        annotations.push(("runbook_url", "{{ $labels.runbook }}".to_owned()));
        annotations.extend(url.map(|url| ("dashboard_url", format!("{url}/probes/{{{{ $labels.probe }}}}"))));
        format!(
            "max by (kind, scope, probe, region) ({incident})\n* on (probe) group_left (owner, runbook)\nmax by (probe, owner, runbook) (topk by (probe) (1, serinus_probe_info))"
        )
    } else {
        annotations.extend(url.map(|url| ("dashboard_url", format!("{url}/incidents"))));
        format!("max by (kind, scope, region) ({incident})")
    };
    Rule { alert, expr, lasting: None, keep: Some(KEEP), severity: level, labels: Vec::new(), annotations }
}
