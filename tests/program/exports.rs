//! What `serinus export` prints, with a real Prometheus that scrapes a service of which a probe fails: every query of the dashboards
//! gives something, every rule can be evaluated, and the alert says what the service says. And `--check`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::cli_support::{PATIENCE, assert_exit, run, stderr, stdout, until};
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, channel, journey};
use crate::page_support::target::{BROKEN, Target};
use crate::prometheus;

/// Converges, may be degraded (and always is), and promises all that can be promised.
fn probe(name: &str, target: &Target) -> String {
    let promises = "[slo]\nsuccess = \"95%\"\ndegraded = \"10%\"\nwindow = \"24h\"\n\
                    latency = { step = \"read\", of = \"convergence\", mean = \"300ms\", p95 = \"400ms\" }\n";
    let steps = format!(
        "[[step]]\nname = \"read\"\nhttp.get = \"http://{}/{name}\"\neventually = {{ within = \"2s\", poll = \"100ms\" }}\n\
         expect = [\"status == 200\", \"json.state == 'ok'\"]\nwarn = [\"json.items | length > 1\"]\n",
        target.address
    );
    journey(name, promises, &steps)
}

fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What Prometheus answers, which must not be an error; nothing while it does not listen.
fn asked(prometheus: &str, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(prometheus.trim_start_matches("http://")).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // A longer answer to HTTP/1.1 would come in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    assert_eq!(answer["status"], "success", "{path}: {answer}");
    Some(answer["data"].clone())
}

fn export(folder: &Path, what: &[&str]) -> String {
    let arguments: Vec<&str> = ["export"].into_iter().chain(what.iter().copied()).chain(["-c", "service"]).collect();
    let output = run(folder, &arguments);
    assert_exit(&output, 0);
    stdout(&output)
}

#[test]
fn every_query_of_the_dashboards_gives_something_and_the_alert_says_what_the_service_says() {
    let (target, pager) = (Target::start(), Pager::start());
    let settings = channel(&pager, "desk");
    let service = Service::new(&[probe("broken", &target), probe("fine", &target)], &settings).start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), export(service.folder(), &["prometheus-rules"])).unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n\
         - job_name: serinus\n  authorization: {{credentials: {TOKEN}}}\n  static_configs: [{{targets: ['{}']}}]\n",
        service.address()
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let (_running, prometheus) = prometheus::start(folder.path(), &["--enable-feature=exemplar-storage"]);
    // While it passes, so that Prometheus knows of passed runs.
    until("a passed run being scraped", || {
        let passed =
            asked(&prometheus, &format!("/api/v1/query?query={}", encoded("serinus_runs_total{verdict=\"passed\"} > 3")))?;
        passed["result"].as_array().filter(|series| series.len() == 2).map(|_| ())
    });
    target.set("/broken", BROKEN);
    let firing = until("the alert firing", || {
        let alerts = asked(&prometheus, "/api/v1/alerts")?;
        let labels = serde_json::json!({ "alertname": "SerinusProbeFailing", "severity": "page", "probe": "broken" });
        let mut all = alerts["alerts"].as_array()?.iter();
        all.find(|alert| labels.as_object().unwrap().iter().all(|(name, value)| alert["labels"][name] == *value)).cloned()
    });
    assert_eq!(firing["labels"]["owner"], "nobody");
    assert_eq!(firing["annotations"]["runbook_url"], "https://runbooks.example.com/broken");
    assert!(service.metric("serinus_incident", &[("kind", "probe"), ("probe", "broken"), ("severity", "page")]) > 0.5);
    let mut queries = 0;
    for which in ["overview", "probe"] {
        let dashboard: Value = serde_json::from_str(&export(service.folder(), &["grafana-dashboard", which])).unwrap();
        for target in dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "10s").replace("$region", ".*");
            let query = query.replace("$probe", if which == "probe" { "broken" } else { ".*" });
            until(&query, || {
                let answer = asked(&prometheus, &format!("/api/v1/query?query={}", encoded(&query)))?;
                answer["result"].as_array().filter(|series| !series.is_empty()).map(|_| ())
            });
            queries += 1;
        }
    }
    assert!(queries > 30, "only {queries} queries");
    let rules = until("every rule having been evaluated", || {
        let groups = asked(&prometheus, "/api/v1/rules")?;
        let rules: Vec<Value> =
            groups["groups"].as_array()?.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    let ill: Vec<&Value> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(rules.len() > 30 && ill.is_empty(), "{ill:#?}");
}

#[test]
fn check_says_whether_a_file_is_what_would_be_exported_and_where_it_is_not() {
    let target = Target::start();
    let service = Service::new(&[probe("p", &target)], "[notify]\nnone = true\n");
    for what in
        [&["prometheus-rules"][..], &["alertmanager"], &["grafana-dashboard", "overview"], &["grafana-dashboard", "probe"]]
    {
        let text = export(service.folder(), what);
        let file = service.folder().join("exported");
        std::fs::write(&file, &text).unwrap();
        let checked = |expected: i32| {
            let output = run(service.folder(), &[&["export"], what, &["--check", "exported", "-c", "service"]].concat());
            assert_exit(&output, expected);
            stdout(&output) + &stderr(&output)
        };
        assert!(checked(0).contains("is what is exported"));
        let mut lines: Vec<&str> = text.lines().collect();
        lines[2] = "changed by hand";
        std::fs::write(&file, lines.join("\n")).unwrap();
        let said = checked(1);
        assert!(said.contains("line 3\n- changed by hand\n+ "), "{said}");
        std::fs::remove_file(&file).unwrap();
        assert!(checked(2).contains("cannot be read"));
    }
    assert_exit(&run(service.folder(), &["export", "grafana-dashboard", "-c", "service"]), 2);
}
