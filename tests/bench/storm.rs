//! Thousands of canaries of one probe that fail at once: how long alert rules, store and delivery take, and what is sent.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serinus::outcome::{RunId, RunReport, Tick, Trigger, Verdict};
use serinus::plan::Canary;
use serinus::run::{Detail, Engine, RunRequest, StallLog};
use tokio_util::sync::CancellationToken;

use crate::bare::Meter;
use crate::files::{self, Shape};
use crate::pager::{Pager, micros};
use crate::process::{Role, resident, say};
use crate::{prober, target};

/// How often each canary fails; with the second time it is at page level.
const ROUNDS: u64 = 4;

/// A probe may have a thousand cells.
const REGIONS: [&str; 3] = ["ap", "eu", "us"];

/// What was seen.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// When the first run was handed in that decided, in microseconds since the epoch.
    decided: u64,
    /// Milliseconds until all runs of a round had been looked at: the worst round.
    pub millis: f64,
    /// CPU time of a failed run beyond the engine, in microseconds.
    pub cpu_micros: f64,
    /// Memory in RAM that came with the runs, in bytes.
    pub memory: u64,
}

/// What became of a storm.
pub(crate) struct Storm {
    pub seen: Seen,
    /// Messages that arrived.
    pub pages: usize,
    /// Milliseconds from the first run that decided to the first of them.
    pub first: f64,
    /// The size of the largest.
    pub bytes: usize,
}

/// The role: has every canary fail, and all of it looked at, some times.
pub(crate) fn role(file: &Path) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let (service, _logs) = prober::load(file, "error");
        let store = prober::open(&service).await;
        let engine = prober::engine(&service, &Arc::new(StallLog::default()), &store);
        let reports: Vec<Arc<RunReport>> =
            futures::stream::iter(&service.plan.canaries).map(|canary| fail(&engine, canary)).buffered(16).collect().await;
        let report = prober::Report::start(&service, store);
        let before = resident(std::process::id());
        let meter = Meter::start(std::process::id());
        let (mut worst, mut decided, mut order) = (0.0_f64, 0, 0);
        for round in 0..ROUNDS {
            if round == 1 {
                decided = micros(SystemTime::now());
            }
            let began = Instant::now();
            for failed in &reports {
                order += 1;
                let tick = Tick { due: SystemTime::now(), order, ..failed.tick };
                report.run(&Arc::new(RunReport { run_id: RunId(ulid::Ulid::generate()), tick, ..RunReport::clone(failed) }));
            }
            report.alerts.status().await.expect("it answers when it has looked at all that came before");
            worst = worst.max(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let cpu_micros = meter.cost(usize::try_from(order).expect("a few thousand")).cpu_micros;
        let memory = resident(std::process::id()).saturating_sub(before);
        report.end().await;
        say(&Seen { decided, millis: worst, cpu_micros, memory });
    });
}

async fn fail(engine: &Engine, canary: &Arc<Canary>) -> Arc<RunReport> {
    let request = RunRequest {
        trigger: Trigger::Schedule,
        tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
        detail: Detail::Failures,
        cancel: CancellationToken::new(),
    };
    let finished = engine.run(Arc::clone(canary), request).await;
    assert_eq!(finished.report.verdict, Verdict::Failed, "{:?}", finished.report.cause);
    finished.report
}

/// Lets so many canaries fail in a process of their own.
#[expect(clippy::cast_precision_loss, reason = "far fewer milliseconds than a float has digits")]
pub(crate) fn measure(canaries: usize) -> Storm {
    let directory = tempfile::tempdir().expect("there is room for temporary files");
    let (_target, url) = target::start();
    let pager = Pager::start();
    let shape = Shape { probes: 0, cells: 0, broken: (1, canaries / REGIONS.len()) };
    let file = files::write(directory.path(), shape, &url, &pager.url);
    let service = std::fs::read_to_string(&file).expect("it was just written");
    std::fs::write(&file, service.replacen("region = \"home\"", &format!("regions = {REGIONS:?}"), 1))
        .expect("it can be written again");
    let seen: Seen = Role::start("storm", &file).hear();
    let sent = pager.pages();
    let first = sent.iter().map(|page| page.at).min().expect("it pages");
    let bytes = sent.iter().map(|page| page.bytes).max().unwrap_or(0);
    Storm { first: (first as f64 - seen.decided as f64) / 1e3, pages: sent.len(), bytes, seen }
}
