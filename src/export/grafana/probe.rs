//! One probe: how it stands, its canaries, durations, steps and what it promises.

use super::panel::{Unit, curves, heading, heat, number, query, states};
use super::{Has, Panel};

const HEALTH: [(&str, &str, &str); 2] = [("0", "failed", "red"), ("1", "passed", "green")];
const SEVERITIES: [(&str, &str, &str); 4] =
    [("0", "well", "green"), ("1", "warn", "yellow"), ("2", "page", "orange"), ("3", "critical", "red")];

/// The probe that is chosen, in the regions that are.
const HERE: &str = "probe=\"$probe\",region=~\"$region\"";

pub(super) fn panels(has: &Has) -> Vec<Panel> {
    let mut panels = now(has);
    panels.extend(durations(has));
    panels.extend(promises(has));
    panels
}

fn counted(verdict: &str, over: &str) -> String {
    format!("increase(serinus_runs_total{{{HERE},verdict{verdict}}}[{over}])")
}

fn linked(panel: Panel, has: &Has) -> Panel {
    match &has.pages {
        Some(pages) => panel.linked("in Serinus", &format!("{pages}/probes/${{probe}}")),
        None => panel,
    }
}

fn now(has: &Has) -> Vec<Panel> {
    let share = |over: &str| format!("sum({}) / sum({})", counted("=\"passed\"", over), counted("=~\"passed|failed\"", over));
    vec![
        linked(
            number("It stands", "", Unit::Count, query("max(serinus_probe_severity{probe=\"$probe\"})", ""))
                .with_words(&SEVERITIES),
            has,
        ),
        number("Passed in an hour", "Of the runs that passed or failed.", Unit::Share, query(share("1h"), "")).good_from(0.99),
        number("Passed in a day", "Of the runs that passed or failed.", Unit::Share, query(share("1d"), "")).good_from(0.99),
        number("Failed runs in a day", "", Unit::Count, query(format!("sum({})", counted("=\"failed\"", "1d")), "")),
        number(
            "Most failed runs in a row",
            "Of a canary.",
            Unit::Count,
            query(format!("max(serinus_consecutive_failures{{{HERE}}})"), ""),
        )
        .bad_from(2.0),
        number(
            "Left behind",
            "Things that cleanups could not delete.",
            Unit::Count,
            query(format!("sum(serinus_cleanup_leaked{{{HERE}}})"), ""),
        )
        .bad_from(1.0),
        linked(
            states(
                "Canaries",
                "Whether the last counted run passed.",
                vec![query(format!("serinus_canary_healthy{{{HERE}}}"), has.canary_legend())],
            )
            .with_words(&HEALTH),
            has,
        )
        .sized(24, 10),
        curves(
            "Runs, by verdict",
            "",
            Unit::Count,
            vec![query(format!("sum by (verdict) ({})", counted("=~\".+\"", "$__rate_interval")), "{{verdict}}")],
        ),
        curves(
            "Why they did not pass",
            "By reason.",
            Unit::Count,
            vec![query(
                format!("sum by (verdict, reason) (increase(serinus_failures_total{{{HERE}}}[$__rate_interval]))"),
                "{{verdict}} {{reason}}",
            )],
        ),
    ]
}

fn quantile(share: &str, by: &str, name: &str) -> String {
    format!("histogram_quantile({share}, sum by ({by}le) (rate({name}_bucket{{{HERE}}}[$__rate_interval])))")
}

fn durations(has: &Has) -> Vec<Panel> {
    let run = "serinus_run_duration_seconds";
    let of_run = |share: &str, legend: &str| query(quantile(share, "", run), legend).with_exemplars();
    let mut panels = vec![
        heading("How long it takes"),
        curves(
            "Runs",
            "Estimates within a bucket; the dots are runs, with links to their traces.",
            Unit::Seconds,
            vec![of_run("0.5", "p50"), of_run("0.95", "p95"), of_run("0.99", "p99")],
        ),
        heat(
            "Runs, spread",
            "How many took how long; the dots are runs, with links to their traces.",
            Unit::Seconds,
            query(format!("sum by (le) (increase({run}_bucket{{{HERE}}}[$__rate_interval]))"), "{{le}}").with_exemplars(),
        ),
        curves(
            "Steps",
            "The 95th percentile, with all attempts and pauses.",
            Unit::Seconds,
            vec![query(quantile("0.95", "step, ", "serinus_step_duration_seconds"), "{{step}}")],
        ),
        curves(
            "Parts of an attempt",
            "The mean of each; a reused connection has no dns, connect or tls.",
            Unit::Seconds,
            vec![query(
                format!(
                    "sum by (phase) (rate(serinus_http_phase_seconds_sum{{{HERE}}}[$__rate_interval])) / sum by (phase) (rate(serinus_http_phase_seconds_count{{{HERE}}}[$__rate_interval]))"
                ),
                "{{phase}}",
            )],
        ),
    ];
    if has.convergence {
        let name = "serinus_convergence_seconds";
        let mut queries = vec![query(quantile("0.95", "step, ", name), "{{step}}")];
        if has.convergence_bound {
            queries.push(query(
                "max by (step, objective) (serinus_slo_latency_objective_seconds{probe=\"$probe\",of=\"convergence\"})",
                "{{step}}: promised {{objective}}",
            ));
        }
        panels.push(curves(
            "Until it was so",
            "How long `eventually` steps took to hold, the 95th percentile. What never held is above every bucket.",
            Unit::Seconds,
            queries,
        ));
    }
    panels
}

fn promises(has: &Has) -> Vec<Panel> {
    let mut panels = Vec::new();
    if has.success {
        let bad =
            |over: &str| format!("(1 - sum({}) / sum({}))", counted("=\"passed\"", over), counted("=~\"passed|failed\"", over));
        let budget = "scalar(1 - max(serinus_slo_objective{probe=\"$probe\",objective=\"success\"} < 1))";
        panels.push(
            curves(
                "Burn rate",
                "1: the budget of failed runs lasts exactly as long as its window.",
                Unit::Count,
                ["1h", "6h", "1d"].map(|over| query(format!("{} / {budget}", bad(over)), over)).into(),
            )
            .bad_from(1.0),
        );
    }
    if has.warns {
        panels.push(
            curves(
                "Degraded",
                "Share of the passed runs of which a `warn` did not hold.",
                Unit::Share,
                vec![query(
                    format!(
                        "sum by (region) (increase(serinus_degraded_total{{{HERE}}}[1h])) / sum by (region) ({})",
                        counted("=\"passed\"", "1h")
                    ),
                    "{{region}}",
                )],
            )
            .whole(),
        );
    }
    if !panels.is_empty() {
        panels.insert(0, heading("What it promises"));
    }
    panels
}
