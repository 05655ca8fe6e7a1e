//! All probes: what fails now, how it went, and how the prober itself fares.

use super::panel::{Unit, curves, heading, number, query, states, table};
use super::{Dashboard, Has, Panel};

const SEVERITIES: [(&str, &str, &str); 4] =
    [("0", "well", "green"), ("1", "warn", "yellow"), ("2", "page", "orange"), ("3", "critical", "red")];

pub(super) fn panels(has: &Has) -> Vec<Panel> {
    let mut panels = now(has);
    panels.extend(course(has));
    panels.extend(prober());
    panels
}

/// A link to our page of a probe, from a series with its label, if it is known where that is.
fn to_probe(panel: Panel, has: &Has) -> Panel {
    let panel = panel.linked("its dashboard", &format!("/d/{}?var-probe=${{__field.labels.probe}}", Dashboard::Probe.uid()));
    match &has.pages {
        Some(pages) => panel.linked("in Serinus", &format!("{pages}/probes/${{__field.labels.probe}}")),
        None => panel,
    }
}

fn now(has: &Has) -> Vec<Panel> {
    let incidents = "max by (kind, scope, probe, region, severity) (serinus_incident{probe=~\"$probe|\"})";
    let open = table("Open incidents", "What Serinus tells somebody of.", query(incidents, ""), &["Time", "Value"]).sized(12, 8);
    let open = match &has.pages {
        Some(pages) => open.linked("in Serinus", &format!("{pages}/incidents")),
        None => open,
    };
    vec![
        number(
            "Probes that page",
            "At page level or critical, neither muted nor explained.",
            Unit::Count,
            query("sum(max by (probe) (serinus_probe_severity{probe=~\"$probe\"}) >= bool 2)", ""),
        )
        .bad_from(1.0),
        number(
            "Canaries that failed last",
            "Whose last counted run failed.",
            Unit::Count,
            query("sum(serinus_canary_healthy{probe=~\"$probe\",region=~\"$region\"} == bool 0)", ""),
        )
        .bad_from(1.0),
        number(
            "Passed in an hour",
            "Of the runs that passed or failed.",
            Unit::Share,
            query(
                "sum(increase(serinus_runs_total{probe=~\"$probe\",region=~\"$region\",verdict=\"passed\"}[1h])) / sum(increase(serinus_runs_total{probe=~\"$probe\",region=~\"$region\",verdict=~\"passed|failed\"}[1h]))",
                "",
            ),
        )
        .good_from(0.99),
        open,
        to_probe(
            states(
                "How each probe stands",
                "The worst of its incidents that is neither muted nor explained.",
                vec![query("max by (probe) (serinus_probe_severity{probe=~\"$probe\"})", "{{probe}}")],
            )
            .with_words(&SEVERITIES),
            has,
        )
        .sized(24, 8),
    ]
}

fn course(has: &Has) -> Vec<Panel> {
    let runs = |verdict: &str| {
        format!("rate(serinus_runs_total{{probe=~\"$probe\",region=~\"$region\",verdict{verdict}}}[$__rate_interval])")
    };
    let mut panels = vec![
        heading("How it went"),
        to_probe(
            curves(
                "Passed, by probe",
                "Share of the runs that passed or failed.",
                Unit::Share,
                vec![query(
                    format!("sum by (probe) ({}) / sum by (probe) ({})", runs("=\"passed\""), runs("=~\"passed|failed\"")),
                    "{{probe}}",
                )],
            )
            .whole(),
            has,
        ),
        curves(
            "Passed, by region",
            "Share of the runs that passed or failed.",
            Unit::Share,
            vec![query(
                format!("sum by (region) ({}) / sum by (region) ({})", runs("=\"passed\""), runs("=~\"passed|failed\"")),
                "{{region}}",
            )],
        )
        .whole(),
        curves("Runs, by verdict", "", Unit::PerSecond, vec![query(format!("sum by (verdict) ({})", runs("=~\".+\"")), "{{verdict}}")]),
        curves(
            "Why they did not pass",
            "By reason.",
            Unit::PerSecond,
            vec![query(
                "sum by (verdict, reason) (rate(serinus_failures_total{probe=~\"$probe\",region=~\"$region\"}[$__rate_interval]))",
                "{{verdict}} {{reason}}",
            )],
        ),
        to_probe(
            curves(
                "Duration of runs, 95th percentile",
                "An estimate within a bucket; the dots are runs with their traces.",
                Unit::Seconds,
                vec![
                    query(
                        "histogram_quantile(0.95, sum by (probe, le) (rate(serinus_run_duration_seconds_bucket{probe=~\"$probe\",region=~\"$region\"}[$__rate_interval])))",
                        "{{probe}}",
                    )
                    .with_exemplars(),
                ],
            ),
            has,
        ),
    ];
    if has.success {
        panels.push(
            curves(
                "Burn rate over an hour",
                "1: the budget of failed runs lasts exactly as long as its window.",
                Unit::Count,
                vec![query(
                    "(1 - sum by (probe) (rate(serinus_runs_total{probe=~\"$probe\",verdict=\"passed\"}[1h])) / sum by (probe) (rate(serinus_runs_total{probe=~\"$probe\",verdict=~\"passed|failed\"}[1h]))) / on (probe) (1 - max by (probe) (serinus_slo_objective{objective=\"success\",probe=~\"$probe\"} < 1))",
                    "{{probe}}",
                )],
            )
            .bad_from(1.0),
        );
    }
    panels
}

fn prober() -> Vec<Panel> {
    vec![
        heading("The prober"),
        curves(
            "Runs start late by",
            "The 99th percentile.",
            Unit::Seconds,
            vec![query(
                "histogram_quantile(0.99, sum by (le) (rate(serinus_tick_lateness_seconds_bucket[$__rate_interval])))",
                "p99",
            )],
        )
        .sized(8, 7),
        curves(
            "Ticks that did not run",
            "By why; a restart and a muted probe are among them.",
            Unit::PerSecond,
            vec![query("sum by (why) (rate(serinus_ticks_missed_total[$__rate_interval]))", "{{why}}")],
        )
        .sized(8, 7),
        curves(
            "Notifications",
            "Requests to channels, by what came of them.",
            Unit::PerSecond,
            vec![query(
                "sum by (channel, result) (rate(serinus_notifications_total[$__rate_interval]))",
                "{{channel}} {{result}}",
            )],
        )
        .sized(8, 7),
        curves(
            "Not taken yet",
            "Incidents of which a channel is owed something.",
            Unit::Count,
            vec![query("max by (channel) (serinus_owed)", "{{channel}}")],
        )
        .sized(8, 7),
        curves(
            "Processor",
            "Cores in use.",
            Unit::Count,
            vec![query(
                "rate(process_cpu_seconds_total[$__rate_interval]) * on (job, instance) group_left () serinus_build_info",
                "{{instance}}",
            )],
        )
        .sized(8, 7),
        curves(
            "Memory",
            "Resident.",
            Unit::Bytes,
            vec![query("process_resident_memory_bytes * on (job, instance) group_left () serinus_build_info", "{{instance}}")],
        )
        .sized(8, 7),
    ]
}
