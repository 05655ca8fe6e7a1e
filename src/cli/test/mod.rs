//! `serinus test`: runs probes now and prints what they saw: a line for what passed, and all about what did not. Stores nothing, pages
//! nobody.
//!
//! `batch` makes the runs and shows each, `summary` says what came of all of them, `objectives` where they would be over what the probe
//! promises, `only` leaves steps out,
//! and `watch` does it again after each change of a file.

mod batch;
mod objectives;
pub(super) mod only;
mod summary;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::StopSignals;
use crate::outcome::visible;
use crate::plan::LogFormat;
use crate::run::StallLog;
use crate::schedule::watch as watch_for_stalls;

use super::args::{TestArgs, TestOutput};
use super::exit::Failure;
use super::logs::{self, Verbosity};
use super::report::{FinishedRun, junit};
use super::select::choose;
use super::{Exit, Printer};

/// A command that is being obeyed.
struct Test<'a> {
    printer: &'a Printer,
    config: Option<&'a Path>,
    args: &'a TestArgs,
    signals: StopSignals,
}

/// How a round of runs ended.
struct Ended {
    exit: Exit,
    /// Whether somebody asked to stop.
    stopped: bool,
}

pub(crate) async fn test(printer: &Printer, config: Option<&Path>, args: &TestArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let mut test = Test { printer, config, args, signals };
    if args.watch { watch::watch(&mut test).await } else { Ok(test.round(&mut Vec::new()).await?.exit) }
}

impl Test<'_> {
    /// Loads the probes and runs each canary. The files that were read are in `read`, even if they are not valid.
    async fn round(&mut self, read: &mut Vec<PathBuf>) -> Result<Ended, Failure> {
        let stalls = Arc::new(StallLog::default());
        let chosen = choose(self.printer, self.config, self.args, &stalls, read)?;
        let (cancel, stop) = (CancellationToken::new(), CancellationToken::new());
        let watchdog = tokio::spawn(watch_for_stalls(stalls, |_| {}, stop.clone()));
        let mut runs = std::pin::pin!(batch::run_all(self.printer, &chosen, self.args, &cancel));
        let (done, stopped) = tokio::select! {
            done = &mut runs => (done?, false),
            () = self.signals.next() => {
                self.printer.note("stopping: runs that go on are cut, their cleanup is made; again to leave at once");
                cancel.cancel();
                tokio::select! {
                    done = &mut runs => (done?, true),
                    () = self.signals.next() => return Err(Failure::prober("stopped at once: what the runs created was not cleaned up")),
                }
            }
        };
        stop.cancel();
        watchdog.await.map_err(|error| Failure::prober(format!("the watchdog ended badly: {error}")))?;
        self.conclude(&done);
        Ok(Ended { exit: Exit::of(done.iter().map(|done| done.report.verdict)), stopped })
    }

    /// Prints what is to be said of all runs together.
    fn conclude(&self, done: &[FinishedRun]) {
        let repeated = self.args.repeat.get() > 1;
        match self.args.output {
            TestOutput::Human => {
                if let Some(summary) = summary::summary(done, repeated, self.printer.style()) {
                    self.printer.data(&summary);
                }
                return;
            }
            TestOutput::Json => {}
            TestOutput::Junit => self.printer.data(&junit(done)),
        }
        if done.len() > 1 {
            self.printer.note(&summary::counts(done, false));
        }
        for line in summary::objectives(done, repeated) {
            self.printer.note(&visible(&line));
        }
    }
}
