//! Log lines on standard error, for people or as JSON.
//!
//! Owns the subscriber, the thread that writes (standard error may be a pipe nobody reads) and the one line each run gets.
//! Lines are formatted where they are logged and written elsewhere; what does not fit the queue is dropped and counted.

mod line;
mod writer;

use std::io;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

use crate::plan::LogFormat;

pub use line::{cleanup_finished, run_finished};
pub use writer::LogGuard;
use writer::{LineQueue, Lines};

/// Crates that log every connection. A filter that names one of them turns it on again.
const QUIET: &str =
    "hyper=off,hyper_util=off,h2=off,reqwest=off,rustls=off,opentelemetry=off,tokio_cron_scheduler=warn,deadpool=error";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("the log filter `{filter}` cannot be read; write a level, or TARGET=LEVEL separated by commas")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The writing thread could not be started.
    #[error("the log writer's thread cannot be started")]
    Thread(#[source] io::Error),
    /// The process logs to somewhere else already.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Sends what `filter` lets through to standard error, from now on and from the whole process. Lines are lost when the guard
/// is dropped without [`LogGuard::stop`] and the process ends at once.
///
/// `filter` is a level or a list of `TARGET=LEVEL`, in `tracing-subscriber`'s syntax; the project's default is `info`.
///
/// # Errors
/// If the filter cannot be read, or logging was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<LogGuard, LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let (guard, lines) = writer::start(Box::new(io::stderr())).map_err(LogError::Thread)?;
    subscriber(format, filter, lines).try_init().map_err(LogError::Twice)?;
    Ok(guard)
}

fn subscriber(format: LogFormat, filter: EnvFilter, lines: Arc<LineQueue>) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(lines)).with_ansi(false);
    match format {
        LogFormat::Human => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish()),
    }
}

#[cfg(test)]
mod tests;
