//! One connection of the listener: HTTP/1.1, cut where it stands still.
//!
//! Everything that moves on it is told to its [`ConnectionState`], which knows until when that is fine.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::access::Arrival;
use super::connection_slots::{ConnectionSlot, ConnectionState, CutReason};

/// Bytes of a request's head, and of what is buffered of an answer.
const HEAD_BYTES: usize = 64 << 10;

/// Shakes hands, which may take as long as a request's head, and answers as [`serve`] does.
pub(super) async fn serve_tls(
    io: impl AsyncRead + AsyncWrite + Unpin,
    acceptor: TlsAcceptor,
    peer: IpAddr,
    slot: ConnectionSlot,
    routes: Router,
    stop: CancellationToken,
) {
    let connection = &slot.connection;
    let shaken = tokio::select! {
        shaken = acceptor.accept(io) => shaken,
        () = stop.cancelled() => return,
        () = connection.gives_way() => return,
        why = overdue(connection) => {
            why.count();
            return;
        }
    };
    match shaken {
        Ok(io) => serve(io, Arrival { peer, tls: true }, slot, routes, stop).await,
        Err(error) => tracing::debug!(%error, "a connection to the listener did not come about"),
    }
}

/// Answers until the peer goes, the connection is cut, or, after `stop`, what is under way is answered.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin,
    arrival: Arrival,
    slot: ConnectionSlot,
    routes: Router,
    stop: CancellationToken,
) {
    let connection = &slot.connection;
    let service = service_fn(|request: Request<Incoming>| {
        connection.asked();
        if request.body().is_end_stream() {
            connection.heard();
        }
        let mut request =
            request.map(|body| Body::new(TrackedBody { body, connection: Arc::clone(connection), end: ConnectionState::heard }));
        request.extensions_mut().insert(Arc::clone(connection));
        request.extensions_mut().insert(arrival);
        let (answer, connection) = (routes.clone().oneshot(request), Arc::clone(connection));
        async move {
            let answer = answer.await;
            answer.map(|answer| answer.map(|body| TrackedBody { body, connection, end: ConnectionState::answered }))
        }
    });
    let io = TokioIo::new(TrackedIo { io, connection: Arc::clone(connection) });
    let mut http = pin!(http1::Builder::new().max_buf_size(HEAD_BYTES).serve_connection(io, service));
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            // What moves is seen before the time is looked at.
            biased;
            ended = http.as_mut() => break ended.map_err(|error| error.to_string()),
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                http.as_mut().graceful_shutdown();
            }
            () = connection.gives_way() => break Err("its slot was needed".to_owned()),
            why = overdue(connection) => {
                why.count();
                break Err(format!("it stood still: {why:?}"));
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection to the listener ended");
    }
}

/// Resolves when the connection is to be cut. It looks at the time again whenever the connection's task is woken.
async fn overdue(connection: &ConnectionState) -> CutReason {
    let mut sleep = pin!(tokio::time::sleep(super::connection_slots::IDLE));
    std::future::poll_fn(|context| {
        let Some((deadline, why)) = connection.deadline() else { return Poll::Pending };
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).map(|()| why)
    })
    .await
}

/// A body that reports its end, and being dropped before it, to the connection's state.
struct TrackedBody<B> {
    body: B,
    connection: Arc<ConnectionState>,
    end: fn(&ConnectionState),
}

impl<B> Drop for TrackedBody<B> {
    fn drop(&mut self) {
        (self.end)(&self.connection);
    }
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> hyper::body::Body for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that reports its reads and writes to the connection's state.
struct TrackedIo<I> {
    io: I,
    connection: Arc<ConnectionState>,
}

impl<I> TrackedIo<I> {
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        match polled {
            Poll::Ready(Ok(1..)) => self.connection.went(),
            Poll::Pending => self.connection.stuck(),
            Poll::Ready(_) => {}
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TrackedIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.came();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TrackedIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, all: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(context, all);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::Instant;

    use super::super::connection_slots::ConnectionSlots;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One end of a connection; at the other is the listener.
    fn connect() -> DuplexStream {
        let endless = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_mins(5)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b"tick")), ()))
        });
        let endless = Arc::new(std::sync::Mutex::new(Some(endless)));
        let routes = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/echo", post(|body: String| async { body }))
            .route("/large", get(|| async { vec![b'x'; 1 << 20] }))
            .route("/stream", get(move || async move { Body::from_stream(endless.lock().unwrap().take().unwrap()) }));
        let (here, there) = tokio::io::duplex(1 << 10);
        let slot = ConnectionSlots::new(8).take().unwrap();
        let arrival = Arrival { peer: [127, 0, 0, 1].into(), tls: false };
        tokio::spawn(serve(there, arrival, slot, routes, CancellationToken::new()));
        here
    }

    /// Waits until the connection is closed, and returns after how many seconds that was.
    async fn closed_after(mut peer: DuplexStream) -> u64 {
        let begun = Instant::now();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_hours(1), peer.read_to_end(&mut rest)).await.expect("it is cut").unwrap();
        begun.elapsed().as_secs()
    }

    async fn read(peer: &mut DuplexStream, until: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(until) {
            text.push(peer.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_or_a_head_byte_by_byte_is_cut_after_ten_seconds() {
        assert_eq!(closed_after(connect()).await, 10);
        let (mut reading, mut writing) = tokio::io::split(connect());
        let drip = tokio::spawn(async move {
            // Each byte comes well before anything is over.
            for byte in "GET / HTTP/1.1\r\nhost: localhost\r\nx-filler: aaaaaaaaaaaaaaaaaaaaaa".bytes() {
                if writing.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(SECOND).await;
            }
        });
        let begun = Instant::now();
        assert_eq!(reading.read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(begun.elapsed().as_secs(), 10);
        drip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_ten_seconds() {
        let mut peer = connect();
        peer.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nbegin").await.unwrap();
        assert_eq!(closed_after(peer).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_a_minute_and_the_next_head_has_ten_seconds_again() {
        let mut peer = connect();
        for _ in 0..3 {
            peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            assert!(read(&mut peer, "\r\n\r\nok").await.starts_with("HTTP/1.1 200"));
            tokio::time::sleep(50 * SECOND).await;
        }
        peer.write_all(b"GET / HT").await.unwrap();
        assert_eq!(closed_after(peer).await, 10);
        let mut peer = connect();
        peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        read(&mut peer, "\r\n\r\nok").await;
        assert_eq!(closed_after(peer).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_quiet_for_long_is_not_cut_and_a_peer_that_takes_nothing_is() {
        let mut peer = connect();
        peer.write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        read(&mut peer, "tick").await;
        read(&mut peer, "tick").await;
        assert_eq!(begun.elapsed().as_secs(), 600);
        let mut peer = connect();
        peer.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::time::sleep(61 * SECOND).await;
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() < 1 << 20, "{}", rest.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let mut peer = connect();
        let (head, filler) = (b"GET / HTTP/1.1\r\nhost: x\r\nx: ", vec![b'a'; 100 << 10]);
        // It may be refused before it was sent whole.
        let sent = async {
            peer.write_all(head).await?;
            peer.write_all(&filler).await
        };
        let _sent = sent.await;
        let mut answer = Vec::new();
        let _ended = peer.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}
