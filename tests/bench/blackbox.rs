//! The peer: `blackbox_exporter` from Debian's package, asked through its `/probe` endpoint as Prometheus asks it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;

use crate::bare::{Cost, Meter};
use crate::process::Program;

const PROGRAM: &str = "prometheus-blackbox-exporter";
const CONFIGURATION: &str = "modules: {http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}\n";

/// A running exporter, killed at the end.
pub(crate) struct Exporter {
    program: Program,
    address: SocketAddr,
}

/// How it is asked for a target.
#[derive(Clone)]
pub(crate) struct Asked {
    client: reqwest::Client,
    url: String,
}

impl Exporter {
    /// Starts one; none where it is not installed.
    pub(crate) fn start(directory: &Path) -> Option<Self> {
        let configuration = directory.join("blackbox.yml");
        std::fs::write(&configuration, CONFIGURATION).expect("the directory can be written to");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
        let arguments = [format!("--config.file={}", configuration.display()), format!("--web.listen-address={address}")];
        match Program::start(PROGRAM, &arguments.each_ref().map(String::as_str), &directory.join("blackbox.log")) {
            Ok(program) => Some(Self { program, address }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{PROGRAM} cannot be started: {error}"),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Waits until it answers.
    pub(crate) async fn ready(&self, target: &str) -> Asked {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
        let began = Instant::now();
        while client.get(format!("http://{}/-/healthy", self.address)).send().await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{PROGRAM} does not answer; its log is blackbox.log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Asked { client, url: format!("http://{}/probe?module=http_2xx&target={target}", self.address) }
    }
}

impl Asked {
    /// One run.
    pub(crate) async fn probe(&self) {
        let answer = self.client.get(&self.url).send().await.expect("the peer answers");
        let answer = answer.text().await.expect("the peer answers in full");
        assert!(answer.contains("\nprobe_success 1\n"), "the peer's probe failed: {answer}");
    }
}

/// Runs of the peer on a target; none where it is not installed.
pub(crate) fn measure(directory: &Path, target: &str, runs: usize, at_once: usize) -> Option<Cost> {
    let exporter = Exporter::start(directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    Some(runtime.block_on(async {
        let asked = exporter.ready(target).await;
        let repeat = async |runs: usize| {
            futures::stream::iter(0..runs).for_each_concurrent(at_once, |_| asked.probe()).await;
        };
        repeat(runs / 10).await;
        let meter = Meter::start(exporter.pid());
        repeat(runs).await;
        meter.cost(runs)
    }))
}
