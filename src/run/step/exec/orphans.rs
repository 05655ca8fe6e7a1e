//! Reaping where this process is PID 1, as in a container: processes whose parents are gone become its children, and stay as
//! zombies until it has read how they ended.
//!
//! A child that somebody in this process waits for is left alone: a program of a step is known by [`children`], and any other child is
//! in this process's own group, in which no orphan of a program can be.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, getpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use super::{ExecPool, children};

/// The pause before zombies are looked for. Reaping is not urgent, and looking for them reads `/proc` of every process.
const PAUSE: Duration = Duration::from_millis(200);

impl ExecPool {
    /// From now on orphans are reaped, if they come to this process, until the last clone of the pool is gone.
    pub(super) fn reap_orphans(&self) {
        self.orphans.get_or_init(|| getpid().is_init().then(|| AbortOnDropHandle::new(tokio::spawn(reaping()))));
    }
}

async fn reaping() {
    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    while ended.recv().await.is_some() {
        // Many that end together are looked for once.
        tokio::time::sleep(PAUSE).await;
        let reaped = spawn_blocking(|| children::reap_others(zombies)).await.unwrap_or_default();
        if reaped > 0 {
            tracing::debug!(reaped, "orphans of programs were reaped");
        }
    }
}

/// Children that have ended, in other process groups than this process is in.
fn zombies() -> Vec<Pid> {
    let stat = |process: &str| fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A group that was begun outside of a container has the number 0 in it, which the system's own call gives as one that cannot be.
    let own = stat("self");
    let (Some(ProcStat { group, .. }), Ok(processes)) = (ProcStat::read(&own), fs::read_dir("/proc")) else { return Vec::new() };
    let parent = getpid().as_raw_pid();
    let pids = processes.flatten().filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| {
        let stat = stat(&pid.as_raw_pid().to_string());
        ProcStat::read(&stat).is_some_and(|stat| stat.has_ended && stat.parent == parent && stat.group != group)
    })
    .collect()
}

/// What is looked at of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct ProcStat {
    has_ended: bool,
    parent: i32,
    group: i32,
}

impl ProcStat {
    fn read(stat: &str) -> Option<Self> {
        // The name, in brackets, may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        Some(Self { has_ended: fields.next()? == "Z", parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_process_is_read_whatever_its_name() {
        let ended = Some(ProcStat { has_ended: true, parent: 1, group: 70 });
        assert_eq!(ProcStat::read("77 (sleep) Z 1 70 70 0 -1"), ended);
        assert_eq!(ProcStat::read("77 (a) S 9 (b) Z 1 70 70 0 -1"), ended, "a name may look like the rest");
        assert_eq!(ProcStat::read("77 (sleep) S 5 0 0 0 -1"), Some(ProcStat { has_ended: false, parent: 5, group: 0 }));
        assert_eq!((ProcStat::read("77 (sleep"), ProcStat::read("")), (None, None), "it is gone meanwhile");
    }
}
