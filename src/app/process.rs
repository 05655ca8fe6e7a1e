//! What the process asks of the operating system: the signals that stop it, and how many files it may open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// More open files are of no use: runs, the listener and pages need a few thousand.
const ENOUGH: u64 = 1 << 20;
/// With fewer open files, bursts of runs may find no socket.
const FEW: u64 = 1_024;

/// Raises how many files this process may open, as far as it may itself. Systems begin with 1,024 for the sake of programs that
/// use `select`, and allow far more.
pub fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_some_and(|current| current < wanted) {
        // It may be forbidden all the same; whoever starts then is told how few there are.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

/// Warns where this process may open few files.
pub(super) fn warn_of_few_files() {
    let current = getrlimit(Resource::Nofile).current;
    if let Some(files) = current.filter(|files| *files < FEW) {
        tracing::warn!(
            files,
            "this process may open few files: the listener takes fewer connections, and runs may end as `errored` for want of sockets; raise `ulimit -n`"
        );
    }
}

/// SIGTERM and SIGINT, caught from the moment this exists.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Starts to catch them.
    ///
    /// # Errors
    /// The operating system refused the handlers.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
