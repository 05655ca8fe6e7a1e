//! A connection: writing, reading up to an end, beginning TLS, closing. Everything that is read is bounded.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::outcome::Reason;
use crate::run::step::TransportError;
use crate::run::step::resources::out_of_resources;
use crate::run::step::tls::TlsPeer;

use super::progress::{Activity, Progress};
use super::request::ReadEnd;

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// How long a connection that is closed may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A byte stream: a socket or a tunnel, with or without TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Wire for T {}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Box<dyn Wire>,
    /// What came and nobody has read.
    unread: BytesMut,
    /// The host that was connected to, which a certificate must be for.
    pub(super) host: String,
    /// The port that was connected to.
    pub(super) port: u16,
    /// The other end; of a tunnel its proxy.
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<TlsPeer>>,
}

impl Connection {
    /// A connection over which nothing was sent yet.
    pub(super) fn new(wire: Box<dyn Wire>, (host, port): (String, u16), peer: SocketAddr) -> Self {
        Self { wire, unread: BytesMut::new(), host, port, peer, tls: None }
    }

    /// Writes all of `bytes`; `wrote` is told of each piece.
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
        progress: &Progress,
        wrote: impl Fn(&Progress, &[u8]),
    ) -> Result<(), TransportError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match self.wire.write(rest).await {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            let written = written.map_err(|error| self.lost(&error, progress))?;
            wrote(progress, &rest[..written]);
            rest = &rest[written..];
        }
        self.wire.flush().await.map_err(|error| self.lost(&error, progress))
    }

    /// Reads up to `end`, at most `most` bytes. What came behind it stays for the next one who reads.
    pub(super) async fn read(&mut self, end: &ReadEnd, most: usize, progress: &Progress) -> Result<Bytes, TransportError> {
        progress.received(&self.unread);
        let mut scan = Scan::default();
        let mut closed = false;
        loop {
            let found =
                if closed && matches!(end, ReadEnd::Close) { Some(self.unread.len()) } else { scan.find(end, &self.unread) };
            match found {
                Some(length) if length <= most => return Ok(self.unread.split_to(length).freeze()),
                None if self.unread.len() <= most => {}
                Some(_) | None => {
                    let message = format!("more than {most} bytes came before {}", description(end));
                    return Err(progress.failure(Reason::ResponseTooLarge, message));
                }
            }
            if closed {
                let (came, end) = (self.unread.len(), description(end));
                let message = format!("the target closed the connection after {came} bytes, before {end}");
                return Err(progress.failure(Reason::Protocol, message));
            }
            closed = self.more(progress).await? == 0;
        }
    }

    /// Reads one more piece.
    async fn more(&mut self, progress: &Progress) -> Result<usize, TransportError> {
        self.unread.reserve(PIECE);
        let before = self.unread.len();
        let got = self.wire.read_buf(&mut self.unread).await.map_err(|error| self.lost(&error, progress))?;
        progress.received(&self.unread[before..]);
        Ok(got)
    }

    /// Checks that there are no unread bytes, as far as is known without waiting.
    ///
    /// # Errors
    /// There is something, or the target has closed the connection.
    pub(super) fn is_silent(&mut self, progress: &Progress) -> Result<(), TransportError> {
        let now = pin!(self.more(progress)).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(got) = now
            && got? == 0
            && self.unread.is_empty()
        {
            return Err(progress.failure(Reason::Protocol, "the target has closed the connection".to_owned()));
        }
        if self.unread.is_empty() {
            return Ok(());
        }
        let (bytes, start) = (self.unread.len(), quoted(&self.unread));
        let message = format!(
            "{bytes} bytes came before anything was sent, so that they are no answer to it: {start}; read them in the step before"
        );
        Err(progress.failure(Reason::Protocol, message))
    }

    /// Begins TLS.
    pub(super) async fn secured(
        mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        progress: &Progress,
    ) -> Result<Self, TransportError> {
        if !self.unread.is_empty() {
            // What was said in plain text must not be taken for what is said under TLS.
            let (bytes, start) = (self.unread.len(), quoted(&self.unread));
            let message = format!("{bytes} bytes came in plain text just before TLS: {start}");
            return Err(progress.failure(Reason::Protocol, message));
        }
        progress.enter(Activity::Tls);
        let stream = TlsConnector::from(config).connect(name, self.wire).await.map_err(|error| {
            let reason = if out_of_resources(&error) { Reason::Resources } else { Reason::Tls };
            progress.failure(reason, format!("TLS cannot be made: {error}"))
        })?;
        self.tls = Some(Arc::new(TlsPeer::of(stream.get_ref().1, (self.host.clone(), self.port))));
        self.wire = Box::new(stream);
        Ok(self)
    }

    /// Shuts the connection down and closes it. Errors of that are ignored.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(GOODBYE, self.wire.shutdown()).await;
    }

    fn lost(&self, error: &io::Error, progress: &Progress) -> TransportError {
        let reason = if out_of_resources(error) {
            Reason::Resources
        } else if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) {
            Reason::Tls
        } else {
            Reason::Protocol
        };
        let came = self.unread.len();
        let after = if came > 0 { format!(", {came} bytes into the answer") } else { String::new() };
        let why = match error.kind() {
            // Somebody on the way could have cut the connection.
            io::ErrorKind::UnexpectedEof => "it was closed without the goodbye of TLS (close_notify)".to_owned(),
            _ => error.to_string(),
        };
        progress.failure(reason, format!("the connection was lost{after}: {why}"))
    }
}

/// An end, for people.
fn description(end: &ReadEnd) -> String {
    match end {
        ReadEnd::Text(text) => format!("the text {}", quoted(text)),
        ReadEnd::Line(pattern) => format!("a line that matches `{pattern}`"),
        ReadEnd::Bytes(bytes) => format!("the {bytes} bytes that are read"),
        ReadEnd::Close => "its end".to_owned(),
    }
}

/// The start of some bytes, for people.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const MOST: usize = 200;
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    format!("{start:?}{}", if bytes.len() > MOST { "…" } else { "" })
}

/// How much of what came was looked at, so that each byte is looked at once.
#[derive(Debug, Default)]
struct Scan {
    looked_at: usize,
    line: usize,
}

impl Scan {
    /// How long what is read is, if its end has come.
    fn find(&mut self, end: &ReadEnd, bytes: &[u8]) -> Option<usize> {
        match end {
            ReadEnd::Close => None,
            ReadEnd::Bytes(wanted) => (bytes.len() >= *wanted).then_some(*wanted),
            ReadEnd::Text(text) => {
                // The text may have begun in what was looked at.
                let from = self.looked_at.saturating_sub(text.len() - 1);
                self.looked_at = bytes.len();
                position(&bytes[from..], text).map(|at| from + at + text.len())
            }
            ReadEnd::Line(pattern) => {
                while let Some(at) = bytes[self.looked_at..].iter().position(|byte| *byte == b'\n') {
                    let next = self.looked_at + at + 1;
                    let line = bytes[self.line..next].strip_suffix(b"\n").unwrap_or_default();
                    let matches = pattern.is_match(line.strip_suffix(b"\r").unwrap_or(line));
                    (self.looked_at, self.line) = (next, next);
                    if matches {
                        return Some(next);
                    }
                }
                self.looked_at = bytes.len();
                None
            }
        }
    }
}

/// Where `wanted` begins.
fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    /// Where reading ends if the bytes come in pieces of this size.
    fn ends(end: &ReadEnd, bytes: &[u8], piece: usize) -> Option<usize> {
        let mut scan = Scan::default();
        (1..=bytes.len().div_ceil(piece)).find_map(|pieces| scan.find(end, &bytes[..(pieces * piece).min(bytes.len())]))
    }

    proptest! {
        #[test]
        fn an_end_is_where_it_is_however_the_bytes_come(text in "[ab\r\n]{0,40}", wanted in "[ab\r\n]{1,4}", piece in 1_usize..9) {
            let end = ReadEnd::Text(wanted.clone().into_bytes());
            prop_assert_eq!(ends(&end, text.as_bytes(), piece), text.find(&wanted).map(|at| at + wanted.len()));
            let line = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).scan(0, |sum, line| {
                *sum += line.len();
                Some((*sum, line.trim_end_matches('\n')))
            });
            let mut line = line.filter(|(_, line)| line.strip_suffix('\r').unwrap_or(line) == "ab");
            let pattern = ReadEnd::Line(Regex::new("^ab$").unwrap());
            prop_assert_eq!(ends(&pattern, text.as_bytes(), piece), line.next().map(|(end, _)| end));
        }
    }

    #[test]
    fn what_is_quoted_is_one_line_and_short() {
        assert_eq!(quoted(b"250 ok\r\n\xff"), "\"250 ok\\r\\n\u{fffd}\"");
        assert!(quoted(&[b'a'; 4096]).len() < 300);
    }
}
