//! Which children of this process belong to whom.
//!
//! Children belong to the process, however many engines it has, so this state is global. An exit status can be read once: reaping
//! orphans must leave alone every child whose status is waited for, also one that is only just being started.

use std::collections::HashSet;
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock, RwLockReadGuard};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

/// Children that somebody waits for.
static WAITED_FOR: Mutex<Option<HashSet<Pid>>> = Mutex::new(None);

/// Read-locked while a child is started, write-locked while orphans are reaped, so that no child is found before it is known.
static STARTING: RwLock<()> = RwLock::new(());

/// Whether the files that this process was started with are kept from its children.
static INHERITED: Once = Once::new();

/// Those before are input, output and errors.
const FIRST_FILE: i32 = 3;

/// Starts a child that somebody will [`reap`].
pub(super) fn start(command: &mut Command) -> io::Result<(Child, Pid)> {
    // Files that this process opens are closed in its children. Files that it inherited, as from a shell, may not be.
    INHERITED.call_once(|| close_fds::set_fds_cloexec(FIRST_FILE, &[]));
    let _starting: RwLockReadGuard<'_, ()> = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    waited_for().get_or_insert_default().insert(pid);
    Ok((child, pid))
}

/// How a child ended, if it has. It stays as it is, and keeps its number and that of its group, until it is reaped.
pub(super) fn ended(pid: Pid) -> io::Result<Option<WaitIdStatus>> {
    Ok(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)?)
}

/// Reads the status of a child that has ended, which frees its number.
pub(super) fn reap(pid: Pid) -> io::Result<Option<WaitIdStatus>> {
    // The lock is held meanwhile, because another child may get the number at once.
    let mut waited_for = waited_for();
    let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?;
    if let Some(known) = waited_for.as_mut().filter(|_| status.is_some()) {
        known.remove(&pid);
    }
    Ok(status)
}

/// Reaps those of these children that have ended and nobody waits for.
pub(super) fn reap_others(pids: impl FnOnce() -> Vec<Pid>) -> usize {
    let _nobody_starts = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    let waited_for = waited_for();
    let others = pids().into_iter().filter(|pid| !waited_for.as_ref().is_some_and(|known| known.contains(pid)));
    let reaped =
        others.filter(|pid| matches!(waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(Some(_))));
    reaped.count()
}

fn waited_for() -> MutexGuard<'static, Option<HashSet<Pid>>> {
    WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn until_ended(pid: Pid) {
        let patience = Instant::now() + Duration::from_mins(1);
        while ended(pid).unwrap().is_none() {
            assert!(Instant::now() < patience, "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn who_reaps_orphans_leaves_a_child_that_somebody_waits_for_and_takes_any_other() {
        let exits = |code: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("exit {code}")]);
            command
        };
        let (_child, own) = start(&mut exits("7")).unwrap();
        let other = Pid::from_child(&exits("8").spawn().unwrap());
        [own, other].into_iter().for_each(until_ended);
        assert_eq!(reap_others(|| vec![own, other]), 1);
        assert!(ended(other).is_err(), "nothing is left of it");
        assert_eq!(reap(own).unwrap().unwrap().exit_status(), Some(7));
        assert!(reap(own).is_err(), "its number is free");
        assert_eq!(reap_others(|| vec![own]), 0);
    }
}
