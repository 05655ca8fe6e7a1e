//! The peer: `blackbox_exporter` from Debian's package, asked through its `/probe` endpoint as Prometheus asks it.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;

use crate::bare::{Cost, Meter};
use crate::process::Program;

const PROGRAM: &str = "prometheus-blackbox-exporter";
const CONFIGURATION: &str = "modules: {http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}\n";

/// Runs of the peer on a target; none where it is not installed.
pub(crate) fn measure(directory: &Path, target: &str, runs: usize, at_once: usize) -> Option<Cost> {
    let configuration = directory.join("blackbox.yml");
    std::fs::write(&configuration, CONFIGURATION).expect("the directory can be written to");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let arguments = [format!("--config.file={}", configuration.display()), format!("--web.listen-address={free}")];
    let arguments = arguments.each_ref().map(String::as_str);
    let program = match Program::start(PROGRAM, &arguments, &directory.join("blackbox.log")) {
        Ok(program) => program,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{PROGRAM} cannot be started: {error}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    Some(runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
        wait_until_it_answers(&client, &format!("http://{free}/-/healthy")).await;
        let url = format!("http://{free}/probe?module=http_2xx&target={target}");
        let repeat = async |runs: usize| {
            futures::stream::iter(0..runs).for_each_concurrent(at_once, |_| probe(&client, &url)).await;
        };
        repeat(runs / 10).await;
        let meter = Meter::start(program.pid());
        repeat(runs).await;
        meter.cost(runs)
    }))
}

async fn wait_until_it_answers(client: &reqwest::Client, url: &str) {
    let began = Instant::now();
    while client.get(url).send().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "{PROGRAM} does not answer; its log is blackbox.log");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn probe(client: &reqwest::Client, url: &str) {
    let answer = client.get(url).send().await.expect("the peer answers").text().await.expect("the peer answers in full");
    assert!(answer.contains("\nprobe_success 1\n"), "the peer's probe failed: {answer}");
}
