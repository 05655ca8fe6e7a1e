//! The rules that `config/README.md` gives to Prometheus say what they are meant to say: promtool, from Debian's package
//! `prometheus`, evaluates them over series that our own metrics wrote, minute by minute.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use serinus::outcome::AlertStateSink as _;
use serinus::plan::{Canary, Plan, Runbook, Severity};
use serinus::telemetry::{Format, Metrics};

use crate::report;

const README: &str = "config/README.md";

/// The rule files in the reference: blocks of YAML that begin with groups.
fn rule_files() -> Vec<String> {
    let text = std::fs::read_to_string(README).unwrap_or_else(|error| panic!("{README}: {error}"));
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with("groups:\n")).map(str::to_owned).collect()
}

/// What follows this key in all rules, such as the names of alerts.
fn named(key: &str) -> Vec<String> {
    let files = rule_files().concat();
    let names = files.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": "));
    names.map(|name| name.split(" #").next().unwrap_or_default().trim().to_owned()).collect()
}

/// Runs promtool, and fails with its words.
fn promtool(arguments: &[&str], directory: &Path) {
    let output = Command::new("promtool").args(arguments).current_dir(directory).output().unwrap_or_else(|error| {
        panic!("`promtool` cannot be started ({error}): install Debian's package `prometheus`");
    });
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {words}");
}

/// A directory with the rules of the reference, and their names in it.
fn with_rules() -> (tempfile::TempDir, Vec<String>) {
    let directory = tempfile::tempdir().expect("a directory");
    let names = rule_files().into_iter().enumerate().map(|(at, rules)| {
        let name = format!("rules{at}.yml");
        std::fs::write(directory.path().join(&name), rules).expect("the rules are written");
        name
    });
    let names = names.collect();
    (directory, names)
}

/// Has promtool make these tests; JSON is YAML.
fn try_rules(tests: &[Value]) {
    let (directory, rules) = with_rules();
    let all = json!({ "rule_files": rules, "evaluation_interval": "1m", "tests": tests });
    std::fs::write(directory.path().join("tests.yml"), all.to_string()).expect("the tests are written");
    promtool(&["test", "rules", "tests.yml"], directory.path());
}

/// What a Prometheus that scrapes each minute knows.
#[derive(Default)]
struct Scraped {
    minutes: usize,
    series: BTreeMap<String, Vec<String>>,
}

impl Scraped {
    /// Scrapes what the rules are about.
    fn scrape(&mut self, metrics: &Metrics) {
        let body = metrics.encode(Format::Prometheus);
        let ours = [
            "serinus_runs_",
            "serinus_degraded_",
            "serinus_conv",
            "serinus_slo_",
            "serinus_probe_",
            "serinus_cons",
            "serinus_cleanup_leaked",
        ];
        for line in body.lines().filter(|line| ours.iter().any(|name| line.starts_with(name))) {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            self.add(series, value);
        }
        self.minutes += 1;
    }

    /// A sample of this minute.
    fn add(&mut self, series: &str, value: &str) {
        let values = self.series.entry(series.to_owned()).or_default();
        values.resize(self.minutes, "_".to_owned());
        values.push(value.to_owned());
    }

    fn input(&self) -> Value {
        self.series.iter().map(|(series, values)| json!({ "series": series, "values": values.join(" ") })).collect()
    }
}

/// `sync`, whose canaries are asked each minute, converge in 1.2 s and promise 95 % and 2 s; they wait for 10 s.
fn world() -> (Plan, Arc<Metrics>) {
    let mut probe = report::probe("sync", vec![report::cell(&[("platform", "ios")]), report::cell(&[("platform", "android")])]);
    probe.owner = Some("music".into());
    probe.runbook = Some(Runbook::Url("https://runbooks.example.com/sync".into()));
    let plan = report::plan(vec![report::warning(probe)], &["eu"]);
    let metrics = Metrics::new(&plan);
    (plan, metrics)
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules_of_the_reference() {
    let (directory, rules) = with_rules();
    let mut arguments = vec!["check", "rules", "--lint=all", "--lint-fatal"];
    arguments.extend(rules.iter().map(String::as_str));
    assert_eq!(rules.len(), 2, "one block with recording rules and one with alerts");
    promtool(&arguments, directory.path());
}

const RECORDED: [&str; 6] = [
    "probe:serinus_success:ratio5m",
    "probe:serinus_success:ratio1h",
    "probe:serinus_burn_rate:1h",
    "probe:serinus_degraded:ratio1h",
    "probe_step:serinus_convergence_seconds:p95_1h",
    "probe_step:serinus_convergence_within_2s:ratio1h",
];

/// How many milliseconds a run takes to converge, by its minute and its canary's place; `None` if it never does. One of three seconds
/// or more is degraded.
type Took = fn(u64, usize) -> Option<u64>;

#[test]
fn each_query_of_an_objective_gives_what_was_counted_by_hand() {
    assert_eq!(named("record"), RECORDED, "each rule has an expected number below");
    // The numbers of the rules in their order; quantiles are estimates within a bucket, and `-` where that says nothing.
    let cases: [(&str, Took, [&str; 6]); 6] = [
        ("all is well", |_, _| Some(1_200), ["1", "1", "0", "0", "1.95", "1"]),
        ("one canary of two is slow", |_, canary| Some([1_200, 4_000][canary]), ["1", "1", "0", "0.5", "4.75", "0.5"]),
        ("one is slow and the other fails", |_, canary| [None, Some(4_000)][canary], ["0.5", "0.5", "10", "1", "10", "0"]),
        ("one canary of two fails", |_, canary| [Some(1_200), None][canary], ["0.5", "0.5", "10", "0", "10", "0.5"]),
        (
            "one run in twenty fails, but not of late",
            |minute, canary| (canary == 0 || minute % 10 != 1).then_some(1_200),
            ["1", "0.95", "1", "0", "-", "0.95"],
        ),
        (
            "all of the last nine minutes fail",
            |minute, _| (minute <= 110).then_some(1_200),
            ["0", "0.85", "3", "0", "10", "0.85"],
        ),
    ];
    let tests: Vec<Value> = cases.into_iter().map(|(case, took, expected)| objective(case, took, expected)).collect();
    try_rules(&tests);
}

fn objective(case: &str, took: Took, expected: [&str; 6]) -> Value {
    let (plan, metrics) = world();
    let begin = SystemTime::now() - Duration::from_hours(3);
    let mut scraped = Scraped::default();
    scraped.scrape(&metrics);
    for minute in 1..=119 {
        for (at, canary) in plan.canaries.iter().enumerate() {
            let due = begin + Duration::from_mins(minute);
            let mut run = match took(minute, at) {
                Some(3_000..) => report::degraded(canary, due),
                Some(_) => report::passed(canary, due),
                None => report::failed(canary, due),
            };
            run.steps[1].convergence = took(minute, at).map(Duration::from_millis);
            metrics.record(&run);
        }
        scraped.scrape(&metrics);
    }
    let samples = RECORDED.into_iter().zip(expected).filter(|(_, value)| *value != "-").map(|(record, value)| {
        let labels = if record.starts_with("probe_step") { r#"{probe="sync",step="read"}"# } else { r#"{probe="sync"}"# };
        // To two places, since a rate is extrapolated to its window.
        let value: f64 = value.parse().expect("a number");
        json!({ "expr": format!("round({record} * 100) / 100"), "eval_time": "119m",
                "exp_samples": [{ "labels": labels, "value": value }] })
    });
    json!({ "name": case, "interval": "1m", "input_series": scraped.input(), "promql_expr_test": samples.collect::<Value>() })
}

/// From this minute on: failures in a row and the severity of the probe.
type Told = (usize, u32, Option<Severity>);

#[test]
fn the_rule_for_failing_probes_pages_where_the_probes_own_does_and_is_silent_elsewhere() {
    // Whether it fires, by minute of ten, and whether a rule on failures in a row would be wrong.
    let cases: [(&str, &[Told], &str, bool); 8] = [
        ("one failed run", &[(3, 1, None), (4, 0, None)], "..........", false),
        ("two in a row", &[(3, 1, None), (4, 2, Some(Severity::Page))], "....######", false),
        (
            "they pass, and are settled later",
            &[(3, 2, Some(Severity::Page)), (5, 0, Some(Severity::Page)), (7, 0, None)],
            "...####...",
            true,
        ),
        ("critical", &[(3, 2, Some(Severity::Page)), (4, 3, Some(Severity::Critical))], "...#######", false),
        ("muted, then not any more", &[(2, 5, None), (6, 9, Some(Severity::Page))], "......####", true),
        ("explained by what it needs", &[(2, 2, None), (4, 8, None)], "..........", true),
        ("it may page nobody", &[(2, 2, Some(Severity::Warn))], "..........", true),
        (
            "four of ten, never two in a row",
            &[(2, 1, None), (3, 0, None), (6, 1, Some(Severity::Page)), (7, 0, Some(Severity::Page))],
            "......####",
            true,
        ),
    ];
    let tests: Vec<Value> = cases.into_iter().map(|(case, told, fires, naive)| failing(case, told, fires, naive)).collect();
    try_rules(&tests);
}

fn failing(case: &str, told: &[Told], fires: &str, naive_is_wrong: bool) -> Value {
    let (plan, metrics) = world();
    let canary: &Canary = &plan.canaries[0];
    let mut scraped = Scraped::default();
    let mut naive = Vec::new();
    let mut failures = 0;
    for minute in 0..10 {
        for &(_, now, severity) in told.iter().filter(|(from, ..)| *from == minute) {
            failures = now;
            metrics.canary_state(&canary.id, failures, Some(failures == 0));
            metrics.probe_severity("sync", severity);
        }
        scraped.scrape(&metrics);
        naive.push(if failures >= 2 { '#' } else { '.' });
    }
    let naive: String = naive.into_iter().collect();
    assert_eq!(naive != fires, naive_is_wrong, "{case}: {naive}");
    let alert = json!({
        "exp_labels": { "probe": "sync", "owner": "music", "runbook": "https://runbooks.example.com/sync", "severity": "page" },
        "exp_annotations": { "summary": "sync fails", "runbook_url": "https://runbooks.example.com/sync" },
    });
    let expected = fires.chars().enumerate().map(|(minute, fires)| {
        let alerts = if fires == '#' { vec![alert.clone()] } else { Vec::new() };
        json!({ "eval_time": format!("{minute}m"), "alertname": "ProbeFails", "exp_alerts": alerts })
    });
    // The series are what the case says, as a rule on them alone would see them.
    let seen = naive.chars().enumerate().map(|(minute, fails)| {
        let value = u8::from(fails == '#');
        json!({ "expr": "sum(serinus_consecutive_failures >= bool 2)", "eval_time": format!("{minute}m"),
                "exp_samples": [{ "labels": "{}", "value": value }] })
    });
    json!({ "name": case, "interval": "1m", "input_series": scraped.input(),
            "alert_rule_test": expected.collect::<Value>(), "promql_expr_test": seen.collect::<Value>() })
}

#[test]
fn the_other_alerts_fire_for_what_is_about_no_probe_and_for_what_nobody_took() {
    assert_eq!(named("alert"), ["ProbeFails", "ProberTroubled", "NobodyIsTold", "CanaryLeaks", "ProberGone"]);
    let series = |series: &str, values: &str| json!({ "series": series, "values": values });
    let at = |alert: &str, minute: u32, labels: &[(&str, &str)]| {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let alerts = if labels.is_empty() { json!([]) } else { json!([{ "exp_labels": labels }]) };
        json!({ "eval_time": format!("{minute}m"), "alertname": alert, "exp_alerts": alerts })
    };
    let page = ("severity", "page");
    let test = json!({
        "interval": "1m",
        "input_series": [
            series("serinus_build_info{instance=\"a\"}", "1x30"),
            // A blind region from minute 2 on; from minute 4 to 6 a probe pages as well, which is enough.
            series("serinus_incidents{instance=\"a\",severity=\"page\"}", "0 0 1 1 2 2 2 1 1 0"),
            series("serinus_incidents{instance=\"a\",severity=\"warn\"}", "3x9"),
            series("serinus_probe_severity{instance=\"a\",probe=\"sync\"}", "0 0 0 0 2 2 2 0 0 0"),
            // Owed since minute 1 and taken in minute 8; another channel is owed nothing.
            series("serinus_owed_oldest_timestamp_seconds{channel=\"chat\"}", "0 60 60 60 60 60 60 60 0 0"),
            series("serinus_owed_oldest_timestamp_seconds{channel=\"pager\"}", "0x9"),
            series("serinus_cleanup_leaked{probe=\"sync\",region=\"eu\"}", "0 0 2 0"),
        ],
        "alert_rule_test": [
            at("ProberTroubled", 1, &[]), at("ProberTroubled", 2, &[("instance", "a"), page]), at("ProberTroubled", 5, &[]),
            at("ProberTroubled", 8, &[("instance", "a"), page]), at("ProberTroubled", 9, &[]),
            at("NobodyIsTold", 6, &[]), at("NobodyIsTold", 7, &[("channel", "chat"), page]), at("NobodyIsTold", 8, &[]),
            at("CanaryLeaks", 1, &[]), at("CanaryLeaks", 2, &[("probe", "sync"), ("region", "eu"), ("severity", "ticket")]),
            at("ProberGone", 30, &[]), at("ProberGone", 45, &[page]),
        ],
    });
    try_rules(&[test]);
}
