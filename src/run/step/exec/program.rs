//! A program that is running: started in a process group of its own, waited for, and ended with everything in that group.
//!
//! Its leader is reaped last: until then nobody else can have the group's number, so that a signal reaches this group or nobody.

use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt as _;

use rustix::process::{Pid, Signal, WaitIdStatus, kill_process_group};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::OwnedSemaphorePermit;

use super::{children, guard};

/// How long a program that is cut may take to end by itself.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Between two looks at one that was told to end.
const LOOK: Duration = Duration::from_millis(10);

/// A program that is running or has ended, and is not reaped. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Program {
    leader: Pid,
    /// The permit to run, held until the program is reaped, so that one that is slow to end counts too. `None` once it is reaped.
    permit: Option<OwnedSemaphorePermit>,
}

/// The ends of its pipes that this process has.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    /// `None` of one that a signal killed.
    pub(super) code: Option<i32>,
    /// The signal that killed it.
    pub(super) signal: Option<i32>,
}

impl Program {
    /// Starts it. Waits for the system to read the program's file.
    pub(super) fn start(mut command: Command, feeds: bool, permit: OwnedSemaphorePermit) -> io::Result<(Self, Pipes)> {
        command.process_group(0).stdin(if feeds { Stdio::piped() } else { Stdio::null() });
        let (mut child, leader) = children::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let program = Self { leader, permit: Some(permit) };
        guard::group_begins(leader);
        match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => Ok((program, Pipes { stdin: child.stdin.take(), stdout, stderr })),
            (_, _) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.leader.as_raw_pid()
    }

    /// Waits until it has ended. `ends` has been listening since before it was started.
    pub(super) async fn ended(&self, exits: &mut ChildExits) -> io::Result<()> {
        while children::ended(self.leader)?.is_none() {
            exits.0.recv().await;
        }
        Ok(())
    }

    /// Kills what is left in its group, and returns how it ended. It must have ended.
    pub(super) fn finish(mut self) -> io::Result<Exit> {
        self.permit = None;
        signal_group(self.leader, Signal::KILL);
        reap(self.leader)?.map(Exit::from).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let leader = self.leader;
        signal_group(leader, Signal::TERM);
        let ending = move || {
            end(leader);
            drop(permit);
        };
        if thread::Builder::new().name("exec-end".to_owned()).spawn(ending).is_err() {
            // No thread can be started: the program gets no grace, and it is reaped only if it ends at once.
            signal_group(leader, Signal::KILL);
            thread::sleep(LOOK);
            let _ = reap(leader);
        }
    }
}

/// Ends a group that was told to end, and waits for that.
fn end(leader: Pid) {
    let until = Instant::now() + GRACE;
    while Instant::now() < until && matches!(children::ended(leader), Ok(None)) {
        thread::sleep(LOOK);
    }
    signal_group(leader, Signal::KILL);
    // A process that waits for a device cannot be killed before the device answers. An error says that there is nothing to reap.
    while matches!(reap(leader), Ok(None)) {
        thread::sleep(LOOK);
    }
}

fn signal_group(leader: Pid, signal: Signal) {
    // Where it is refused, as of a program with another user's rights, nothing more can be done.
    let _ = kill_process_group(leader, signal);
}

fn reap(leader: Pid) -> io::Result<Option<WaitIdStatus>> {
    if children::ended(leader)?.is_none() {
        return Ok(None);
    }
    guard::group_ends(leader);
    children::reap(leader)
}

impl From<WaitIdStatus> for Exit {
    fn from(status: WaitIdStatus) -> Self {
        Self { code: status.exit_status(), signal: status.terminating_signal() }
    }
}

/// Tells when some child of this process has ended.
#[derive(Debug)]
pub(super) struct ChildExits(Signals);

impl ChildExits {
    pub(super) fn listen() -> io::Result<Self> {
        signal(SignalKind::child()).map(Self)
    }
}
