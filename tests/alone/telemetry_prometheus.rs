//! The real Prometheus and its promtool, from Debian's package `prometheus`, read what we write.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use serinus::outcome::{AlertStateSink as _, Reason};
use serinus::plan::{Cell, Plan};
use serinus::telemetry::{Format, Metrics, config_reloaded, runtime_stalled};

use crate::programs::Program;
use crate::{prometheus, report};

/// Two probes with different matrix keys, awkward label values, and at least one sample in every family.
fn full() -> (Plan, Arc<Metrics>) {
    let cells =
        vec![report::cell(&[("platform", "i\"O\\S\n"), ("size", "10")]), report::cell(&[("platform", "web"), ("size", "500")])];
    let plan = report::plan(vec![report::probe("sync", cells), report::probe("plain", vec![Cell::default()])], &["eu", "us"]);
    let metrics = Metrics::new(&plan);
    config_reloaded(false);
    runtime_stalled(Duration::from_millis(700));
    let now = SystemTime::now();
    for canary in &plan.canaries {
        metrics.record(&report::passed(canary, now - Duration::from_mins(3)));
        metrics.record(&report::ended(canary, now - Duration::from_mins(2), Reason::Slept));
        let failed = Arc::new(report::failed(canary, now - Duration::from_mins(1)));
        metrics.record(&failed);
        metrics.canary_state(&canary.id, 2, Some(false));
        metrics.record_cleanup(&report::cleanup(&failed, failed.cause.clone().into_iter().collect()));
    }
    (plan, metrics)
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let (_plan, metrics) = full();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = promtool.expect("`promtool` is of Debian's package `prometheus`");
    let body = metrics.encode(Format::Prometheus);
    let mut stdin = promtool.stdin.take().expect("it was asked for");
    stdin.write_all(body.as_bytes()).expect("promtool reads");
    drop(stdin);
    let said = promtool.wait_with_output().expect("promtool ends");
    let words = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && words.is_empty(), "{words}");
}

#[derive(Clone)]
struct Target {
    metrics: Arc<Metrics>,
    accepted: Arc<Mutex<Vec<String>>>,
}

async fn serve(State(target): State<Target>, headers: HeaderMap) -> ([(header::HeaderName, &'static str); 1], axum::body::Bytes) {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    target.accepted.lock().expect("no handler panics").push(accept.unwrap_or_default().to_owned());
    let format = Format::negotiate(accept);
    let metrics = Arc::clone(&target.metrics);
    let body = tokio::task::spawn_blocking(move || metrics.render(format)).await.expect("rendering does not panic");
    ([(header::CONTENT_TYPE, format.content_type())], body)
}

fn scraping(directory: &std::path::Path, target: SocketAddr) -> (Program, String) {
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: serinus\n  static_configs:\n  - targets: ['{target}']\n"
    );
    std::fs::write(directory.join("prometheus.yml"), text).expect("the configuration is written");
    prometheus::start(directory, &["--enable-feature=exemplar-storage"])
}

/// Asks until the answer is as wanted; the last answer if that never happens.
async fn ask(
    client: &reqwest::Client,
    url: String,
    query: &[(&str, &str)],
    wanted: fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let until = Instant::now() + Duration::from_mins(1);
    let mut last = serde_json::Value::Null;
    loop {
        if let Ok(answer) = client.get(&url).query(query).send().await
            && let Ok(json) = answer.json().await
        {
            last = json;
            if wanted(&last) {
                return last;
            }
        }
        assert!(Instant::now() < until, "{url} {query:?}: {last}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn has_result(answer: &serde_json::Value) -> bool {
    answer["data"]["result"].as_array().is_some_and(|result| !result.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_open_metrics_and_gets_the_exemplars() {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (plan, metrics) = full();
    let last = report::failed(&plan.canaries[0], SystemTime::now());
    metrics.record(&last);
    let target = Target { metrics, accepted: Arc::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let app = Router::new().route("/metrics", get(serve)).with_state(target.clone());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let directory = tempfile::tempdir().expect("a directory");
    let (_running, at) = scraping(directory.path(), address);
    let client = reqwest::Client::new();
    let query = |path: &str| format!("{at}/api/v1/{path}");
    ask(&client, query("query"), &[("query", "up{job=\"serinus\"} == 1")], has_result).await;
    ask(
        &client,
        query("query"),
        &[("query", "serinus_consecutive_failures{probe=\"sync\",size=\"10\",region=\"eu\"} == 2")],
        has_result,
    )
    .await;
    ask(&client, query("query"), &[("query", "serinus_build_info == 1")], has_result).await;
    let within = "sum(serinus_convergence_seconds_bucket{le=\"2.0\"}) / sum(serinus_convergence_seconds_count)";
    ask(&client, query("query"), &[("query", within)], has_result).await;

    let metadata = ask(&client, query("metadata"), &[], |answer| answer["data"]["serinus_runs"].is_array()).await;
    assert_eq!(metadata["data"]["serinus_runs"][0]["type"], "counter", "{metadata}");
    assert!(target.accepted.lock().expect("no handler panics").iter().all(|accept| accept.contains("openmetrics")));

    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs().to_string();
    let (from, to) = (seconds(SystemTime::now() - Duration::from_hours(1)), seconds(SystemTime::now() + Duration::from_hours(1)));
    let selector = [("query", "serinus_run_duration_seconds_bucket"), ("start", &from), ("end", &to)];
    let answer = ask(&client, query("query_exemplars"), &selector, |answer| {
        answer["data"].as_array().is_some_and(|series| !series.is_empty())
    })
    .await;
    let exemplars: Vec<_> = answer["data"]
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(|series| series["exemplars"].as_array())
        .flatten()
        .collect();
    let ours = exemplars.iter().find(|exemplar| exemplar["labels"]["trace_id"] == last.trace_id.to_string());
    let ours = ours.unwrap_or_else(|| panic!("the last failed run is linked: {answer}"));
    assert_eq!(ours["labels"]["run_id"], last.run_id.to_string());
    server.abort();
}
