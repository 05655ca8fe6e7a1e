//! From a metric to the trace of the very run: Debian's Prometheus keeps the exemplars of the built program, and Rotel, a receiver of
//! OTLP from `PyPI`, has the traces that they name.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::Value;

use crate::cli_support::until;
use crate::page_support::service::{Service, TOKEN, probe};
use crate::page_support::target::{BROKEN, Target};
use crate::programs::{Program, free_port};
use crate::prometheus;
use crate::service_support::ask;

/// The receiver, fetched once a machine, and the file that it prints every span to.
fn receiver(folder: &std::path::Path, port: u16) -> Program {
    let kept = concat!(env!("CARGO_TARGET_TMPDIR"), "/rotel");
    let output = Command::new("tests/setup/rotel").arg(kept).output().expect("tests/setup/rotel can be run");
    assert!(output.status.success(), "Rotel is missing: {}", String::from_utf8_lossy(&output.stderr));
    let printed = File::create(folder.join("spans")).unwrap();
    let child = Command::new(format!("{kept}/rotel-agent"))
        .arg("start")
        .args([
            "--otlp-http-endpoint",
            &format!("127.0.0.1:{port}"),
            "--otlp-grpc-endpoint",
            &format!("127.0.0.1:{}", free_port()),
        ])
        .args(["--debug-log", "traces", "--debug-log-verbosity", "detailed", "--exporter", "blackhole"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(printed)
        .stderr(Stdio::null())
        .spawn();
    Program(child.expect("it can be started"))
}

/// The value of an attribute or a field in what the receiver printed.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.trim_start().trim_start_matches("-> ").starts_with(name))?;
    let value = line.split_once(": ")?.1.trim();
    Some(value.strip_prefix("Str(").and_then(|value| value.strip_suffix(')')).unwrap_or(value))
}

/// The resource and the root span of a trace, as the receiver printed them.
fn trace_of(spans: &str, trace: &str) -> Option<(String, String)> {
    spans.split("ResourceSpans #").skip(1).find_map(|part| {
        let (resource, spans) = part.split_once("ScopeSpans #")?;
        let mut spans = spans.split("Span #").skip(1);
        let root = spans.find(|span| {
            field(span, "Trace ID") == Some(trace) && field(span, "Name").is_some_and(|name| name.starts_with("probe "))
        })?;
        Some((resource.to_owned(), root.to_owned()))
    })
}

/// Exemplars that Prometheus has of the duration of runs: the labels of the series, and of the exemplar.
fn exemplars(prometheus: &str) -> Vec<(Value, Value)> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let address = prometheus.trim_start_matches("http://");
    let path = format!(
        "GET /api/v1/query_exemplars?query=serinus_run_duration_seconds_bucket&start={}&end={}",
        seconds - 600,
        seconds + 60
    );
    if std::net::TcpStream::connect(address).is_err() {
        return Vec::new();
    }
    let answer: Value = serde_json::from_str(&ask(address, &path, &[], "").body).unwrap_or_default();
    let series = answer["data"].as_array().cloned().unwrap_or_default();
    let of_one = |series: &Value| {
        let labels = series["seriesLabels"].clone();
        series["exemplars"]
            .as_array()
            .into_iter()
            .flatten()
            .map(move |one| (labels.clone(), one["labels"].clone()))
            .collect::<Vec<_>>()
    };
    series.iter().flat_map(of_one).collect()
}

#[test]
fn the_exemplar_of_a_metric_names_the_trace_and_the_run_that_the_receiver_of_traces_has() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _receiver = receiver(folder.path(), port);
    until("the receiver listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let target = Target::start();
    target.set("/shop", BROKEN);
    let settings = format!(
        "regions = [\"eu\", \"us\"]\n[notify]\nnone = true\n[traces]\nendpoint = \"http://127.0.0.1:{port}/v1/traces\"\n"
    );
    let service = Service::new(&[probe("shop", target.address, ""), probe("search", target.address, "")], &settings).start();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: serinus\n\
         \x20 authorization: {{credentials: {TOKEN}}}\n  static_configs: [{{targets: ['{}']}}]\n",
        service.address()
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let (_prometheus, prometheus) = prometheus::start(folder.path(), &["--enable-feature=exemplar-storage"]);
    let printed = || std::fs::read_to_string(folder.path().join("spans")).unwrap_or_default();
    let listening = service.address().rsplit(':').next().unwrap().to_owned();
    for (probe, region, verdict) in [("shop", "eu", "failed"), ("shop", "us", "failed"), ("search", "us", "passed")] {
        let (exemplar, (resource, root)) = until(&format!("an exemplar of {probe} in {region} whose trace arrived"), || {
            let of_it = exemplars(&prometheus).into_iter().filter(|(of, _)| of["probe"] == probe && of["region"] == region);
            let spans = printed();
            of_it.map(|(_, exemplar)| exemplar).find_map(|exemplar| {
                let found = trace_of(&spans, exemplar["trace_id"].as_str()?)?;
                Some((exemplar, found))
            })
        });
        assert_eq!(field(&root, "serinus.run.id"), exemplar["run_id"].as_str(), "{root}");
        assert_eq!(field(&root, "serinus.region"), Some(region));
        assert_eq!(field(&root, "serinus.verdict"), Some(verdict), "{root}");
        assert_eq!(field(&resource, "serinus.region"), Some(region), "{resource}");
        let host = field(&resource, "host.name").expect("the resource names the host");
        assert_eq!(field(&resource, "service.instance.id"), Some(&*format!("{host}:{listening}")), "{resource}");
        let run = service.json(&format!("/api/v1/runs/{}", exemplar["run_id"].as_str().unwrap()));
        assert_eq!(run["run"]["trace_id"], exemplar["trace_id"]);
    }
}
