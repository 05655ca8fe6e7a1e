//! Small servers on loopback that speak HTTP/1.1 byte for byte, so that a test can also speak it wrongly.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Either side of a connection.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, encrypted or not.
pub(crate) type Stream = BufReader<Box<dyn Io>>;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

/// A server that goes on until it is dropped.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Target {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Bytes that [`flood`] has written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

/// What a handler of raw connections is given.
pub(crate) struct Visit {
    pub(crate) stream: Stream,
    pub(crate) written: Arc<AtomicU64>,
}

/// Serves each connection with `handler`, from its first byte; behind TLS if there is an acceptor.
pub(crate) async fn raw<H>(tls: Option<TlsAcceptor>, handler: H) -> Target
where
    H: Fn(Visit) -> BoxFuture<'static, ()> + Send + Sync + 'static,
{
    serve(tls, Arc::default(), Arc::new(handler)).await
}

/// Answers each request with the bytes that `respond` gives, on connections that stay open.
pub(crate) async fn answering<R>(tls: Option<TlsAcceptor>, respond: R) -> Target
where
    R: Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
{
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let respond = Arc::new(respond);
    let list = Arc::clone(&seen);
    let handler = move |mut visit: Visit| -> BoxFuture<'static, ()> {
        let (respond, list) = (Arc::clone(&respond), Arc::clone(&list));
        Box::pin(async move {
            while let Some(request) = read_request(&mut visit.stream).await {
                let answer = respond(&request);
                list.lock().unwrap().push(request);
                if visit.stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
        })
    };
    serve(tls, seen, Arc::new(handler)).await
}

async fn serve<H>(tls: Option<TlsAcceptor>, seen: Arc<Mutex<Vec<Seen>>>, handler: Arc<H>) -> Target
where
    H: Fn(Visit) -> BoxFuture<'static, ()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let written = Arc::new(AtomicU64::new(0));
    let (count, bytes) = (Arc::clone(&connections), Arc::clone(&written));
    let task = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (tls, handler, written) = (tls.clone(), Arc::clone(&handler), Arc::clone(&bytes));
            open.spawn(async move {
                if let Some(stream) = secured(tls, tcp).await {
                    handler(Visit { stream: BufReader::new(stream), written }).await;
                }
            });
        }
    });
    Target { address, seen, connections, written, task }
}

async fn secured(tls: Option<TlsAcceptor>, tcp: TcpStream) -> Option<Box<dyn Io>> {
    match tls {
        None => Some(Box::new(tcp)),
        Some(tls) => tls.accept(tcp).await.ok().map(|stream| Box::new(stream) as Box<dyn Io>),
    }
}

/// Reads one request with its body; `None` at the connection's end.
pub(crate) async fn read_request(stream: &mut Stream) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let headers = lines.iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut request = Seen { line, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

/// Writes `piece` again and again until the other side has had enough, and counts the bytes.
pub(crate) async fn flood(visit: &mut Visit, piece: &[u8]) {
    while visit.stream.write_all(piece).await.is_ok() {
        visit.written.fetch_add(piece.len() as u64, Ordering::SeqCst);
    }
}

/// Holds the connection open and says nothing more.
pub(crate) async fn silence() {
    std::future::pending::<()>().await;
}

/// A whole answer of HTTP/1.1.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut lines = vec![format!("HTTP/1.1 {status} Some Reason")];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !matches!(status, 204 | 304) {
        lines.push(format!("content-length: {}", body.len()));
    }
    [(lines.join("\r\n") + "\r\n\r\n").as_bytes(), body].concat()
}
