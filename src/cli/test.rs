//! `serinus test`: runs probes now, one after the other, and prints everything they saw. Stores nothing, pages nobody.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::app::StopSignals;
use crate::outcome::{Tick, Trigger};
use crate::plan::{Canary, LogFormat};
use crate::run::{Detail, RunRequest, StallLog};
use crate::schedule::{Runner, watch};

use super::args::{TestArgs, TestOutput};
use super::exit::Failure;
use super::logs::{self, Verbosity};
use super::report::{FinishedRun, human, junit};
use super::select::{Selection, choose};
use super::{Exit, Printer};

pub(crate) async fn test(printer: &Printer, config: Option<&Path>, args: &TestArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let stalls = Arc::new(StallLog::default());
    let chosen = choose(printer, config, args, &stalls)?;
    let cancel = CancellationToken::new();
    let stop = CancellationToken::new();
    let watchdog = tokio::spawn(watch(stalls, |_| {}, stop.clone()));
    let mut runs = std::pin::pin!(run_all(printer, &chosen, args, &cancel));
    let done = tokio::select! {
        done = &mut runs => done,
        () = signals.next() => {
            printer.note("stopping: the run is cut, its cleanup goes on; again to leave at once");
            cancel.cancel();
            tokio::select! {
                done = &mut runs => done,
                () = signals.next() => return Err(Failure::prober("stopped at once: what the run created was not cleaned up")),
            }
        }
    };
    stop.cancel();
    watchdog.await.map_err(|error| Failure::prober(format!("the watchdog ended badly: {error}")))?;
    if args.output == TestOutput::Junit {
        printer.data(&junit(&done));
    }
    if done.len() > 1 {
        printer.note(&summary(&done));
    }
    Ok(Exit::of(done.iter().map(|done| done.report.verdict)))
}

async fn run_all(printer: &Printer, chosen: &[Selection], args: &TestArgs, cancel: &CancellationToken) -> Vec<FinishedRun> {
    let mut all = Vec::new();
    for Selection { runner, canaries } in chosen {
        for canary in canaries {
            for _ in 0..args.repeat.get() {
                if cancel.is_cancelled() || printer.closed() {
                    return all;
                }
                let progress = printer.progress(format!("running {}", canary.id));
                let done = run_one(&**runner, canary, cancel).await;
                drop(progress);
                show(printer, &done, args.output);
                all.push(done);
            }
        }
    }
    all
}

async fn run_one(runner: &dyn Runner, canary: &Arc<Canary>, cancel: &CancellationToken) -> FinishedRun {
    let request = RunRequest {
        trigger: Trigger::Test,
        tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
        detail: Detail::Everything,
        cancel: cancel.clone(),
    };
    let finished = runner.run(Arc::clone(canary), request).await;
    let cleanup = match finished.cleanup {
        Some(cleanup) => Some(cleanup.await),
        None => None,
    };
    FinishedRun { report: finished.report, cleanup }
}

fn show(printer: &Printer, done: &FinishedRun, output: TestOutput) {
    match output {
        TestOutput::Human => printer.data(&format!("{}\n", human(&done.to_json(), printer.style(), printer.size().0))),
        TestOutput::Json => printer.data(&done.to_json().to_string()),
        // One document of all runs is printed at the end.
        TestOutput::Junit => {}
    }
}

fn summary(done: &[FinishedRun]) -> String {
    let count = |verdict| done.iter().filter(|done| done.report.verdict == verdict).count();
    let counts =
        crate::outcome::Verdict::ALL.into_iter().map(|verdict| (verdict, count(verdict))).filter(|&(_, count)| count > 0);
    let counts: Vec<String> = counts.map(|(verdict, count)| format!("{count} {verdict}")).collect();
    format!("{} runs: {}", done.len(), counts.join(", "))
}
