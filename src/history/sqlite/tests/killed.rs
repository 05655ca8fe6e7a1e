//! A process that is killed while it writes loses nothing that was acknowledged, and leaves nothing half.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::testing::{attempt, canary, entry, incident, open, run, runs, state};
use crate::history::Recorder as _;
use crate::outcome::{Ledger, Verdict};

/// Where the child finds its directory.
const DIRECTORY: &str = "SERINUS_TEST_STORE";

/// How often the child is killed.
const ROUNDS: u64 = 30;

/// The child: commits until it is killed, and says each number once it is durable. It does nothing where it was not started for it.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let (store, restored) = open(Path::new(&directory));
    let eu = canary("p", "eu");
    let first = restored.states.iter().filter(|row| row.kind == "a").map(|row| row.key.parse::<u64>().unwrap() + 1).max();
    let mut out = std::io::stderr().lock();
    for number in first.unwrap_or(0).. {
        // What is only offered comes in between, all the time.
        for extra in 0..20 {
            store.record(runs([run(&eu, Verdict::Passed, number * 20 + extra)]));
        }
        let id = format!("{number:08}");
        let mut commit = runs([run(&eu, Verdict::Failed, number)]);
        commit.states = vec![state("a", &id, Some("1")), state("b", &id, Some("1"))];
        commit.incidents = vec![incident(&id, None)];
        commit.tries = vec![attempt(&id, &[&id], number)];
        let intent = store.intend(entry(&id));
        store.commit(commit).blocking_recv().unwrap();
        futures::executor::block_on(intent).unwrap();
        writeln!(out, "durable {number}").unwrap();
    }
}

#[test]
fn whatever_was_acknowledged_is_there_after_a_kill_and_nothing_is_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = None;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::sqlite::tests::killed::child", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after so many more, somewhere within the next one.
        let more = fastrand::usize(1..40);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.map_while(Result::ok).filter(|line| line.starts_with("durable ")).take(more) {
            acknowledged = line.strip_prefix("durable ").map(|number| number.parse::<u64>().unwrap());
        }
        std::thread::sleep(std::time::Duration::from_micros(fastrand::u64(0..5_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let (store, restored) = open(directory.path());
        assert_eq!(restored.damaged, None, "round {round}");
        let keys = |kind: &str| {
            let rows = restored.states.iter().filter(|row| row.kind == kind);
            rows.map(|row| row.key.clone()).collect::<Vec<_>>()
        };
        let written = keys("a");
        let numbers: Vec<String> = (0..written.len()).map(|number| format!("{number:08}")).collect();
        assert_eq!(written, numbers, "round {round}: none is missing in between");
        assert!(written.len() as u64 > acknowledged.unwrap(), "round {round}: {acknowledged:?} was said to be durable");
        assert_eq!(keys("b"), numbers, "round {round}");
        assert_eq!(restored.incidents.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), numbers);
        assert_eq!(restored.tries.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), numbers);
        assert!(restored.ledger.len() >= numbers.len());
        assert!(store.close(super::super::testing::LONG));
    }
}
