//! What the tests of the command line share: the built program, a target on loopback, and signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Nothing here takes nearly as long; it only keeps a broken program from hanging the tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until there is what is looked for.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The program, with nothing of the developer's own environment that could change what it does.
pub(crate) fn serinus(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serinus"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SERINUS_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env_remove("NO_COLOR");
    command
}

/// Runs it to its end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    serinus(folder).args(args).output().expect("the program was built")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is UTF-8")
}

/// Asserts an exit code, showing everything that was said if it is another.
#[track_caller]
pub(crate) fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", stdout(output), stderr(output));
}

/// A program that goes on until it is told to stop; killed if the test ends first.
pub(crate) struct Running {
    child: Child,
    stderr: mpsc::Receiver<String>,
    stdout: mpsc::Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program was built");
        let stdout = lines(child.stdout.take().expect("it is piped"));
        let stderr = lines(child.stderr.take().expect("it is piped"));
        Self { child, stderr, stdout }
    }

    /// The first line on standard output.
    pub(crate) fn first_line(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("it prints a line")
    }

    /// The first line on standard error, from now on, in which `word` stands.
    pub(crate) fn said(&self, word: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("it never said {word:?}"));
            if line.contains(word) {
                return line;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for its end. What it said last is shown where it did not end well, or was not expected to.
    #[expect(clippy::print_stderr, reason = "why it did not end well is seen with the test that failed for it")]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = until("its end", || self.child.try_wait().expect("it can be waited for"));
        if !status.success() {
            let said: Vec<String> = self.stderr.iter().collect();
            eprintln!("{status}: {}", said.join("\n"));
        }
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // A test that has heard enough goes on without the rest.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// How a target answers.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// 200 with `{"state": "ok"}`.
    Ok,
    /// The same, after this many milliseconds.
    Later(u64),
    /// Never.
    Silence,
}

/// An HTTP target on loopback, for as long as the test goes on.
pub(crate) fn target(answer: Answer) -> SocketAddr {
    target_that_tells(answer).0
}

/// A target that tells of each connection.
pub(crate) fn target_that_tells(answer: Answer) -> (SocketAddr, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Most tests do not listen.
            let _ = tell.send(());
            std::thread::spawn(move || serve(stream, answer));
        }
    });
    (address, told)
}

fn serve(mut stream: TcpStream, answer: Answer) {
    let mut head = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if head.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
        }
        if let Answer::Later(millis) = answer {
            std::thread::sleep(Duration::from_millis(millis));
        }
        match answer {
            Answer::Ok | Answer::Later(_) => {
                let body = r#"{"state": "ok"}"#;
                let written = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if written.is_err() {
                    return;
                }
            }
            Answer::Silence => {}
        }
    }
}

/// Fetches a path; empty if nobody answers.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it is connected");
        stream.read_to_string(&mut answer).expect("it answers");
    }
    answer
}

/// A probe of a target's `/`, due every second.
pub(crate) fn probe(name: &str, target: SocketAddr, expectation: &str) -> String {
    format!(
        r#"name = "{name}"
owner = "nobody"
runbook = "https://runbooks.example.com/{name}"
every = "1s"
deadline = "900ms"

[[step]]
name = "front page"
http.get = "http://{target}/"
expect = ["status == 200", "{expectation}"]
"#
    )
}
