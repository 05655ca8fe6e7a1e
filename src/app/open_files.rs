//! The bound on open files, sockets among them: raised at the start to what the system allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More is of no use: runs, the listener and pages need a few thousand.
const ENOUGH: u64 = 1 << 20;
/// With fewer, bursts of runs may find no socket.
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

/// Says so where there are few.
pub(super) fn warn_of_few() {
    let current = getrlimit(Resource::Nofile).current;
    if let Some(files) = current.filter(|files| *files < FEW) {
        tracing::warn!(
            files,
            "this process may open few files: the listener takes fewer connections, and runs may end as `errored` for want of sockets; raise `ulimit -n`"
        );
    }
}
