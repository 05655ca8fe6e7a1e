//! The built program as a service in a folder of its own, which can be killed at any moment.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes nearly as long; it only keeps a broken program from hanging the tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// The token of the API.
pub(crate) const TOKEN: &str = "a-token-for-the-tests";

/// The program in a folder, with nothing of the developer's own environment that could change what it does.
pub(crate) fn serinus(folder: &Path) -> Command {
    set(Command::new(program()), folder)
}

/// The program that is killed: the one built with the tests, or another build of it.
pub(crate) fn program() -> String {
    std::env::var("SERINUS_CHAOS_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_serinus").to_owned())
}

/// A command in a folder with the environment that the program needs.
pub(crate) fn set(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SERINUS_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env("CANARY_PASSWORD", "sandbox-password").env("API_TOKEN", TOKEN);
    command
}

/// A service that runs.
pub(crate) struct Prober {
    child: Child,
    address: mpsc::Receiver<String>,
    log: PathBuf,
}

impl Prober {
    /// Starts `serinus run`; what it says is added to `log` in its folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = serinus(folder);
        command.args(["run", "-c", "serinus.toml"]);
        Self::start_as(command, folder)
    }

    /// Starts it by a command that becomes it.
    pub(crate) fn start_as(mut command: Command, folder: &Path) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program was built");
        let log = folder.join("log");
        let mut copy = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writeln!(copy, "{line}").unwrap();
                if let Some(found) = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()) {
                    // It may have been killed by now, and nobody waits for it.
                    let _ = tell.send(found.to_owned());
                }
            }
        });
        Self { child, address, log }
    }

    /// Waits until it probes, and says where it listens.
    pub(crate) fn address(&self) -> String {
        self.address.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never listened:\n{}", self.said()))
    }

    /// Everything that was said in its folder so far, by it and those before it.
    pub(crate) fn said(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// SIGKILL, now.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "it had ended by itself:\n{}", self.said());
    }

    /// Asks it to stop and waits for that.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of the program to its end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    serinus(folder).args(args).output().expect("the program was built")
}

/// Fetches JSON; `None` if nobody answers.
pub(crate) fn get(address: &str, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.contains(" 200 "), "{path}: {answer}");
    Some(serde_json::from_str(body).expect("the body is JSON"))
}
