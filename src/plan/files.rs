//! How the files that a process may open are shared out, sockets among them.
//!
//! A newly opened file gets the lowest free number, so its number is at most the count of open files. A run or the listener that
//! gets a number beyond its share closes the file again. That keeps the last numbers for pages and the store, without a counter.

/// Connections of the listener where files are no matter.
const CONNECTIONS: u64 = 512;
/// Numbers at the end that runs leave to the listener, pages and the store; and those that the listener leaves too.
const AFTER_RUNS: u64 = 64;
const AFTER_LISTENER: u64 = 32;

/// Who may open how many of the files of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileShares {
    /// Connections of the listener at once; half of them only for who has sent the token.
    pub connections: usize,
    /// Runs open files below this number only.
    pub runs: u64,
    /// The listener takes connections below this number only.
    pub listener: u64,
}

impl FileShares {
    /// The shares where the process may open this many.
    pub fn of(limit: u64) -> Self {
        let connections = CONNECTIONS.min(limit / 4);
        Self {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            runs: limit - AFTER_RUNS.min(limit / 4),
            listener: limit - AFTER_LISTENER.min(limit / 8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_the_store_keep_files_whatever_the_limit_and_runs_leave_more_than_the_listener() {
        for limit in 0..5_000 {
            let shares = FileShares::of(limit);
            assert!(shares.runs <= shares.listener && shares.listener <= limit, "{limit}: {shares:?}");
            assert!(limit < 8 || shares.listener < limit, "{limit}: {shares:?}");
            assert!(limit < 8 || shares.runs < shares.listener, "{limit}: {shares:?}");
        }
        assert_eq!(FileShares::of(256), FileShares { connections: 64, runs: 192, listener: 224 });
        assert_eq!(FileShares::of(u64::MAX).connections, 512);
        assert_eq!(FileShares::of(65_536), FileShares { connections: 512, runs: 65_472, listener: 65_504 });
    }
}
