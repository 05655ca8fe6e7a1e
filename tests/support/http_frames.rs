//! Targets on loopback that speak HTTP/2 frame by frame (RFC 9113), so that a test can also break it.

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http_server::{Stream, Target, Visit, raw};

/// Frame types.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;

/// Flags of HEADERS and DATA.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Error codes.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;

/// `:status: 200` of the static table (RFC 7541, appendix A).
pub(crate) const STATUS_200: u8 = 0x88;

/// A frame (section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An answer of status 200 without a body.
pub(crate) fn fine(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &[STATUS_200])
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// The connection is shut down; streams beyond `last` were not acted upon.
pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// What a target does once the HEADERS of a request have come.
pub(crate) enum Act {
    Say(Vec<u8>),
    /// Says it, and closes the connection.
    Close(Vec<u8>),
}

/// A target that does what `act` says for each request, given the connection's number (from 1) and the stream's.
pub(crate) async fn h2_target<A>(act: A) -> Target
where
    A: Fn(usize, u32) -> Act + Send + Sync + 'static,
{
    let act = std::sync::Arc::new(act);
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    raw(None, move |mut visit: Visit| -> BoxFuture<'static, ()> {
        let act = std::sync::Arc::clone(&act);
        let number = connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Box::pin(async move {
            // The preface is 24 bytes (section 3.4).
            let _ = visit.stream.read_exact(&mut [0; 24]).await;
            let _ = visit.stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            while let Some(stream) = next_request(&mut visit.stream).await {
                let (Act::Say(bytes) | Act::Close(bytes)) = &act(number, stream);
                if visit.stream.write_all(bytes).await.is_err() {
                    return;
                }
                if matches!(act(number, stream), Act::Close(_)) {
                    let _ = visit.stream.shutdown().await;
                    return;
                }
            }
        })
    })
    .await
}

/// The stream of the next HEADERS frame; all others are read over. `None` at the connection's end.
async fn next_request(stream: &mut Stream) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == HEADERS {
            return Some(u32::from_be_bytes([head[5] & 0x7F, head[6], head[7], head[8]]));
        }
    }
}
