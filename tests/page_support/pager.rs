//! Who is paged: a webhook that keeps what it takes, and that can be switched off.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;

use crate::cli_support::PATIENCE;

/// A page that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The channel: the path of its URL.
    pub(crate) channel: String,
    pub(crate) at: Instant,
    /// The try's id, which a repeat keeps.
    pub(crate) id: String,
    pub(crate) message: Value,
}

impl Page {
    pub(crate) fn is(&self, occasion: &str, scope: &str) -> bool {
        self.message["occasion"] == occasion && self.message["scope"] == scope
    }

    /// `occasion severity key` in a line.
    pub(crate) fn line(&self) -> String {
        let word = |name: &str| self.message[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", word("occasion"), word("severity"), word("key"))
    }
}

/// How a channel answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    /// 503 to everything.
    Refuses,
    /// It hangs up.
    HangsUp,
}

/// A receiver for as long as the test program goes on.
#[derive(Clone)]
pub(crate) struct Pager {
    pub(crate) address: SocketAddr,
    moods: Arc<Mutex<HashMap<String, Mood>>>,
    pages: Arc<Mutex<Vec<Page>>>,
    /// Requests that were not taken, by channel.
    refused: Arc<Mutex<HashMap<String, u64>>>,
    pings: Arc<Mutex<Vec<Instant>>>,
}

impl Pager {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        let pager = Self {
            address: listener.local_addr().unwrap(),
            moods: Arc::default(),
            pages: Arc::default(),
            refused: Arc::default(),
            pings: Arc::default(),
        };
        let serving = pager.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || while serving.serve(&stream).is_some() {});
            }
        });
        pager
    }

    /// Has a channel answer like this from now on.
    pub(crate) fn set(&self, channel: &str, mood: Mood) {
        self.moods.lock().unwrap().insert(channel.to_owned(), mood);
    }

    /// What was taken so far.
    pub(crate) fn pages(&self) -> Vec<Page> {
        self.pages.lock().unwrap().clone()
    }

    /// How many requests of a channel were not taken.
    pub(crate) fn refused(&self, channel: &str) -> u64 {
        self.refused.lock().unwrap().get(channel).copied().unwrap_or_default()
    }

    /// When the dead-man's switch was asked.
    pub(crate) fn pings(&self) -> Vec<Instant> {
        self.pings.lock().unwrap().clone()
    }

    /// What was taken, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.pages().iter().map(Page::line).collect()
    }

    /// Waits for a page.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_it: impl Fn(&Page) -> bool) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(page) = self.pages().into_iter().find(&is_it) {
                return page;
            }
            assert!(Instant::now() < deadline, "no page {what}: {:#?}", self.lines());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// One request; `None` at the connection's end.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        let channel = first.split(' ').nth(1)?.trim_matches('/').to_owned();
        let (mut length, mut id) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-serinus-try" => value.clone_into(&mut id),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mood = self.moods.lock().unwrap().get(&channel).copied().unwrap_or(Mood::Takes);
        let status = match mood {
            Mood::Takes if first.starts_with("GET") => {
                self.pings.lock().unwrap().push(Instant::now());
                200
            }
            Mood::Takes => {
                let message = serde_json::from_slice(&body).expect("the body is a message");
                self.pages.lock().unwrap().push(Page { channel, at: Instant::now(), id, message });
                200
            }
            Mood::Refuses | Mood::HangsUp => {
                *self.refused.lock().unwrap().entry(channel).or_default() += 1;
                503
            }
        };
        if mood == Mood::HangsUp {
            return None;
        }
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").ok()
    }
}
