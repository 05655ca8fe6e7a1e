//! The step kind `exec` on the real engine, with programs that every Debian machine has.
//!
//! `given` is what a program gets and what is known of it, `ends` how it is ended and what is left of it, `hostile` what it may say,
//! `policies` what steps do with it, `init` what this process does as PID 1.

mod ends;
mod given;
mod hostile;
mod init;
mod policies;

use std::fmt::Write as _;
use std::path::Path;

use serinus::outcome::{AttemptDetail, Observed};

use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};
use crate::waiting::until;

/// A journey that asks no target.
async fn journey() -> Journey {
    Journey::new(&Target::start(|_| Answer::json(200, "{}")).await)
}

/// A step that runs this script, with further keys.
fn script(script: &str, keys: &str) -> String {
    format!("[[step]]\nname = \"run\"\nexec.command = [\"/bin/sh\", \"-c\", '''{script}''']\nexec.inherit = [\"PATH\"]\n{keys}\n")
}

/// The same with these expectations.
fn expecting(source: &str, expect: &[&str]) -> String {
    let mut keys = "expect = [".to_owned();
    for each in expect {
        write!(keys, "{each:?}, ").unwrap();
    }
    script(source, &(keys + "]"))
}

/// What is told of the last attempt of the first step.
fn observed(ran: &Ran) -> &Observed {
    match &ran.report.steps[0].attempts.last().unwrap().detail {
        Some(AttemptDetail::Other(observed)) => observed,
        other => panic!("{other:?}"),
    }
}

fn received(ran: &Ran) -> &str {
    &observed(ran).transcript.as_ref().unwrap().received
}

/// Waits until a script has written so many numbers of processes into a file.
async fn pids(file: &Path, many: usize) -> Vec<i32> {
    let read = || async {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let pids: Vec<i32> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        (pids.len() == many && text.ends_with('\n')).then_some(pids)
    };
    until("the program's start", read).await
}

/// Whether a process is there and is no zombie.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

async fn all_gone(pids: &[i32]) {
    until("the end of all processes", || async { pids.iter().all(|pid| !is_running(*pid)).then_some(()) }).await;
}
