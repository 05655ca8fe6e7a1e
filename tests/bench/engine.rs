//! What a run of one request and one expectation costs in the engine, reported in full: metrics, traces, alert rules, store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serinus::outcome::{Tick, Trigger, Verdict};
use serinus::plan::Canary;
use serinus::run::{Detail, Engine, RunRequest, StallLog};
use tokio_util::sync::CancellationToken;

use crate::bare::Meter;
use crate::prober;
use crate::process::{listen, say};

/// What to run, and how often.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The service's file.
    pub file: PathBuf,
    /// Runs that are measured.
    pub runs: usize,
    /// Runs in flight at once.
    pub at_once: usize,
}

/// The role: as [`bare::role`](crate::bare::role), with the engine in place of the client. The time to send the
/// last traces and to write the last rows counts.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let (service, _logs) = prober::load(&task.file, "info");
        let store = prober::open(&service).await;
        let engine = prober::engine(&service, &Arc::new(StallLog::default()), &store);
        let report = prober::Report::start(&service, store);
        let canaries = &service.plan.canaries;
        let repeat = async |runs: usize| {
            futures::stream::iter(canaries.iter().cycle().take(runs))
                .for_each_concurrent(task.at_once, |canary| run(&engine, &report, canary))
                .await;
        };
        repeat(task.runs / 10).await;
        say(&());
        assert!(listen(), "the parent is there");
        let meter = Meter::start(std::process::id());
        repeat(task.runs).await;
        report.end().await;
        say(&meter.cost(task.runs));
    });
}

async fn run(engine: &Engine, report: &prober::Report, canary: &Arc<Canary>) {
    let request = RunRequest {
        trigger: Trigger::Schedule,
        tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
        detail: Detail::Failures,
        cancel: CancellationToken::new(),
    };
    let finished = engine.run(Arc::clone(canary), request).await;
    assert_eq!(finished.report.verdict, Verdict::Passed, "{:?}", finished.report.cause);
    report.run(&finished.report);
}
