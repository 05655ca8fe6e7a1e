//! Debian's Alertmanager and Prometheus beside the built program.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli_support::PATIENCE;
use crate::page_support::service::{Service, probe};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::programs::{Program, free_port};
use crate::{alertmanager, prometheus};

/// Fetches JSON until it is as wanted.
#[track_caller]
fn until(what: &str, url: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = fetch(url);
        if let Some(answer) = answer.as_ref().filter(|answer| wanted(answer)) {
            return answer.clone();
        }
        assert!(Instant::now() < deadline, "never: {what}: {answer:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn fetch(url: &str) -> Option<Value> {
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // A longer answer to HTTP/1.1 would come in chunks.
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

struct Alertmanager {
    program: Option<Program>,
    folder: tempfile::TempDir,
    port: u16,
}

impl Alertmanager {
    fn start() -> Self {
        let mut alertmanager = Self { program: None, folder: tempfile::tempdir().unwrap(), port: free_port() };
        alertmanager.begin("first");
        alertmanager
    }

    /// Starts it without a memory of what was before.
    fn begin(&mut self, data: &str) {
        std::fs::write(self.folder.path().join("alertmanager.yml"), "route: {receiver: none}\nreceivers: [{name: none}]\n")
            .unwrap();
        self.program = Some(alertmanager::start(self.folder.path(), data, self.port, None));
        self.alerts("it answers", |_| true);
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that fire, once they are as wanted.
    #[track_caller]
    fn alerts(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let url = format!("{}/api/v2/alerts", self.url());
        let alerts = until(what, &url, |answer| answer.as_array().is_some_and(|alerts| wanted(alerts)));
        alerts.as_array().unwrap().clone()
    }
}

/// The rules that the documentation gives to users of Prometheus.
fn documented_rules() -> String {
    let blocks = include_str!("../../../config/README.md").split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut rules = blocks.filter(|block| block.starts_with("groups:\n") && block.contains("- alert:"));
    rules.next().expect("the rules are in the documentation").to_owned()
}

/// A Prometheus that scrapes the service and evaluates the documented rules.
fn scraping(folder: &Path, target: &str) -> (Program, String) {
    let rules = documented_rules();
    std::fs::write(folder.join("rules.yml"), rules.replace("for: 5m", "for: 0s")).unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         scrape_configs:\n- job_name: serinus\n  authorization: {{credentials: a-token-for-the-tests}}\n\
         \x20 static_configs: [{{targets: ['{target}']}}]\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    let checked = Command::new("promtool").args(["check", "config", "prometheus.yml"]).current_dir(folder).output();
    let checked = checked.expect("`promtool` cannot be started: install Debian's package `prometheus`");
    assert!(checked.status.success(), "{checked:?}");
    prometheus::start(folder, &[])
}

/// The value that a query comes to.
#[track_caller]
fn becomes(prometheus: &str, query: &str, value: &str) {
    let mut url = reqwest::Url::parse(&format!("{prometheus}/api/v1/query")).unwrap();
    url.query_pairs_mut().append_pair("query", query);
    until(&format!("{query} is {value}"), url.as_str(), |answer| answer["data"]["result"][0]["value"][1] == value);
}

fn promtool_has_nothing_to_say(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty() && said.stdout.is_empty(), "{said:?}");
}

fn alertmanager_channel(alertmanager: &Alertmanager) -> String {
    format!(
        "[alerting]\npublic_url = \"https://serinus.example.com\"\n\
         [[notify.alertmanager]]\nurls = [\"{}\"]\nresend = \"1s\"\nlabels = {{ team = \"music\" }}\n",
        alertmanager.url()
    )
}

fn time(alert: &Value, name: &str) -> chrono::DateTime<chrono::FixedOffset> {
    chrono::DateTime::parse_from_rfc3339(alert[name].as_str().unwrap()).unwrap()
}

#[test]
fn what_breaks_fires_in_alertmanager_is_seen_by_prometheus_and_ends_when_it_is_well() {
    let (target, alertmanager, folder) = (Target::start(), Alertmanager::start(), tempfile::tempdir().unwrap());
    let broken = probe("broken", target.address, "summary = \"It works\"");
    let service = Service::new(&[broken, probe("well", target.address, "")], &alertmanager_channel(&alertmanager)).start();
    let (_program, prometheus) = scraping(folder.path(), service.address());
    becomes(&prometheus, "up{job=\"serinus\"}", "1");
    for severity in ["warn", "page", "critical"] {
        becomes(&prometheus, &format!("serinus_incidents{{severity=\"{severity}\"}}"), "0");
    }
    becomes(&prometheus, "sum(serinus_owed) + sum(serinus_tries_waiting)", "0");
    becomes(&prometheus, "serinus_config_last_reload_successful", "1");
    target.set("/broken", BROKEN);

    let first = alertmanager.alerts("it fires", |alerts| !alerts.is_empty()).remove(0);
    let incident = service.json("/api/v1/incidents")["items"][0]["id"].as_str().unwrap().to_owned();
    for (label, value) in [
        ("alertname", "SerinusProbeFailing"),
        ("severity", "page"),
        ("ring", "1"),
        ("region", "eu"),
        ("probe", "broken"),
        ("owner", "nobody"),
        ("team", "music"),
    ] {
        assert_eq!(first["labels"][label], value, "{label}: {first:#}");
    }
    let annotation = |name: &str| first["annotations"][name].as_str().unwrap_or_else(|| panic!("{name}: {first:#}")).to_owned();
    assert!(annotation("summary").contains("broken fails"), "{first:#}");
    assert_eq!(annotation("runbook_url"), "https://runbooks.example.com/broken");
    let description = annotation("description");
    for part in ["json.state == 'ok'", "\"lost\"", "It works"] {
        assert!(description.contains(part), "no {part} in {description}");
    }
    assert!(description.contains(&incident), "what to ask for, since there is no page to link to: {description}");

    becomes(&prometheus, "serinus_incidents{severity=\"page\"}", "1");
    becomes(
        &prometheus,
        "sum(serinus_notifications_total{channel=\"alertmanager\",what=\"ring\",result=\"taken\"}) > bool 0",
        "1",
    );
    becomes(&prometheus, "sum(serinus_owed) + sum(serinus_tries_waiting)", "0");
    becomes(&prometheus, "ALERTS{alertname=\"ProbeFails\",alertstate=\"firing\",probe=\"broken\"}", "1");
    let rules = until("the rules are evaluated", &format!("{prometheus}/api/v1/rules"), |answer| {
        let rules = answer["data"]["groups"][0]["rules"].as_array();
        rules.is_some_and(|rules| rules.iter().all(|rule| rule["health"] != "unknown"))
    });
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), documented_rules().matches("- alert:").count());
    for rule in rules {
        let fires = rule["name"] == "ProbeFails";
        assert_eq!((&rule["health"], rule["state"] == "firing"), (&Value::from("ok"), fires), "{rule:#}");
    }
    promtool_has_nothing_to_say(&service.get("/metrics"));

    // Its end is moved ahead of the clock for as long as it fails.
    let later = alertmanager.alerts("it is kept alive", |alerts| {
        assert_eq!(alerts.len(), 1, "it never stops firing");
        time(&alerts[0], "endsAt") > time(&first, "endsAt") + chrono::TimeDelta::seconds(5)
    });
    assert_eq!((&later[0]["fingerprint"], &later[0]["startsAt"]), (&first["fingerprint"], &first["startsAt"]));
    target.set("/broken", WELL);
    becomes(&prometheus, "serinus_incidents{severity=\"page\"}", "0");
    alertmanager.alerts("it ends", <[Value]>::is_empty);
}

#[test]
fn an_alertmanager_that_lost_everything_has_the_alert_again_under_the_same_key() {
    let (target, mut alertmanager) = (Target::start(), Alertmanager::start());
    target.set("/p", BROKEN);
    let service = Service::new(&[probe("p", target.address, "")], &alertmanager_channel(&alertmanager)).start();
    let first = alertmanager.alerts("it fires", |alerts| !alerts.is_empty()).remove(0);
    drop(alertmanager.program.take());
    // Gone for longer than an alert lives that nobody sends again.
    service.more(6.0, "p", "failed");
    alertmanager.begin("second");
    let again = alertmanager.alerts("it fires again", |alerts| !alerts.is_empty()).remove(0);
    assert_eq!((&again["labels"], &again["startsAt"]), (&first["labels"], &first["startsAt"]));
    assert_eq!(service.json("/api/v1/incidents")["items"].as_array().unwrap().len(), 1);
    target.set("/p", WELL);
    alertmanager.alerts("it ends", <[Value]>::is_empty);
}

#[test]
fn what_happens_while_alertmanager_is_away_is_there_when_it_is_back() {
    let (target, mut alertmanager) = (Target::start(), Alertmanager::start());
    let probes = [probe("p", target.address, ""), probe("q", target.address, "")];
    let service = Service::new(&probes, &alertmanager_channel(&alertmanager)).start();
    target.set("/p", BROKEN);
    alertmanager.alerts("it fires", |alerts| alerts.len() == 1);
    drop(alertmanager.program.take());
    target.set("/p", WELL);
    target.set("/q", BROKEN);
    service.until("one ends and another begins", |service| {
        let incidents = service.json("/api/v1/incidents");
        let open = |incident: &&Value| incident["resolved_ms"].is_null();
        let incidents = incidents["items"].as_array().unwrap();
        incidents.len() == 2 && incidents.iter().filter(open).count() == 1
    });
    assert!(service.untold() > 0.0);
    // With what it remembers, p fires until it is told of the end.
    alertmanager.begin("first");
    let alerts = alertmanager.alerts("only q fires", |alerts| alerts.len() == 1 && alerts[0]["labels"]["probe"] == "q");
    assert_eq!(alerts[0]["labels"]["ring"], "1");
    service.until("nothing waits", |service| service.untold() == 0.0);
}
