//! Reads a body to its end, within bounds, into one buffer.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::StreamReader;

use crate::outcome::Reason;

use super::decode::Encoding;
use super::timings::Timings;
use crate::run::step::TransportError;

/// A body up to this length is read into a buffer of this size. For a longer one the largest allowed size is reserved at once:
/// memory that is never written costs nothing, and a buffer that grows would be copied again and again.
const SMALL: usize = 64 << 10;

/// Reads at most `most` bytes, counted in `read` after decompression.
pub(super) async fn read(
    response: reqwest::Response,
    encoding: Option<Encoding>,
    most: usize,
    timings: &Timings,
    read: &mut usize,
) -> Result<Bytes, TransportError> {
    let mut buffer = BodyBuffer { status: response.status().as_u16(), all: BytesMut::new(), most, read };
    match encoding {
        None => plain(response, &mut buffer, timings).await,
        Some(encoding) => compressed(response, encoding, &mut buffer, timings).await,
    }
}

async fn plain(mut response: reqwest::Response, buffer: &mut BodyBuffer<'_>, timings: &Timings) -> Result<Bytes, TransportError> {
    let announced = response.content_length();
    // A length that is announced need not be received to be known as too much.
    if announced.is_some_and(|announced| announced > buffer.most as u64) {
        return Err(buffer.too_large());
    }
    let room = announced.and_then(|announced| usize::try_from(announced).ok()).unwrap_or(buffer.most);
    // The usual small answer comes in one piece, which is kept as it is.
    let mut first = Bytes::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TransportError::of(&error, timings, true))? {
        buffer.count(chunk.len())?;
        if first.is_empty() && buffer.all.is_empty() {
            first = chunk;
            continue;
        }
        if !first.is_empty() {
            buffer.append(&std::mem::take(&mut first), room);
        }
        buffer.append(&chunk, room);
    }
    Ok(if buffer.all.is_empty() { first } else { buffer.take() })
}

async fn compressed(
    mut response: reqwest::Response,
    encoding: Encoding,
    buffer: &mut BodyBuffer<'_>,
    timings: &Timings,
) -> Result<Bytes, TransportError> {
    // An answer to HEAD names the encoding of a body it does not have.
    let Some(first) = response.chunk().await.map_err(|error| TransportError::of(&error, timings, true))? else {
        return Ok(Bytes::new());
    };
    let rest = stream::unfold(response, |mut response| async {
        let chunk = response.chunk().await.map_err(io::Error::other).transpose()?;
        Some((chunk, response))
    });
    let chunks = Box::pin(stream::StreamExt::chain(stream::iter([Ok(first)]), rest));
    let mut unpacked = encoding.unpack(StreamReader::new(chunks));
    // One byte more than is allowed shows that there is more.
    let room = buffer.most.saturating_add(1);
    loop {
        buffer.reserve(1, room);
        let got = unpacked.read_buf(&mut (&mut buffer.all).limit(SMALL)).await;
        match got.map_err(|error| undecodable(error, encoding, buffer.all.len(), timings))? {
            0 => return Ok(buffer.take()),
            got => {
                buffer.count(got)?;
                if got == SMALL {
                    // A small piece may unpack to a great deal, and no other await comes in between.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

/// The error of the unpacking: the connection's, or that of malformed data.
fn undecodable(error: io::Error, encoding: Encoding, unpacked: usize, timings: &Timings) -> TransportError {
    let error = match error.downcast::<reqwest::Error>() {
        Ok(error) => return TransportError::of(&error, timings, true),
        Err(error) => error,
    };
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        _ => error.to_string(),
    };
    let message =
        format!("the answer's body cannot be decompressed (content-encoding {}), {unpacked} bytes in: {why}", encoding.name());
    TransportError { reason: Reason::Protocol, message, sent: true, got_byte: true }
}

/// A body so far.
struct BodyBuffer<'a> {
    status: u16,
    all: BytesMut,
    most: usize,
    read: &'a mut usize,
}

impl BodyBuffer<'_> {
    fn too_large(&self) -> TransportError {
        let message = format!("the answer (status {}) has a body of more than {} bytes", self.status, self.most);
        TransportError { reason: Reason::ResponseTooLarge, message, sent: true, got_byte: true }
    }

    /// Counts what has come.
    fn count(&mut self, bytes: usize) -> Result<(), TransportError> {
        *self.read += bytes;
        if *self.read > self.most { Err(self.too_large()) } else { Ok(()) }
    }

    fn append(&mut self, bytes: &[u8], room: usize) {
        self.reserve(bytes.len(), room);
        self.all.extend_from_slice(bytes);
    }

    /// Makes room for `more` bytes; `room` is what the whole body may need.
    fn reserve(&mut self, more: usize, room: usize) {
        let (have, free) = (self.all.len(), self.all.capacity() - self.all.len());
        if free >= more {
            return;
        }
        let wanted = if have + more <= SMALL { SMALL.min(room) } else { room };
        self.all.reserve(wanted.max(have + more).saturating_sub(have));
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.all).freeze()
    }
}
