//! From the end of the run that decides to the page's request at its receiver, in the whole service under load.
//!
//! The fleet passes but for some probes that fail from the start, each at its own time: every one of them is an incident, and its
//! second run decides. Also with a store that another program has locked, so that nothing can be written.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serinus::alert::message::{Action, Occasion};
use serinus::outcome::{CleanupReport, OutcomeSink, RunReport, Verdict};
use serinus::plan::StorePlace;

use crate::files::{self, Shape};
use crate::pager::{Pager, micros};
use crate::process::{Role, say};
use crate::{prober, target};

/// Which service, and how it is watched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The service's file.
    pub file: PathBuf,
    /// Seconds that it runs.
    pub watch: u64,
    /// Whether its store is locked.
    pub locked: bool,
}

/// How pages did.
pub(crate) struct Pages {
    /// Half of them took at most so long, in milliseconds.
    pub p50: f64,
    /// 99 of 100 did.
    pub p99: f64,
    /// All did.
    pub max: f64,
    /// Those that arrived.
    pub arrived: usize,
    /// Incidents that should have paged.
    pub incidents: usize,
    /// Runs a second beside them.
    pub beside: f64,
}

/// What the service saw itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// When each failed run ended, in microseconds since the epoch, by its id.
    ended: HashMap<String, u64>,
    passed: u64,
    /// Canaries that failed at least twice.
    crossed: usize,
}

#[derive(Default)]
struct Watcher(Mutex<(Seen, HashMap<String, usize>)>);

impl OutcomeSink for Watcher {
    fn run_finished(&self, report: &Arc<RunReport>) {
        let mut seen = self.0.lock().expect("nobody panics with it");
        if report.verdict == Verdict::Failed {
            seen.0.ended.insert(report.run_id.to_string(), micros(report.started + report.duration));
            *seen.1.entry(report.canary.id.to_string()).or_default() += 1;
        } else {
            seen.0.passed += u64::from(report.verdict == Verdict::Passed);
        }
    }

    fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}
}

/// The role: runs the service, says when the failed runs ended.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let (service, _logs) = prober::load(&task.file, "error");
        let Some(StorePlace::File(path)) = service.store.as_ref().map(|store| store.place.clone()) else {
            panic!("the store is a file");
        };
        let watcher = Arc::new(Watcher::default());
        let store = prober::open(&service).await;
        let running = prober::start(service, store, Arc::clone(&watcher) as Arc<dyn OutcomeSink>).await;
        let lock = task.locked.then(|| lock(&path));
        tokio::time::sleep(Duration::from_secs(task.watch)).await;
        drop(lock);
        let stragglers = running.stop().await;
        assert!(stragglers.is_empty(), "{stragglers:?}");
        let (mut seen, failures) = std::mem::take(&mut *watcher.0.lock().expect("nobody panics with it"));
        seen.crossed = failures.values().filter(|failures| **failures >= 2).count();
        say(&seen);
    });
}

/// As another program that writes into the store and does not come to an end.
fn lock(store: &Path) -> Connection {
    let connection = Connection::open(store).expect("the store is there");
    connection.busy_timeout(Duration::from_secs(10)).expect("it can be waited for");
    connection.execute_batch("BEGIN IMMEDIATE").expect("the service lets go of it now and then");
    connection
}

/// Watches a service in a process of its own.
#[expect(clippy::cast_precision_loss, reason = "far fewer runs and milliseconds than a float has digits")]
pub(crate) fn measure(cells: usize, broken: usize, watch: u64, locked: bool) -> Pages {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let (_target, url) = target::start();
    let pager = Pager::start();
    let shape = Shape { probes: 10, cells, broken: (broken, 1) };
    let file = files::write(directory.path(), shape, &url, &pager.url);
    let seen: Seen = Role::start("pages", &Task { file, watch, locked }).hear();
    let mut millis: Vec<f64> = Vec::new();
    for page in pager.pages() {
        if page.message.action == Action::Ring && page.message.occasion == Occasion::Opened {
            let run = &page.message.evidence.first().expect("a page of a probe tells of a run").run;
            millis.push((page.at as f64 - seen.ended[run] as f64) / 1e3);
        }
    }
    assert!(!millis.is_empty(), "without pages there is nothing to be said about them");
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() - 1) * percent / 100];
    let beside = seen.passed as f64 / watch as f64;
    Pages { p50: at(50), p99: at(99), max: at(100), arrived: millis.len(), incidents: seen.crossed, beside }
}
