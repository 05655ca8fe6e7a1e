//! The HTTP listener: its address, its thread, and who may connect.
//!
//! It runs on a thread and runtime of its own, so that a scraper costs no probe a microsecond, and takes no more connections than
//! the process has files to spare for.

use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::plan::FileShares;

use super::access::Arrival;
use super::api_slot::ApiSlot;
use super::connection;
use super::connection_slots::ConnectionSlots;
use super::routes::{RouterState, routes};
use super::status_page::{self, Serving, StatusPages};
use super::tls::{ListenerTls, TlsError};

/// Threads that render metrics and ask the store.
const BLOCKING: usize = 16;
/// How long answers under way may take at the end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long nobody is accepted where the process has no file for one more.
const WITHOUT_FILES: Duration = Duration::from_millis(50);

/// Why the listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, foreign or not allowed.
    #[error("cannot listen on {address}; choose another address in [listen], or stop what uses it")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificate cannot be used.
    #[error("the listener cannot prove who it is")]
    Tls(#[from] TlsError),
    /// A thread or runtime could not be made.
    #[error("cannot start the listener's thread")]
    Thread(#[source] std::io::Error),
}

/// A bound address that nobody answers on yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address. Done before anything else starts, so that a second instance ends before it probes.
    pub(crate) fn to(address: SocketAddr) -> Result<Self, ListenError> {
        let bind = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind().map_err(|source| ListenError::Bind { address, source })
    }

    /// The address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to answer, over TLS if it is given a certificate.
    pub(crate) fn serve(self, shared: RouterState, tls: Option<ListenerTls>) -> Result<Server, ListenError> {
        let ready = Arc::clone(&shared.ready);
        self.answer(ready, tls, "web", move |stop| routes(shared, stop))
    }

    /// Starts to answer with the status page, and with nothing else.
    pub(crate) fn serve_status_page(self, pages: Arc<StatusPages>, api: Arc<ApiSlot>) -> Result<Server, ListenError> {
        self.answer(Arc::default(), None, "status page", move |_| status_page::alone(Serving { pages, api }))
    }

    fn answer(
        self,
        ready: Arc<AtomicBool>,
        tls: Option<ListenerTls>,
        name: &str,
        routes: impl FnOnce(&CancellationToken) -> Router + Send + 'static,
    ) -> Result<Server, ListenError> {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .build()
            .map_err(ListenError::Thread)?;
        let serve = move || {
            let served = runtime.block_on(async move {
                let connections = TaskTracker::new();
                let listener = TcpListener::from_std(self.listener)?;
                accept(listener, routes(&stopped), tls, &connections, &stopped).await;
                connections.close();
                // A request that never ends does not delay the stop.
                let _in_time = tokio::time::timeout(LAST_ANSWERS, connections.wait()).await;
                Ok(())
            });
            // A query of a store that hangs is abandoned.
            runtime.shutdown_background();
            served
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(serve).map_err(ListenError::Thread)?;
        Ok(Server { address: self.address, ready, stop, thread })
    }
}

/// Takes connections until it is to stop.
async fn accept(
    listener: TcpListener,
    routes: Router,
    tls: Option<ListenerTls>,
    connections: &TaskTracker,
    stop: &CancellationToken,
) {
    let slots = ConnectionSlots::new(FileShares::of(files()).connections);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) if has_file(&stream) => {
                let Some(slot) = slots.take() else { continue };
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection to the listener may be slow");
                }
                let (peer, routes, stop) = (peer.ip(), routes.clone(), stop.clone());
                if let Some(tls) = &tls {
                    connections.spawn(connection::serve_tls(stream, tls.acceptor(), peer, slot, routes, stop));
                } else {
                    connections.spawn(connection::serve(stream, Arrival { peer, tls: false }, slot, routes, stop));
                }
                // Whoever gave way closes before the next one comes.
                tokio::task::yield_now().await;
            }
            // The file is one of those that are kept for pages and the store.
            Ok((stream, _)) => {
                drop(stream);
                slots.make_room();
                tokio::task::yield_now().await;
            }
            Err(error) if is_for_want_of_files(&error) => {
                tracing::debug!(%error, "the listener has no file for one more connection");
                slots.make_room();
                tokio::time::sleep(WITHOUT_FILES).await;
            }
            // Only this peer failed, so the next connection is accepted at once.
            Err(error) => {
                tracing::debug!(%error, "the listener could not accept a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Whether a connection was not accepted because the process or the system is out of files. Closing a connection mends that.
fn is_for_want_of_files(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// Whether the listener may have this one.
fn has_file(stream: &TcpStream) -> bool {
    u64::try_from(stream.as_raw_fd()).is_ok_and(|number| number < FileShares::of(files()).listener)
}

/// How many files this process may open.
fn files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A listener that answers.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: CancellationToken,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `/readyz` says from now on.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Takes no more connections, finishes the answers under way, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic of the listener has been printed; there is nothing left to do about it at shutdown.
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await;
        if let Ok(Ok(Err(error))) = joined {
            tracing::warn!(%error, "the listener ended with an error");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, Ipv4Addr, TcpStream};
    use std::time::Duration;

    use axum::body::Bytes;

    use super::super::access::testing::asking;
    use super::super::hosts::Hosts;
    use super::*;
    use crate::plan::Role;

    #[test]
    fn only_a_want_of_files_or_memory_holds_up_the_listener() {
        let is = |error: Errno| is_for_want_of_files(&error.into());
        assert!([Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].into_iter().all(is));
        assert!(![Errno::CONNABORTED, Errno::PROTO, Errno::PERM, Errno::NETDOWN, Errno::HOSTUNREACH].into_iter().any(is));
        assert!(!is_for_want_of_files(&std::io::Error::other("no error of the system")));
    }

    fn serve(ip: Ipv4Addr, token: Option<&str>) -> Server {
        let render = |accept: Option<&str>| ("text/plain", Bytes::from(format!("up 1 # {}", accept.unwrap_or("anything"))));
        let bound = Bound::to(SocketAddr::new(IpAddr::V4(ip), 0)).unwrap();
        let tokens: Vec<_> = token.map(|token| ("token", token, Role::Act)).into_iter().collect();
        let shared = RouterState {
            render: Arc::new(render),
            access: Arc::new(asking(&tokens)),
            hosts: Arc::new(Hosts::new(vec!["x".to_owned()], None)),
            ready: Arc::default(),
            api: Arc::default(),
            status_page: Arc::default(),
        };
        bound.serve(shared, None).unwrap()
    }

    fn get(server: &Server, path: &str, header: &str) -> String {
        String::from_utf8(get_bytes(server, path, header)).unwrap()
    }

    fn get_bytes(server: &Server, path: &str, header: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.address().port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    #[tokio::test]
    async fn without_a_token_metrics_are_open_and_readiness_is_what_was_said() {
        let server = serve(Ipv4Addr::LOCALHOST, None);
        let metrics = get(&server, "/metrics", "accept: text/x\r\n");
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.ends_with("up 1 # text/x"), "{metrics}");
        assert!(get(&server, "/healthz", "").starts_with("HTTP/1.1 200"));
        assert!(get(&server, "/readyz", "").starts_with("HTTP/1.1 503"));
        server.set_ready(true);
        assert!(get(&server, "/readyz", "").starts_with("HTTP/1.1 200"));
        server.stop().await;
    }

    #[tokio::test]
    async fn metrics_are_gzip_for_whoever_asks_for_it() {
        let server = serve(Ipv4Addr::LOCALHOST, None);
        let answer = get_bytes(&server, "/metrics", "accept: text/x\r\naccept-encoding: gzip\r\n");
        let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..split].to_vec()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("\r\ncontent-encoding: gzip"), "{head}");
        let mut body = String::new();
        flate2::read::GzDecoder::new(&answer[split + 4..]).read_to_string(&mut body).unwrap();
        assert_eq!(body, "up 1 # text/x");
        assert!(!get(&server, "/metrics", "").contains("content-encoding"));
        server.stop().await;
    }

    #[tokio::test]
    async fn with_a_token_metrics_need_it_on_any_address_and_health_does_not() {
        for address in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
            needs_the_token(serve(address, Some("sesame-open"))).await;
        }
    }

    async fn needs_the_token(server: Server) {
        for wrong in ["", "authorization: Bearer sesame\r\n", "authorization: Basic sesame-open\r\n"] {
            assert!(get(&server, "/metrics", wrong).starts_with("HTTP/1.1 401"), "{wrong}");
        }
        assert!(get(&server, "/metrics", "authorization: bearer sesame-open\r\n").starts_with("HTTP/1.1 200"));
        assert!(get(&server, "/healthz", "").starts_with("HTTP/1.1 200"));
        server.stop().await;
    }

    #[test]
    fn an_address_in_use_is_refused_before_anything_starts() {
        let first = Bound::to((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let error = Bound::to(first.address).unwrap_err();
        assert!(error.to_string().contains(&first.address.to_string()), "{error}");
    }
}
