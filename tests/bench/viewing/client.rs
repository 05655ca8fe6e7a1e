//! A browser, as far as it matters: one connection, gzip, and streams that are read for as long as they go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::service::TOKEN;

/// A connection.
pub(super) struct Client {
    agent: &'static str,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, agent: &'static str) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        stream.set_nodelay(true).expect("a socket can be told so");
        Self { agent, reader: BufReader::new(stream) }
    }

    /// Asks, and returns whether the answer comes in chunks, or how long it is.
    fn ask(&mut self, path: &str) -> Option<usize> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\nuser-agent: {}\r\n\
             accept-encoding: gzip, deflate, br\r\n\r\n",
            self.agent
        );
        self.reader.get_mut().write_all(head.as_bytes()).expect("the service reads");
        let mut length = None;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("the service answers");
            if line.starts_with("HTTP/1.1 ") {
                assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
            } else if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().ok();
            } else if line.trim().is_empty() {
                return length;
            }
        }
    }

    /// The body, as it was sent.
    pub(super) fn get(&mut self, path: &str) -> Vec<u8> {
        let length = self.ask(path).expect("a page has a length");
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).expect("the answer comes in full");
        body
    }

    /// Reads what changes on a page, until it is ended.
    pub(super) fn follow(mut self, page: &str) -> Stream {
        let page: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        self.ask(&format!("/live?page={page}"));
        let connection = self.reader.get_ref().try_clone().expect("a socket can be shared");
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let reading = std::thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(read @ 1..) = self.reader.read(&mut buffer) {
                counted.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::Relaxed);
            }
        });
        Stream { bytes, connection, reading: reading.expect("a thread can be started") }
    }
}

/// A stream that is being read.
pub(super) struct Stream {
    bytes: Arc<AtomicU64>,
    connection: TcpStream,
    reading: JoinHandle<()>,
}

impl Stream {
    /// What came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn end(self) {
        // It may have ended by itself.
        let _ended = self.connection.shutdown(Shutdown::Both);
        self.reading.join().expect("whoever reads does not panic");
    }
}

/// What was compressed.
pub(super) fn plain(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match flate2::read::GzDecoder::new(body).read_to_end(&mut plain) {
        Ok(_) => plain,
        Err(_) => body.to_vec(),
    }
}
