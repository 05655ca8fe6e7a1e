//! The runtime that commands run on.

use std::time::Duration;

use crate::app::raise_file_limit;
use crate::run::step::guard_programs;

use super::Exit;
use super::exit::Failure;

/// How long tasks of the runtime may go on after the command has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The command that guards programs of steps.
const EXEC_GUARD: &str = "exec-guard";

/// Carries out a command on a runtime with a thread for each core.
pub(crate) fn on_runtime(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    raise_file_limit();
    guard_programs(EXEC_GUARD);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("probes")
        .build()
        .map_err(|error| Failure::prober(format!("cannot start the runtime's threads: {error}")))?;
    let exit = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_WORDS);
    exit
}
