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
use crate::run::step::room::out_of_resources;
use crate::run::step::tls::TlsPeer;

use super::request::End;
use super::underway::{Doing, Underway};

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// How long a connection that is closed may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Either end of TLS, or none, over a socket or a tunnel.
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
    /// The other end; of a tunnel its proxy.
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<TlsPeer>>,
}

impl Connection {
    /// One over which nothing has gone.
    pub(super) fn new(wire: Box<dyn Wire>, host: String, peer: SocketAddr) -> Self {
        Self { wire, unread: BytesMut::new(), host, peer, tls: None }
    }

    /// Writes all of `bytes`; `wrote` is told of each piece.
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
        underway: &Underway,
        wrote: impl Fn(&Underway, &[u8]),
    ) -> Result<(), TransportError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match self.wire.write(rest).await {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            let written = written.map_err(|error| self.lost(&error, underway))?;
            wrote(underway, &rest[..written]);
            rest = &rest[written..];
        }
        self.wire.flush().await.map_err(|error| self.lost(&error, underway))
    }

    /// Reads up to `end`, at most `most` bytes. What came behind it stays for the next one who reads.
    pub(super) async fn read(&mut self, end: &End, most: usize, underway: &Underway) -> Result<Bytes, TransportError> {
        underway.came(&self.unread);
        let mut scan = Scan::default();
        let mut closed = false;
        loop {
            let found = if closed && matches!(end, End::Close) { Some(self.unread.len()) } else { scan.find(end, &self.unread) };
            match found {
                Some(length) if length <= most => return Ok(self.unread.split_to(length).freeze()),
                None if self.unread.len() <= most => {}
                Some(_) | None => {
                    let message = format!("more than {most} bytes came before {}", told(end));
                    return Err(underway.failure(Reason::ResponseTooLarge, message));
                }
            }
            if closed {
                let (came, end) = (self.unread.len(), told(end));
                let message = format!("the target closed the connection after {came} bytes, before {end}");
                return Err(underway.failure(Reason::Protocol, message));
            }
            closed = self.more(underway).await? == 0;
        }
    }

    /// Reads one more piece.
    async fn more(&mut self, underway: &Underway) -> Result<usize, TransportError> {
        self.unread.reserve(PIECE);
        let before = self.unread.len();
        let got = self.wire.read_buf(&mut self.unread).await.map_err(|error| self.lost(&error, underway))?;
        underway.came(&self.unread[before..]);
        Ok(got)
    }

    /// Whether nothing is there that nobody has read, as far as is known without waiting.
    ///
    /// # Errors
    /// There is something, or the target has closed the connection.
    pub(super) fn is_silent(&mut self, underway: &Underway) -> Result<(), TransportError> {
        let now = pin!(self.more(underway)).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(got) = now
            && got? == 0
            && self.unread.is_empty()
        {
            return Err(underway.failure(Reason::Protocol, "the target has closed the connection".to_owned()));
        }
        if self.unread.is_empty() {
            return Ok(());
        }
        let (bytes, start) = (self.unread.len(), quoted(&self.unread));
        let message = format!(
            "{bytes} bytes came before anything was sent, so that they are no answer to it: {start}; read them in the step before"
        );
        Err(underway.failure(Reason::Protocol, message))
    }

    /// Begins TLS.
    pub(super) async fn secured(
        mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        underway: &Underway,
    ) -> Result<Self, TransportError> {
        if !self.unread.is_empty() {
            // What was said in plain text must not be taken for what is said under TLS.
            let (bytes, start) = (self.unread.len(), quoted(&self.unread));
            let message = format!("{bytes} bytes came in plain text just before TLS: {start}");
            return Err(underway.failure(Reason::Protocol, message));
        }
        underway.enter(Doing::Tls);
        let stream = TlsConnector::from(config).connect(name, self.wire).await.map_err(|error| {
            let reason = if out_of_resources(&error) { Reason::Resources } else { Reason::Tls };
            underway.failure(reason, format!("TLS cannot be made: {error}"))
        })?;
        self.tls = Some(Arc::new(TlsPeer::of(stream.get_ref().1)));
        self.wire = Box::new(stream);
        Ok(self)
    }

    /// Says goodbye and closes. Whether the other side hears it is all the same.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(GOODBYE, self.wire.shutdown()).await;
    }

    fn lost(&self, error: &io::Error, underway: &Underway) -> TransportError {
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
            // Somebody on the way could have cut it.
            io::ErrorKind::UnexpectedEof => "it was closed without the goodbye of TLS (close_notify)".to_owned(),
            _ => error.to_string(),
        };
        underway.failure(reason, format!("the connection was lost{after}: {why}"))
    }
}

/// An end, for people.
fn told(end: &End) -> String {
    match end {
        End::Text(text) => format!("the text {}", quoted(text)),
        End::Line(pattern) => format!("a line that matches `{pattern}`"),
        End::Bytes(bytes) => format!("the {bytes} bytes that are read"),
        End::Close => "its end".to_owned(),
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
    fn find(&mut self, end: &End, bytes: &[u8]) -> Option<usize> {
        match end {
            End::Close => None,
            End::Bytes(wanted) => (bytes.len() >= *wanted).then_some(*wanted),
            End::Text(text) => {
                // The text may have begun in what was looked at.
                let from = self.looked_at.saturating_sub(text.len() - 1);
                self.looked_at = bytes.len();
                position(&bytes[from..], text).map(|at| from + at + text.len())
            }
            End::Line(pattern) => {
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
    fn ends(end: &End, bytes: &[u8], piece: usize) -> Option<usize> {
        let mut scan = Scan::default();
        (1..=bytes.len().div_ceil(piece)).find_map(|pieces| scan.find(end, &bytes[..(pieces * piece).min(bytes.len())]))
    }

    proptest! {
        #[test]
        fn an_end_is_where_it_is_however_the_bytes_come(text in "[ab\r\n]{0,40}", wanted in "[ab\r\n]{1,4}", piece in 1_usize..9) {
            let end = End::Text(wanted.clone().into_bytes());
            prop_assert_eq!(ends(&end, text.as_bytes(), piece), text.find(&wanted).map(|at| at + wanted.len()));
            let line = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).scan(0, |sum, line| {
                *sum += line.len();
                Some((*sum, line.trim_end_matches('\n')))
            });
            let mut line = line.filter(|(_, line)| line.strip_suffix('\r').unwrap_or(line) == "ab");
            let pattern = End::Line(Regex::new("^ab$").unwrap());
            prop_assert_eq!(ends(&pattern, text.as_bytes(), piece), line.next().map(|(end, _)| end));
        }
    }

    #[test]
    fn what_is_quoted_is_one_line_and_short() {
        assert_eq!(quoted(b"250 ok\r\n\xff"), "\"250 ok\\r\\n\u{fffd}\"");
        assert!(quoted(&[b'a'; 4096]).len() < 300);
    }
}
