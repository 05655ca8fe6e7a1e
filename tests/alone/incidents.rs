//! The three incidents, in which every service says "success": in how many seconds Serinus pages by itself, the exported rules fire
//! in a real Prometheus, and a receiver of a real Alertmanager with the exported routes hears of it.
//!
//! The shipped probes run every few seconds against a sandbox that is sixty times as fast as what it stands for. Seconds are
//! printed (`--nocapture`) and never asserted.

#![expect(clippy::print_stdout, reason = "the seconds are what it is read for")]

use std::path::Path;
use std::time::Instant;

use regex::Regex;
use serde_json::Value;
use serinus::sandbox::{Incident, Sandbox, SandboxConfig};

use crate::cli_support::{assert_exit, run, stdout};
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, channel};
use crate::programs::free_port;
use crate::shipped::hastened;
use crate::{alertmanager, machine, prometheus};

/// A shipped probe that runs every five seconds, whatever still runs.
fn often(file: &str) -> String {
    let path = format!("{}/probes/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    format!("overlap = \"allow\"\n{}", hastened(&text, "5s", "20s", "4s"))
}

fn export(service: &Service, what: &str) -> String {
    let output = run(service.folder(), &["export", what, "-c", "service"]);
    assert_exit(&output, 0);
    stdout(&output)
}

/// Every receiver of the exported routes is the pager, and groups are told after a second.
fn write_alertmanager(folder: &Path, routes: &str, pager: &Pager) {
    let webhook =
        format!("$0\n    webhook_configs: [{{ url: \"http://{}/alertmanager\", send_resolved: false }}]", pager.address);
    let (routes, receivers) = routes.split_once("\nreceivers:").unwrap();
    let receivers = Regex::new("  - name: .*").unwrap().replace_all(receivers, webhook);
    let routes = routes.replace("group_wait: 10s", "group_wait: 1s").replace("group_interval: 1m", "group_interval: 1s");
    std::fs::write(folder.join("alertmanager.yml"), format!("{routes}\nreceivers:{receivers}")).unwrap();
}

fn write_prometheus(folder: &Path, service: &Service, alertmanager: u16) {
    std::fs::write(folder.join("rules.yml"), export(service, "prometheus-rules")).unwrap();
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\nscrape_configs:\n\
         - job_name: serinus\n  authorization: {{credentials: {TOKEN}}}\n  static_configs: [{{targets: ['{}']}}]\n",
        service.address()
    );
    std::fs::write(folder.join("prometheus.yml"), text).unwrap();
}

/// Alerts of a probe that wake somebody, of all that Alertmanager told.
fn alerts_of<'m>(message: &'m Value, probe: &'m str) -> impl Iterator<Item = &'m str> {
    let alerts = message["alerts"].as_array().into_iter().flatten();
    let of_probe = alerts.filter(move |alert| alert["labels"]["probe"] == probe && alert["labels"]["severity"] != "warn");
    of_probe.filter_map(|alert| alert["labels"]["alertname"].as_str())
}

#[test]
fn each_incident_is_paged_by_serinus_and_by_the_exported_rules_and_once_by_each() {
    let _alone = machine();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sandbox = runtime.block_on(Sandbox::start(SandboxConfig { speed: 60.0, ..SandboxConfig::default() })).unwrap();
    let pager = Pager::start();
    let probes = ["premium_registration", "playlist_sync", "segment_copy"].map(often);
    let settings =
        format!("regions = [\"eu\", \"us\"]\n[vars]\napi = \"http://{}\"\n{}", sandbox.address(), channel(&pager, "serinus"));
    let mut service = Service::new(&probes, &settings);
    let file = service.folder().join("service");
    let text = std::fs::read_to_string(&file).unwrap();
    let secrets = "[secrets]\ncanary_password = { env = \"CANARY_PASSWORD\" }\n";
    std::fs::write(&file, text.replace("[secrets]\n", secrets)).unwrap();
    service.begin(&[], |command| {
        command.env("CANARY_PASSWORD", SandboxConfig::DEFAULT_PASSWORD);
    });

    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    write_alertmanager(folder.path(), &export(&service, "alertmanager"), &pager);
    write_prometheus(folder.path(), &service, port);
    let _alertmanager = alertmanager::start(folder.path(), "alerts", port, None);
    let (_prometheus, _) = prometheus::start(folder.path(), &[]);
    service.more_of_each(4.0, Incident::ALL.map(Incident::probe), "passed");
    assert_eq!(pager.lines(), Vec::<String>::new(), "nobody is paged while all is well");

    let onset = Instant::now();
    for incident in Incident::ALL {
        for &fault in incident.faults() {
            sandbox.faults().set(fault, incident.scope_everywhere());
        }
    }
    println!("{:22} {:>10} {:>10}  alert", "incident", "Serinus s", "rules s");
    for incident in Incident::ALL {
        let probe = incident.probe();
        let own = pager.until(probe, |page| page.channel == "serinus" && page.message["probe"] == probe);
        let told = pager.until(probe, |page| page.channel == "alertmanager" && alerts_of(&page.message, probe).next().is_some());
        let alert = alerts_of(&told.message, probe).next().unwrap();
        let [own, rules] = [&own, &told].map(|page| page.at.duration_since(onset).as_secs_f64());
        println!("{:22} {own:>10.1} {rules:>10.1}  {alert}", incident.as_str());
    }
    for page in pager.pages().iter().filter(|page| page.channel == "alertmanager") {
        for probe in Incident::ALL.map(Incident::probe) {
            let other: Vec<&str> = alerts_of(&page.message, probe)
                .filter(|name| !name.ends_with("Failing") || *name == "SerinusRunsFailing")
                .collect();
            assert_eq!(other, Vec::<&str>::new(), "what Serinus tells of is not told twice: {}", page.message);
        }
    }
    runtime.block_on(sandbox.shutdown());
}
