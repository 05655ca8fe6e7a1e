//! Processes of a measurement: each subject runs in one of its own, so that its CPU time and memory are its alone.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Ticks of the CPU times in `/proc` a second: fixed on Linux.
const TICKS: u64 = 100;

/// CPU time a process has used in user and kernel mode, its ended threads included; exact to 10 ms.
pub(crate) fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name in parentheses may hold anything; the 14th and 15th field of the whole are the 12th and 13th after it.
    let after = stat.rsplit_once(')').expect("the name is in parentheses").1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Memory of a process that is in RAM, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// This program in another role. It says one line of JSON when it is ready, does its work when it is told to, and ends when
/// its input does.
pub(crate) struct Role {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Role {
    /// Starts it and gives it its task.
    pub(crate) fn start(role: &str, task: &impl Serialize) -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(program)
            .args(["--role", role])
            .arg(serde_json::to_string(task).expect("a task is JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, input, output }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it says.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a role can be read from");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("a role said {line:?}: {error}"))
    }

    /// Lets it go on.
    pub(crate) fn tell(&mut self) {
        let input = self.input.as_mut().expect("it was not told to end");
        input.write_all(b"\n").and_then(|()| input.flush()).expect("a role listens");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.input = None;
        let ended = self.child.wait().expect("a role ends when its input does");
        assert!(ended.success() || std::thread::panicking(), "a role ended with {ended}");
    }
}

/// Another program, killed at the end.
pub(crate) struct Program(Child);

impl Program {
    /// Starts it with nothing to say; an error says that it is not installed.
    pub(crate) fn start(program: &str, arguments: &[&str], log: &Path) -> std::io::Result<Self> {
        let log = std::fs::File::create(log)?;
        Command::new(program).args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn().map(Self)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("a program can be ended");
    }
}

/// In a role: says a line.
pub(crate) fn say(what: &impl Serialize) {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, what).expect("the parent reads");
    output.write_all(b"\n").and_then(|()| output.flush()).expect("the parent reads");
}

/// In a role: waits for the word to go on, or, with `false`, for the end.
pub(crate) fn listen() -> bool {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("standard input is a pipe") > 0
}
