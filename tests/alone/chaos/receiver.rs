//! A receiver of pages that cannot be relied on: it refuses, asks for quiet, hangs up, dawdles, and takes pages without saying so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serinus::alert::message::Message;

use super::now_ms;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// It takes everything.
    Well,
    /// It does anything.
    Flaky,
    /// It hangs up on everyone.
    Down,
}

/// A request it read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) channel: String,
    /// The try's id, which a repeat keeps.
    pub(crate) id: String,
    pub(crate) message: Message,
    pub(crate) at_ms: i64,
    /// Whether it kept the page, whatever it answered.
    pub(crate) taken: bool,
    /// Whether it said so.
    pub(crate) answered: bool,
}

/// A receiver on a free port, for as long as the test program goes on.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    mood: Arc<AtomicU8>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts it; each request it has read is told through `tell` before it is answered.
    pub(crate) fn start(seed: u64, tell: mpsc::Sender<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(AtomicU8::new(Mood::Well as u8)),
            received: Arc::default(),
        };
        let own = receiver.clone();
        std::thread::spawn(move || {
            let mut dice = fastrand::Rng::with_seed(seed);
            for stream in listener.incoming().flatten() {
                let (receiver, roll, tell) = (own.clone(), dice.u32(..100), tell.clone());
                std::thread::spawn(move || receiver.serve(stream, roll, &tell));
            }
        });
        receiver
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// A connection carries one request, so that each has its own fate. A sender that is killed half-way through is none.
    fn serve(&self, mut stream: TcpStream, roll: u32, tell: &mpsc::Sender<()>) {
        let Some((channel, id, message)) = read(&stream) else { return };
        let mood = self.mood.load(Ordering::SeqCst);
        // What happens, how long it takes, and whether the page is kept.
        let (answer, pause, taken) = match (mood, roll) {
            (2, _) => (None, 0, false),
            (0, _) | (_, 0..55) => (Some("200 OK"), 0, true),
            (_, 55..65) => (Some("500 Internal Server Error"), 0, false),
            (_, 65..70) => (Some("429 Too Many Requests\r\nretry-after: 1"), 0, false),
            (_, 70..75) => (None, 0, false),
            (_, 75..88) => (Some("200 OK"), 50 + u64::from(roll % 8) * 60, true),
            (_, 88..94) => (Some("500 Internal Server Error"), 0, true),
            (_, _) => (None, 20, true),
        };
        let answered = taken && answer == Some("200 OK");
        let received = Received { channel, id, message, at_ms: now_ms(), taken, answered };
        self.received.lock().unwrap().push(received);
        // Nobody listens in some tests.
        let _ = tell.send(());
        std::thread::sleep(Duration::from_millis(pause));
        if let Some(answer) = answer {
            // The sender may have been killed.
            let _ = write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    }
}

fn read(stream: &TcpStream) -> Option<(String, String, Message)> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let channel = line.split(' ').nth(1)?.trim_matches('/').to_owned();
    let (mut length, mut id) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-serinus-try" => value.clone_into(&mut id),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((channel, id, serde_json::from_slice(&body).expect("the body is a message")))
}
