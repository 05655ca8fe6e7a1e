//! Makes the runs: several canaries side by side, the runs of each one after the other, and shows each as soon as it may be shown.
//!
//! Owns the order of the output. For people a canary is printed whole when it is done. JSON has the order of the canaries, whichever is
//! done first; so has what is given back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::SystemTime;

use futures::{StreamExt as _, stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::cli::Printer;
use crate::cli::args::{TestArgs, TestOutput};
use crate::cli::exit::Failure;
use crate::cli::progress::Progress;
use crate::cli::report::{FinishedRun, brief, human};
use crate::cli::select::Selection;
use crate::outcome::{Tick, Trigger, Verdict};
use crate::plan::Canary;
use crate::run::{Detail, RunRequest};
use crate::schedule::Runner;

use super::objectives::of_run;

/// A run that is over, and the number of its canary.
type Told = (usize, FinishedRun);

/// Makes all runs and shows them. Gives them in the order of their canaries, the runs of each in theirs. After `cancel` no run begins.
///
/// # Errors
/// A run ended without a report, which none should.
pub(super) async fn run_all(
    printer: &Printer,
    chosen: &[Selection],
    args: &TestArgs,
    cancel: &CancellationToken,
) -> Result<Vec<FinishedRun>, Failure> {
    let canaries = chosen.iter().flat_map(|selection| selection.canaries.iter().map(|canary| (&selection.runner, canary)));
    let canaries: Vec<_> = canaries.map(|(runner, canary)| (Arc::clone(runner), Arc::clone(canary))).collect();
    let board = Board::new(printer, args, &canaries, cancel);
    let (tell, told) = unbounded_channel();
    let making = make(canaries, args, tell, cancel);
    let (made, shown) = tokio::join!(making, board.follow(told));
    made.map(|()| shown)
}

async fn make(
    canaries: Vec<(Arc<dyn Runner>, Arc<Canary>)>,
    args: &TestArgs,
    tell: UnboundedSender<Told>,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let repeat = args.repeat;
    let tasks = canaries.into_iter().enumerate().map(|(number, (runner, canary))| {
        let (tell, cancel) = (tell.clone(), cancel.clone());
        async move {
            if cancel.is_cancelled() {
                return Ok(());
            }
            // A task of its own, so that what one run computes delays no other.
            tokio::spawn(async move { repeated(&*runner, &canary, repeat, &cancel, |run| drop(tell.send((number, run)))).await })
                .await
        }
    });
    let mut ended = stream::iter(tasks).buffer_unordered(usize::from(args.jobs));
    while let Some(end) = ended.next().await {
        end.map_err(|error| Failure::prober(format!("a run ended badly: {error}")))?;
    }
    Ok(())
}

async fn repeated(
    runner: &dyn Runner,
    canary: &Arc<Canary>,
    repeat: NonZeroU32,
    cancel: &CancellationToken,
    tell: impl Fn(FinishedRun),
) {
    for _ in 0..repeat.get() {
        if cancel.is_cancelled() {
            return;
        }
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
        tell(FinishedRun { report: finished.report, cleanup });
    }
}

/// What is over, and what of it was shown.
struct Board<'a> {
    printer: &'a Printer,
    args: &'a TestArgs,
    cancel: &'a CancellationToken,
    progress: Option<Progress>,
    /// By canary.
    done: Vec<Vec<FinishedRun>>,
    /// How many runs of each were shown.
    shown: Vec<usize>,
    /// Columns of the longest name of a canary.
    widest: usize,
}

impl<'a> Board<'a> {
    fn new(
        printer: &'a Printer,
        args: &'a TestArgs,
        canaries: &[(Arc<dyn Runner>, Arc<Canary>)],
        cancel: &'a CancellationToken,
    ) -> Self {
        let widest = canaries.iter().map(|(_, canary)| canary.id.as_str().chars().count()).max().unwrap_or(0);
        let board = Self {
            printer,
            args,
            cancel,
            progress: None,
            done: canaries.iter().map(|_| Vec::new()).collect(),
            shown: vec![0; canaries.len()],
            widest,
        };
        let what = match canaries {
            [(_, only)] if args.repeat.get() == 1 => format!("running {}", only.id),
            _ => board.so_far(),
        };
        Self { progress: printer.progress(what), ..board }
    }

    /// `12 of 40 done, 2 failed`.
    fn so_far(&self) -> String {
        let runs = || self.done.iter().flatten();
        let failed = runs().filter(|run| run.report.verdict == Verdict::Failed).count();
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        format!("{} of {} done{failed}", runs().count(), self.done.len() * self.repeat())
    }

    fn repeat(&self) -> usize {
        usize::try_from(self.args.repeat.get()).unwrap_or(usize::MAX)
    }

    /// Takes every run in and shows it. Gives all of them in order.
    async fn follow(mut self, mut told: UnboundedReceiver<Told>) -> Vec<FinishedRun> {
        while let Some((number, run)) = told.recv().await {
            self.done[number].push(run);
            if let Some(progress) = &self.progress {
                progress.set(self.so_far());
            }
            match self.args.output {
                TestOutput::Human if self.done[number].len() == self.repeat() || self.is_alone() => self.show(number),
                TestOutput::Json => self.show_in_order(),
                // One document of all runs is printed at the end.
                TestOutput::Human | TestOutput::Junit => {}
            }
            if self.printer.closed() {
                self.cancel.cancel();
            }
        }
        // What was cut short waits for nothing any more.
        if self.args.output != TestOutput::Junit {
            (0..self.done.len()).for_each(|number| self.show(number));
        }
        self.done.into_iter().flatten().collect()
    }

    /// Whether no other canary's runs could come between.
    fn is_alone(&self) -> bool {
        self.done.len() == 1 || self.args.jobs == 1
    }

    /// Shows the canaries that are next, as far as they are over.
    fn show_in_order(&mut self) {
        for number in 0..self.done.len() {
            self.show(number);
            if self.shown[number] < self.repeat() {
                return;
            }
        }
    }

    /// Shows the runs of a canary that were not shown yet.
    fn show(&mut self, number: usize) {
        let first = std::mem::replace(&mut self.shown[number], self.done[number].len());
        let text: String = self.done[number][first..].iter().map(|run| self.text(run)).collect();
        let write = || self.printer.data(&text);
        match &self.progress {
            _ if text.is_empty() => {}
            Some(progress) => progress.aside(write),
            None => write(),
        }
    }

    fn text(&self, run: &FinishedRun) -> String {
        let (style, columns) = (self.printer.style(), self.printer.size().0);
        match self.args.output {
            TestOutput::Json => format!("{}\n", run.to_json()),
            TestOutput::Human if self.args.verbose => format!("{}\n", human(&run.to_json(), style, columns)),
            TestOutput::Human | TestOutput::Junit => {
                let over = if self.repeat() == 1 { of_run(run) } else { None };
                brief(run, over.as_deref(), style, (columns, self.widest))
            }
        }
    }
}
