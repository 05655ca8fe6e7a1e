//! A fleet in the whole service, with alert rules and a store on disk: how late its runs start, what it costs, what it weighs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serinus::outcome::{CleanupReport, MissedTicks, OutcomeSink, RunReport, Verdict};

use crate::bare::Meter;
use crate::prober;
use crate::process::{Role, resident, say};

/// Which fleet, and how long it is watched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The service's file.
    pub file: PathBuf,
    /// Seconds before the measurement, in which every canary should have had its first run.
    pub settle: u64,
    /// Seconds that are measured.
    pub watch: u64,
}

/// How a fleet did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Fleet {
    /// Half of the runs started at most so late, in milliseconds.
    pub p50: f64,
    /// 99 of 100 did.
    pub p99: f64,
    /// All did.
    pub max: f64,
    /// Runs that were made in the time that was watched.
    pub runs: usize,
    /// Ticks that did not run, and runs that did not pass.
    pub not_passed: u64,
    /// CPU time of the process a second, in percent of one core.
    pub cpu_percent: f64,
    /// Memory of the process in RAM at the end, in bytes.
    pub resident: u64,
}

/// Counts beside the service's own sinks.
#[derive(Default)]
struct Watcher {
    lateness: Mutex<Vec<Duration>>,
    not_passed: AtomicU64,
}

impl OutcomeSink for Watcher {
    fn run_finished(&self, report: &Arc<RunReport>) {
        if report.verdict == Verdict::Passed {
            self.lateness.lock().expect("nobody panics with it").push(report.lateness);
        } else {
            eprintln!("bench: {} ended {:?}: {:?}", report.canary.id, report.verdict, report.cause);
            self.not_passed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}

    fn ticks_missed(&self, missed: &MissedTicks) {
        self.not_passed.fetch_add(missed.count, Ordering::Relaxed);
    }
}

/// The role: runs the fleet, says how it did.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let (service, _logs) = prober::load(&task.file, "info");
        let watcher = Arc::new(Watcher::default());
        let store = prober::open(&service).await;
        let running = prober::start(service, store, Arc::clone(&watcher) as Arc<dyn OutcomeSink>).await;
        tokio::time::sleep(Duration::from_secs(task.settle)).await;
        watcher.lateness.lock().expect("nobody panics with it").clear();
        let meter = Meter::start(std::process::id());
        let scraped = tokio::spawn(scrape(running.address()));
        tokio::time::sleep(Duration::from_secs(task.watch)).await;
        scraped.abort();
        let cost = meter.cost(1);
        let lateness = std::mem::take(&mut *watcher.lateness.lock().expect("nobody panics with it"));
        let resident = resident(std::process::id());
        let stragglers = running.stop().await;
        assert!(stragglers.is_empty(), "{stragglers:?}");
        say(&summary(lateness, watcher.not_passed.load(Ordering::Relaxed), cost.cpu_micros * cost.per_second / 1e4, resident));
    });
}

/// Asks for the metrics as a Prometheus would that scrapes every five seconds.
async fn scrape(address: SocketAddr) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        let asked = client.get(format!("http://{address}/metrics")).header("accept", "application/openmetrics-text").send();
        let body = asked.await.expect("the service answers").text().await.expect("it answers in full");
        assert!(body.contains("serinus_runs_total"), "there are metrics");
    }
}

fn summary(mut lateness: Vec<Duration>, not_passed: u64, cpu_percent: f64, resident: u64) -> Fleet {
    assert!(!lateness.is_empty(), "a fleet that ran nothing says nothing");
    lateness.sort();
    let at = |percent: usize| lateness[(lateness.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    Fleet { p50: at(50), p99: at(99), max: at(100), runs: lateness.len(), not_passed, cpu_percent, resident }
}

/// Watches a fleet in a process of its own.
pub(crate) fn measure(task: &Task) -> Fleet {
    Role::start("fleet", task).hear()
}
