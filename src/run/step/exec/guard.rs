//! Ends programs of steps when this process is killed and cannot end them itself.
//!
//! The system's own way (`PR_SET_PDEATHSIG`) must be asked for between fork and exec, which needs `unsafe`, and it reaches no
//! grandchildren. So a guard is started with the first program: a second process of this program, with another command. It reads
//! from a pipe which process groups begin (`+PID`) and end (`-PID`). When this process ends, for whatever reason, the pipe ends;
//! the guard then kills the groups that are left, and ends too.

use std::collections::HashSet;
use std::io::{self, BufRead, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use std::os::unix::process::CommandExt as _;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};

use super::children;

/// This program, also if its file was replaced since it was started.
const THIS: &str = "/proc/self/exe";

static GUARD: Mutex<Guard> = Mutex::new(Guard::None);

enum Guard {
    /// There is no guard: no command was given, or it could not be started.
    None,
    /// Not started yet; the command to start it with.
    Command(&'static str),
    /// It is there.
    There { pid: Pid, pipe: ChildStdin },
}

/// Programs of steps are guarded from now on. `command` is the command of this program that calls [`run_guard`].
pub fn guard_programs(command: &'static str) {
    *GUARD.lock().unwrap_or_else(PoisonError::into_inner) = Guard::Command(command);
}

/// The guard's main loop: reads until the other process is gone, and then kills the groups it left.
pub fn run_guard(input: impl BufRead) {
    for group in left_over(input) {
        // It may have ended since.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The groups that began and did not end.
fn left_over(input: impl BufRead) -> HashSet<Pid> {
    let mut groups = HashSet::new();
    for line in input.lines().map_while(Result::ok) {
        let group = |number: &str| Pid::from_raw(number.parse::<u32>().ok()?.try_into().ok()?);
        match line.split_at_checked(1) {
            Some(("+", number)) => groups.extend(group(number)),
            Some(("-", number)) => groups.retain(|known| Some(*known) != group(number)),
            Some(_) | None => {}
        }
    }
    groups
}

/// A group begins.
pub(super) fn group_begins(group: Pid) {
    send('+', group);
}

/// A group ends: its number will be free at once.
pub(super) fn group_ends(group: Pid) {
    send('-', group);
}

fn send(sign: char, group: Pid) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Guard::Command(command) = *guard {
        *guard = start(command).unwrap_or_else(|error| {
            tracing::warn!(%error, "the guard of programs cannot be started: if this process is killed, they go on");
            Guard::None
        });
    }
    let Guard::There { pid, pipe } = &mut *guard else { return };
    // A line is short enough for the pipe to take it whole or not at all.
    if let Err(error) = pipe.write_all(format!("{sign}{}\n", group.as_raw_pid()).as_bytes()) {
        tracing::warn!(%error, "the guard of programs does not listen any more: if this process is killed, they go on");
        // The guard may still run; it ends when its pipe closes.
        let _ = children::reap(*pid);
        *guard = Guard::None;
    }
}

fn start(command: &str) -> io::Result<Guard> {
    let mut guard = Command::new(THIS);
    guard.arg(command).env_clear().current_dir("/").process_group(0);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, pid) = children::start(&mut guard)?;
    let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // A guard that is stopped must not block this process.
    fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    Ok(Guard::There { pid, pipe })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_and_did_not_end_is_left_whatever_else_is_said() {
        let left = left_over(&b"+10\n+11\n-10\n\nx\n+0\n+-5\n+abc\n\xc3\xa9\n-12\n+13\n"[..]);
        let mut left: Vec<i32> = left.into_iter().map(Pid::as_raw_pid).collect();
        left.sort_unstable();
        assert_eq!(left, [11, 13]);
    }
}
