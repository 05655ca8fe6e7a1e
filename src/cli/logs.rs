//! How much a command logs on standard error.

use std::time::Duration;

use crate::plan::LogFormat;
use crate::telemetry::logs::{LogGuard, init};

use super::exit::Failure;

/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What a command logs where `RUST_LOG` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// What a service is expected to say, one line a run among it.
    Info,
    /// What went wrong with the prober, and no runs: the command shows those itself.
    Errors,
}

/// Writes the last lines when it is dropped.
pub(crate) struct Logs(LogGuard);

impl Drop for Logs {
    fn drop(&mut self) {
        // If nobody reads standard error, the lines are lost already.
        let _ = self.0.stop(LAST_LINES);
    }
}

/// Starts logging for the whole process.
pub(crate) fn start(format: LogFormat, verbosity: Verbosity) -> Result<Logs, Failure> {
    let default = match verbosity {
        Verbosity::Info => "info",
        Verbosity::Errors => "error",
    };
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned());
    init(format, &filter).map(Logs).map_err(|error| Failure::usage(chain(&error)))
}

/// An error and everything it came from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
