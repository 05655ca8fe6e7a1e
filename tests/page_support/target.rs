//! What is probed: an HTTP server whose paths can be broken one by one.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// How a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 with this body.
    Body(&'static str),
    /// This status.
    Status(u16),
    /// It hangs up.
    HangsUp,
    /// Nothing, until the path answers otherwise.
    Hangs,
}

/// What a path says that nobody has broken.
pub(crate) const WELL: Answer = Answer::Body(r#"{"state": "ok", "items": ["a"]}"#);
/// The service works, the product does not.
pub(crate) const BROKEN: Answer = Answer::Body(r#"{"state": "lost", "items": ["a"]}"#);

/// A server for as long as the test program goes on.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    paths: Arc<Mutex<HashMap<String, Answer>>>,
    /// When each path was asked.
    asked: Arc<Mutex<HashMap<String, Vec<Instant>>>>,
}

impl Target {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    /// One that listens there.
    pub(crate) fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let target = Self { address: listener.local_addr().unwrap(), paths: Arc::default(), asked: Arc::default() };
        let serving = target.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        target
    }

    /// Has a path answer like this from now on.
    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.paths.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How often a path was asked.
    pub(crate) fn asked(&self, path: &str) -> u64 {
        self.asked.lock().unwrap().get(path).map_or(0, |asked| asked.len() as u64)
    }

    /// When a path was asked, each time.
    pub(crate) fn asked_at(&self, path: &str) -> Vec<Instant> {
        self.asked.lock().unwrap().get(path).cloned().unwrap_or_default()
    }

    /// What came after this in the paths that were asked.
    pub(crate) fn asked_below(&self, folder: &str) -> BTreeSet<String> {
        self.asked.lock().unwrap().keys().filter_map(|path| path.strip_prefix(folder)).map(str::to_owned).collect()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut head = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut path = String::new();
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                // Whoever asks may be cut off at any moment.
                if head.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if path.is_empty() {
                    line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
                }
            }
            self.asked.lock().unwrap().entry(path.clone()).or_default().push(Instant::now());
            let answer = loop {
                let answer = self.paths.lock().unwrap().get(&path).copied().unwrap_or(WELL);
                if answer != Answer::Hangs {
                    break answer;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            };
            let (status, body) = match answer {
                Answer::Body(body) => (200, body),
                Answer::Status(status) => (status, "{}"),
                Answer::HangsUp | Answer::Hangs => return,
            };
            if write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).is_err() {
                return;
            }
        }
    }
}
