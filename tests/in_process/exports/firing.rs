//! When the exported rules fire, and that they are silent on what chance brings: promtool evaluates them over made up series.

use serde_json::{Value, json};
use serinus::export::prometheus_rules;

use super::scraped::Fleet;
use super::{said, service, with};

/// Alerts that fire at a minute, as `NAME SEVERITY PROBE-OR-REGION-OR-CHANNEL`; all of them.
type Fires<'a> = (u64, &'a [&'a str]);

/// What fires, without what differs within a rule.
const ASKED: &str = r#"group by (alertname, severity, about) (
  label_replace(ALERTS{alertstate="firing",probe!=""}, "about", "$1", "probe", "(.+)")
  or label_replace(ALERTS{alertstate="firing",probe=""}, "about", "$1", "region", "(.+)")
)"#;

fn sample(fires: &str) -> Value {
    let mut words = fires.split(' ');
    let (alert, severity) = (words.next().unwrap(), words.next().unwrap());
    let about = words.next().map(|about| format!("about=\"{about}\",")).unwrap_or_default();
    json!({ "labels": format!("{{{about}alertname=\"{alert}\",severity=\"{severity}\"}}"), "value": 1 })
}

/// Has promtool make a test of each.
fn try_all(cases: &[(&str, Fleet<'_>, &[Fires<'_>])]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tests = Vec::new();
    for (name, fleet, fires) in cases {
        std::fs::write(folder.path().join("rules.yml"), prometheus_rules(fleet.service)).expect("it is written");
        let asked = fires.iter().map(|(minute, fires)| {
            json!({ "expr": ASKED, "eval_time": format!("{minute}m"), "exp_samples": fires.iter().map(|each| sample(each)).collect::<Value>() })
        });
        tests.push(json!({ "name": name, "interval": "1m", "input_series": fleet.input(), "promql_expr_test": asked.collect::<Value>() }));
    }
    let all = json!({ "rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests });
    std::fs::write(folder.path().join("tests.yml"), all.to_string()).expect("it is written");
    said(folder.path(), "promtool", &["test", "rules", "tests.yml"]);
}

/// Nothing at any of these minutes.
fn never(minutes: std::ops::Range<u64>) -> Vec<Fires<'static>> {
    minutes.map(|minute| (minute, &[][..])).collect()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules_whatever_a_probe_calls_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    for service in [service(), with("regions = [\"eu\", \"us\"]\n", "")] {
        std::fs::write(folder.path().join("rules.yml"), prometheus_rules(&service)).expect("it is written");
        said(folder.path(), "promtool", &["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"]);
    }
}

#[test]
fn nothing_fires_on_what_chance_brings() {
    let service = service();
    let chance = |probe: &str, region: &str, _: u64, number: u64| match (probe, region) {
        // One run in twenty, as is promised; in both regions at once, and never two in a row.
        ("playlist-sync" | "premium-registration" | "segment-copy", _) if number.is_multiple_of(20) => "failed",
        ("search", "eu") if number.is_multiple_of(30) => "failed",
        _ => "passed",
    };
    let fleet = || Fleet::well(&service, 90);
    try_all(&[
        ("all is well", fleet(), &never(0..90)),
        ("a run fails now and then", Fleet { verdict: chance, ..fleet() }, &never(0..90)),
        (
            "and processes restart, one of them thrice",
            Fleet { verdict: chance, restarts: |region, minute| minute == 40 || region == "us" && minute % 7 == 0, ..fleet() },
            &never(0..90),
        ),
        (
            "and scrapes fail, for four minutes at once",
            Fleet {
                verdict: chance,
                scraped: |region, minute| !(region == "eu" && (30..34).contains(&minute) || minute % 13 == 0),
                ..fleet()
            },
            &never(0..90),
        ),
        (
            "the prober's own errors are nobody's failure as long as some runs count",
            Fleet {
                verdict: |_, _, minute, number| {
                    if minute % 9 == 0 {
                        "errored"
                    } else if number == 7 {
                        "failed"
                    } else {
                        "passed"
                    }
                },
                ..fleet()
            },
            &never(0..90),
        ),
        (
            "nobody is missed under maintenance",
            Fleet { verdict: |_, _, minute, _| if minute > 20 { "skipped" } else { "passed" }, ..fleet() },
            &never(0..90),
        ),
    ]);
}

#[test]
fn an_outage_is_told_by_the_counters_alone_also_across_a_restart_and_a_lost_scrape() {
    let service = service();
    let outage = |probe: &str, region: &str, minute: u64, _: u64| {
        if probe == "premium-registration" && region == "eu" && (30..50).contains(&minute) { "failed" } else { "passed" }
    };
    let fails: &[&str] = &["SerinusRunsFailing page premium-registration"];
    let fires: &[Fires<'_>] = &[(29, &[]), (33, &[]), (38, fails), (45, fails), (60, &[])];
    let fleet = || Fleet { verdict: outage, ..Fleet::well(&service, 70) };
    try_all(&[
        ("an outage of one region", fleet(), fires),
        ("a restart before it", Fleet { restarts: |_, minute| minute == 29, ..fleet() }, fires),
        ("two lost scrapes in it", Fleet { scraped: |_, minute| ![34, 36].contains(&minute), ..fleet() }, fires),
        (
            "it fails for everybody, which burns the budget that there is",
            Fleet {
                verdict: |probe, _, minute, _| if probe == "playlist-sync" && minute >= 30 { "failed" } else { "passed" },
                ..fleet()
            },
            &[
                (29, &[]),
                (31, &[]),
                (
                    40,
                    &[
                        "SerinusRunsFailing page playlist-sync",
                        "SerinusBudgetBurning page playlist-sync",
                        "SerinusBudgetBurning warn playlist-sync",
                    ],
                ),
            ],
        ),
        (
            "two of five runs fail, which no canary's own rule may see",
            Fleet {
                verdict: |probe, _, minute, number| {
                    if probe == "playlist-sync" && minute >= 30 && number % 5 < 2 { "failed" } else { "passed" }
                },
                ..fleet()
            },
            &[(29, &[]), (60, &["SerinusBudgetBurning warn playlist-sync"])],
        ),
    ]);
}

#[test]
fn what_serinus_tells_of_is_told_once_and_not_again_when_it_is_over() {
    let service = service();
    let page = "serinus_incident{instance=\"REGION:9464\",kind=\"probe\",scope=\"probe/search\",probe=\"search\",region=\"REGION\",severity=\"page\"}";
    let subject = "serinus_incident{instance=\"REGION:9464\",kind=\"subject\",scope=\"subject/segment-copy/s\",probe=\"segment-copy\",region=\"REGION\",severity=\"warn\"}";
    let blind = "serinus_incident{instance=\"eu:9464\",kind=\"blind\",scope=\"blind/us\",region=\"us\",severity=\"page\"}";
    let warned = "serinus_incident{instance=\"REGION:9464\",kind=\"probe\",scope=\"probe/staging\",probe=\"staging\",region=\"REGION\",severity=\"warn\"}";
    let told: fn(u64) -> Option<f64> = |minute| (32..52).contains(&minute).then_some(1.0);
    let outage = |probe: &str, _: &str, minute: u64, _: u64| {
        if ["search", "basket", "wishes"].contains(&probe) && (30..50).contains(&minute) { "failed" } else { "passed" }
    };
    let minutes = |fires: &'static [&'static str]| (32..54).map(move |minute| (minute, fires));
    let after = |until: u64| (54..until).map(|minute| (minute, &[][..]));
    let only =
        |fires: &'static [&'static str]| never(0..32).into_iter().chain(minutes(fires)).chain(after(90)).collect::<Vec<_>>();
    try_all(&[
        (
            "a probe with an objective, and another that needs it",
            Fleet { verdict: outage, more: &[(page, told)], ..Fleet::well(&service, 90) },
            &only(&["SerinusProbeFailing warn search", "SerinusProbeFailing page search", "SerinusProbeFailing critical search"]),
        ),
        (
            "one that pages nobody, and another that needs it",
            Fleet {
                verdict: |probe, _, minute, _| {
                    if ["staging", "trial"].contains(&probe) && (26..50).contains(&minute) { "failed" } else { "passed" }
                },
                more: &[(warned, told)],
                ..Fleet::well(&service, 90)
            },
            &only(&["SerinusProbeFailing warn staging"]),
        ),
        (
            "runs in which only a subject fails, and which are counted as failed",
            Fleet {
                verdict: |probe, _, minute, _| {
                    if probe == "segment-copy" && (30..50).contains(&minute) { "failed" } else { "passed" }
                },
                more: &[(subject, told)],
                ..Fleet::well(&service, 90)
            },
            &only(&["SerinusSubjectFailing warn segment-copy"]),
        ),
        (
            "a region that is blind",
            Fleet {
                verdict: |_, region, minute, _| {
                    if region == "us" && (28..50).contains(&minute) { "missed" } else { "passed" }
                },
                more: &[(blind, told)],
                ..Fleet::well(&service, 90)
            },
            &only(&["SerinusRegionBlind warn us", "SerinusRegionBlind page us"]),
        ),
        (
            "a region whose own process tells nothing, beside one that does",
            Fleet { verdict: outage, more: &[(page.replace("REGION", "eu").leak(), told)], ..Fleet::well(&service, 45) },
            &[(
                44,
                &[
                    "SerinusProbeFailing warn search",
                    "SerinusProbeFailing page search",
                    "SerinusRunsFailing page search",
                    "SerinusRunsFailing page basket",
                    "SerinusBudgetBurning page search",
                    "SerinusBudgetBurning warn search",
                ],
            )],
        ),
    ]);
}

#[test]
fn a_probe_with_more_runs_than_there_are_scrapes_fails_by_its_own_rule() {
    let service = service();
    let outage = |probe: &str, _: &str, minute: u64, _: u64| if probe == "basket" && minute >= 30 { "failed" } else { "passed" };
    let fails: &[&str] = &["SerinusRunsFailing page basket"];
    let fires: &[Fires<'_>] = &[(29, &[]), (33, &[]), (37, fails), (45, fails)];
    let fleet = || Fleet { verdict: outage, ..Fleet::well(&service, 50) };
    try_all(&[
        ("an outage", fleet(), fires),
        (
            "as one that passes each minute, it is no outage",
            Fleet {
                verdict: |probe, _, minute, number| {
                    if probe == "basket" && minute >= 30 && number % 12 > 1 { "failed" } else { "passed" }
                },
                ..fleet()
            },
            &never(0..50),
        ),
        (
            "a process that starts anew all the time makes nothing up",
            Fleet { verdict: |_, _, _, _| "passed", restarts: |_, minute| minute % 7 == 0, ..fleet() },
            &never(0..50),
        ),
    ]);
}

#[test]
fn regions_that_share_no_store_are_critical_together_and_not_alone() {
    let service = service();
    let both = |probe: &str, _: &str, minute: u64, _: u64| {
        if probe == "premium-registration" && minute >= 30 { "failed" } else { "passed" }
    };
    let failures = "serinus_consecutive_failures{instance=\"REGION:9464\",probe=\"premium-registration\",region=\"REGION\",platform=\"ios\"}";
    let pages = "serinus_incident{instance=\"eu:9464\",kind=\"probe\",scope=\"probe/premium-registration\",probe=\"premium-registration\",region=\"eu\",severity=\"page\"}";
    let streak: fn(u64) -> Option<f64> = |minute| Some(if minute >= 33 { 3.0 } else { 0.0 });
    let incident: fn(u64) -> Option<f64> = |minute| (minute >= 36).then_some(1.0);
    let told = ["SerinusProbeFailing warn premium-registration", "SerinusProbeFailing page premium-registration"];
    let raw = "SerinusRunsFailing page premium-registration";
    let critical = "SerinusProbeFailing critical premium-registration";
    let alone = |probe: &str, region: &str, minute: u64, _: u64| {
        if probe == "premium-registration" && region == "eu" && minute >= 30 { "failed" } else { "passed" }
    };
    let eu_only =
        "serinus_consecutive_failures{instance=\"eu:9464\",probe=\"premium-registration\",region=\"eu\",platform=\"ios\"}";
    try_all(&[
        (
            "both fail, and one pages",
            Fleet { verdict: both, more: &[(failures, streak), (pages, incident)], ..Fleet::well(&service, 60) },
            &[(29, &[]), (34, &[]), (45, &[told[0], told[1], raw, critical])],
        ),
        (
            "both fail, and neither pages: it may be muted",
            Fleet { verdict: both, more: &[(failures, streak)], ..Fleet::well(&service, 60) },
            &[(45, &[raw])],
        ),
        (
            "one fails, and pages",
            Fleet { verdict: alone, more: &[(eu_only, streak), (pages, incident)], ..Fleet::well(&service, 60) },
            &[(45, &told)],
        ),
    ]);
}

#[test]
fn the_alert_state_is_told_as_it_is_and_a_rise_ends_nothing() {
    let service = service();
    let page = "serinus_incident{instance=\"eu:9464\",kind=\"probe\",scope=\"probe/search\",probe=\"search\",severity=\"page\"}";
    let critical =
        "serinus_incident{instance=\"eu:9464\",kind=\"probe\",scope=\"probe/search\",probe=\"search\",severity=\"critical\"}";
    let subject = "serinus_incident{instance=\"eu:9464\",kind=\"subject\",scope=\"subject/segment-copy/s\",probe=\"segment-copy\",severity=\"warn\"}";
    let blind = "serinus_incident{instance=\"eu:9464\",kind=\"blind\",scope=\"blind/us\",region=\"us\",severity=\"page\"}";
    let owed = "serinus_owed_oldest_timestamp_seconds{instance=\"eu:9464\",channel=\"chat\"}";
    // Another process is owed something anew each minute.
    let owed_anew = "serinus_owed_oldest_timestamp_seconds{instance=\"us:9464\",channel=\"chat\"}";
    let low = ["SerinusProbeFailing warn search", "SerinusProbeFailing page search"];
    let all = ["SerinusProbeFailing warn search", "SerinusProbeFailing page search", "SerinusProbeFailing critical search"];
    try_all(&[(
        "a probe that becomes critical, a subject, a blind region, a channel that takes nothing",
        Fleet {
            more: &[
                (page, |minute| ((10..15).contains(&minute) || (20..25).contains(&minute)).then_some(1.0)),
                (critical, |minute| (15..20).contains(&minute).then_some(1.0)),
                (subject, |minute| (40..45).contains(&minute).then_some(1.0)),
                (blind, |minute| (50..55).contains(&minute).then_some(1.0)),
                (owed, |minute| Some(if (60..70).contains(&minute) { 3_600.0 } else { 0.0 })),
                (owed_anew, |minute| {
                    let now = f64::from(u32::try_from(minute).unwrap()) * 60.0;
                    Some(if (60..70).contains(&minute) { now } else { 0.0 })
                }),
            ],
            ..Fleet::well(&service, 80)
        },
        &[
            (9, &[]),
            (10, &low),
            (15, &all),
            (19, &all),
            (24, &low),
            (35, &[]),
            (40, &["SerinusSubjectFailing warn segment-copy"]),
            (50, &["SerinusRegionBlind page us", "SerinusRegionBlind warn us"]),
            (64, &[]),
            (66, &["SerinusPageNotTaken page"]),
            (70, &[]),
        ],
    )]);
}

#[test]
fn what_is_not_there_is_told_the_prober_a_region_and_the_runs_of_a_probe() {
    let service = service();
    try_all(&[
        (
            "a region comes back after ten minutes, started anew",
            Fleet {
                scraped: |region, minute| region == "us" || !(30..40).contains(&minute),
                restarts: |region, minute| region == "eu" && minute == 39,
                ..Fleet::well(&service, 60)
            },
            &[(34, &[]), (38, &["SerinusRegionAbsent page eu"]), (40, &[]), (42, &[]), (45, &[]), (59, &[])],
        ),
        (
            "one region is gone",
            Fleet { scraped: |region, minute| region == "eu" || minute < 30, ..Fleet::well(&service, 60) },
            &[(30, &[]), (45, &["SerinusRegionAbsent page us"])],
        ),
        (
            "all of it is gone",
            Fleet { scraped: |_, minute| minute < 30, ..Fleet::well(&service, 60) },
            &[(30, &[]), (45, &["SerinusAbsent page", "SerinusRegionAbsent page us", "SerinusRegionAbsent page eu"])],
        ),
        (
            "the process is there and probes nothing",
            Fleet {
                verdict: |_, region, minute, _| if region == "us" && minute >= 30 { "missed" } else { "passed" },
                ..Fleet::well(&service, 80)
            },
            &[(31, &[]), (37, &["SerinusNoRuns page search", "SerinusNoRuns page playlist-sync", "SerinusNoRuns page basket"])],
        ),
    ]);
}

#[test]
fn what_is_degraded_and_what_is_slow_is_told_when_it_is_more_than_chance() {
    let service = service();
    let degraded = "serinus_degraded_total{instance=\"REGION:9464\",probe=\"search\",region=\"REGION\"}";
    let all = "serinus_run_duration_seconds_count{instance=\"REGION:9464\",probe=\"search\",region=\"REGION\"}";
    let within = "serinus_run_duration_seconds_bucket{instance=\"REGION:9464\",probe=\"search\",region=\"REGION\",le=\"2.0\"}";
    let slow: &[&str] = &["SerinusDegradedBudgetBurning warn search", "SerinusTooSlow page search", "SerinusTooSlow warn search"];
    try_all(&[(
        "from the sixtieth minute on all runs are slow and degraded",
        Fleet {
            more: &[
                (degraded, |minute| Some(f64::from(u32::try_from(minute.saturating_sub(60)).unwrap()))),
                (all, |minute| Some(f64::from(u32::try_from(minute).unwrap()))),
                (within, |minute| Some(f64::from(u32::try_from(minute.min(60)).unwrap()))),
            ],
            ..Fleet::well(&service, 120)
        },
        &[(59, &[]), (64, &[]), (95, slow), (110, slow)],
    )]);
}

#[test]
fn an_alert_has_its_probes_owner_and_runbook_and_a_link_to_its_page() {
    let service = service();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yml"), prometheus_rules(&service)).expect("it is written");
    let fleet = Fleet {
        verdict: |probe, _, minute, _| if probe == "search" && minute >= 5 { "failed" } else { "passed" },
        ..Fleet::well(&service, 30)
    };
    let about = "Told by the counts of runs alone, since Serinus tells nothing of it. They know nothing of mutes, nor whether only \
                 subjects failed: look why it does not. What it watches: A search {{ answers }} \"at once\".";
    let alert = |region: &str| {
        json!({
            "exp_labels": { "severity": "page", "probe": "search", "region": region, "owner": "it's \"search\" {{ $labels.x }} \\ 1" },
            "exp_annotations": {
                "summary": format!("1 canaries of search in {region} have failed 2 or more times in a row"),
                "description": about,
                "runbook_url": "https://runbooks.example.com/search?a=1&b={{ c }}",
                "dashboard_url": "https://serinus.example.com/probes/search",
            },
        })
    };
    let test = json!({ "interval": "1m", "input_series": fleet.input(),
        "alert_rule_test": [{ "eval_time": "20m", "alertname": "SerinusRunsFailing", "exp_alerts": [alert("eu"), alert("us")] }] });
    let all = json!({ "rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test] });
    std::fs::write(folder.path().join("tests.yml"), all.to_string()).expect("it is written");
    said(folder.path(), "promtool", &["test", "rules", "tests.yml"]);
}
