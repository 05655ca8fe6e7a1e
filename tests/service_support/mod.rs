//! A service under test: the built program with a target that can be broken, a receiver of pages, and its API.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::cli_support::{PATIENCE, Running, run, serinus, until};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An HTTP server that answers as it is told, or not at all, and notes what came.
#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Option<(u16, String)>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Double {
    pub(crate) fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let double = Self { address, answer: Arc::new(Mutex::new(Some((status, body.to_owned())))), received: Arc::default() };
        let serving = double.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        double
    }

    /// From now on.
    pub(crate) fn answer(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = Some((status, body.to_owned()));
    }

    /// It takes requests and says nothing any more.
    pub(crate) fn hang(&self) {
        *self.answer.lock().unwrap() = None;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What came as JSON.
    pub(crate) fn pages(&self) -> Vec<Value> {
        self.received().iter().map(|received| serde_json::from_str(&received.body).unwrap()).collect()
    }

    /// The first page with this action, waited for.
    #[track_caller]
    pub(crate) fn page(&self, action: &str) -> Value {
        until(action, || self.pages().into_iter().find(|page| page["action"] == action))
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let received = Received { head, body: String::from_utf8(body).unwrap() };
        let echoed = received.head.clone() + &received.body;
        self.received.lock().unwrap().push(received);
        let Some((status, body)) = self.answer.lock().unwrap().clone() else {
            // Whoever asked gives up, which ends the connection.
            let _ended = reader.read(&mut [0]);
            return;
        };
        let body = if body == "echo" { serde_json::json!({ "echo": echoed }).to_string() } else { body };
        // The client may have gone.
        let _sent = write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }
}

/// A probe that is due every second.
pub(crate) fn probe(name: &str, target: &Double) -> String {
    // What a machine that is busy with other tests takes longer for is late, and never failed.
    crate::cli_support::probe(name, target.address, "json.state == 'ok'").replace("deadline = \"900ms\"", "deadline = \"5s\"")
}

/// A folder with `serinus.toml` and `probes/p.toml`.
pub(crate) fn folder(target: &Double, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("probes")).unwrap();
    write(folder.path(), "probes/p.toml", &probe("p", target));
    write(folder.path(), "token", "sesame-open");
    let text = format!(
        "region = \"eu\"\nprobes = [\"probes/**/*.toml\"]\n[secrets]\ntoken = {{ file = \"token\" }}\n\
         [listen]\naddress = \"127.0.0.1:0\"\ntoken = \"token\"\n{more}"
    );
    write(folder.path(), "serinus.toml", &text);
    folder
}

/// The channel `name` at a receiver.
pub(crate) fn channel(name: &str, receiver: &Double) -> String {
    format!("[[notify.webhook]]\nname = \"{name}\"\nurl = \"http://{}/\"\ntimeout = \"1s\"\n", receiver.address)
}

/// Writes as editors do: beside, then renamed.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let beside = folder.join("written~");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, folder.join(name)).unwrap();
}

/// Replaces a part of a file.
#[track_caller]
pub(crate) fn edit(folder: &Path, name: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from:?}");
    write(folder, name, &text.replace(from, to));
}

/// A running service.
pub(crate) struct Service<'f> {
    pub(crate) folder: &'f Path,
    pub(crate) running: Running,
    pub(crate) address: String,
}

impl<'f> Service<'f> {
    pub(crate) fn start(folder: &'f Path) -> Self {
        let mut command = serinus(folder);
        command.arg("run");
        let running = Running::start(command);
        let line = running.said("address=");
        let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned();
        Self { folder, running, address }
    }

    /// Runs a command against it.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        run(self.folder, &[args, &["--url", &url, "--token", "sesame-open"]].concat())
    }

    /// Asks the API, with the token.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = ask(&self.address, &format!("GET {path}"), &["authorization: Bearer sesame-open"], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/api/v1/status")
    }

    /// Whether the last load of the configuration was whole.
    pub(crate) fn last_reload(&self) -> String {
        let metrics = ask(&self.address, "GET /metrics", &["authorization: Bearer sesame-open"], "").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("serinus_config_last_reload_successful "));
        line.expect("the metric is there").to_owned()
    }

    /// Stops it, and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.running.signal("TERM");
        self.running.wait().code()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The sentence of a refusal.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        assert!(self.head.to_lowercase().contains("content-type: application/problem+json"), "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!((&body["status"], &body["detail"]), (&self.status.into(), &body["error"]), "{self:?}");
        body["error"].as_str().filter(|error| !error.is_empty()).unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// A request, such as `GET /path`, with header lines; `host` is the address unless it is among them.
#[track_caller]
pub(crate) fn ask(address: &str, request: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host =
        if headers.iter().any(|header| header.starts_with("host:")) { String::new() } else { format!("host: {address}\r\n") };
    let headers = headers.iter().fold(String::new(), |text, header| text + header + "\r\n");
    let head = format!("{request} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // A body that is too large is not read to its end.
    let _sent = stream.write_all(body.as_bytes());
    let mut text = Vec::new();
    let _read = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}
