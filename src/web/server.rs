//! The HTTP listener: `/metrics`, `/healthz`, `/readyz`, and the API.
//!
//! It runs on a thread and runtime of its own, so that a scraper costs no probe a microsecond. `/metrics` asks for
//! the bearer token where one is configured, as it must be unless the address is loopback. `/healthz` and `/readyz` are always open: they say `ok` or
//! `not ready` and nothing else, and orchestrators cannot send a token. A new route is a line in `routes`.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::outcome::Secret;

use super::api::{self, Api};

/// Renders the metrics for what the scraper accepts (the `Accept` header, if it sent one): content type and body.
pub(crate) type RenderMetrics = dyn Fn(Option<&str>) -> (&'static str, Bytes) + Send + Sync;

/// Bytes of a request's body; what can be asked for is short.
const BODY: usize = 64 << 10;
/// Threads that render metrics and ask the store.
const BLOCKING: usize = 16;
/// How long answers under way may take at the end.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

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

    /// Starts to answer.
    pub(crate) fn serve(
        self,
        render: Arc<RenderMetrics>,
        token: Option<Secret>,
        api: Arc<OnceLock<Arc<Api>>>,
    ) -> Result<Server, ListenError> {
        let ready = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let shared = Shared { render, token, ready: Arc::clone(&ready), api };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .build()
            .map_err(ListenError::Thread)?;
        let (stopped, stopping) = (stop.clone(), stop.clone());
        let serve = move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                let served = axum::serve(listener, routes(shared)).with_graceful_shutdown(stopped.cancelled_owned());
                // Somebody who never finishes a request does not hold up the end.
                let enough = async {
                    stopping.cancelled().await;
                    tokio::time::sleep(LAST_ANSWERS).await;
                };
                tokio::select! {
                    served = served.into_future() => served,
                    () = enough => Ok(()),
                }
            });
            // A question to a store that hangs is left behind.
            runtime.shutdown_background();
            served
        };
        let thread = std::thread::Builder::new().name("web".to_owned()).spawn(serve).map_err(ListenError::Thread)?;
        Ok(Server { address: self.address, ready, stop, thread })
    }
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

#[derive(Clone)]
struct Shared {
    render: Arc<RenderMetrics>,
    token: Option<Secret>,
    ready: Arc<AtomicBool>,
    /// Empty until everything has started.
    api: Arc<OnceLock<Arc<Api>>>,
}

fn routes(shared: Shared) -> Router {
    let guarded =
        Router::new().route("/metrics", get(metrics)).route_layer(middleware::from_fn_with_state(shared.clone(), guard));
    let open = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(readyz));
    let nowhere = || async { refusal(StatusCode::NOT_FOUND, "there is no such route; config/README.md lists those of the API") };
    open.merge(guarded).merge(api(&shared)).fallback(nowhere).with_state(shared)
}

fn api(shared: &Shared) -> Router<Shared> {
    let reading = api::reading().route_layer(middleware::from_fn_with_state(shared.clone(), guard));
    let changing = api::changing().route_layer(middleware::from_fn_with_state(shared.clone(), guard_changes));
    reading
        .merge(changing)
        .layer(middleware::from_fn_with_state(shared.clone(), started))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::map_response(in_json))
}

/// Every refusal is JSON, also those that were made before a handler was asked.
async fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().get(header::CONTENT_TYPE).is_some_and(is_json)
    {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, BODY).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = if said.is_empty() { status.canonical_reason().unwrap_or("refused") } else { &*said };
    let mut answer = refusal(status, said);
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

/// Gives the handlers their handles, once there are any. A page in somebody's browser must not reach a listener that asks for
/// no token by calling it by a name of its own, so only addresses and `localhost` are answered to there.
async fn started(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if shared.token.is_none() && !host.is_some_and(is_address) {
        return refusal(StatusCode::FORBIDDEN, "ask by address or as `localhost`, or set `listen.token`");
    }
    let Some(api) = shared.api.get() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the service is starting");
    };
    request.extensions_mut().insert(Arc::clone(api));
    next.run(request).await
}

/// What changes something asks for the token, and without one nobody may.
async fn guard_changes(state: State<Shared>, request: Request, next: Next) -> Response {
    if state.token.is_none() {
        return refusal(
            StatusCode::FORBIDDEN,
            "this changes something, and the service has no token to ask for: name a secret in `listen.token` and restart it",
        );
    }
    guard(state, request, next).await
}

fn is_address(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit())).map_or(host, |(name, _)| name);
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

async fn readyz(State(shared): State<Shared>) -> Response {
    if shared.ready.load(Ordering::Relaxed) {
        match shared.api.get().map_or(0, |api| api.alerts.secrets().missing().count()) {
            0 => "ok\n".into_response(),
            // It is ready all the same: whatever needs no such secret is probed. The names are not for everybody.
            missing => format!("degraded: secrets that cannot be read: {missing}; `serinus status` names them\n").into_response(),
        }
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let rendered = tokio::task::spawn_blocking(move || (shared.render)(accept.as_deref())).await;
    match rendered {
        Ok((content_type, body)) => ([(header::CONTENT_TYPE, content_type)], Body::from(body)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(token) = &shared.token else { return next.run(request).await };
    let offered = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = offered.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if bearer.is_some_and(|(_, offered)| same(offered.trim(), token.expose())) {
        next.run(request).await
    } else {
        let body = Json(json!({ "error": "a bearer token is needed: give `--token`, or SERINUS_TOKEN" }));
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
    }
}

/// Compares in a time that does not depend on where the two differ.
fn same(offered: &str, token: &str) -> bool {
    let differing = offered.bytes().zip(token.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b));
    offered.len() == token.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, Ipv4Addr, TcpStream};
    use std::time::Duration;

    use super::*;

    fn serve(ip: Ipv4Addr, token: Option<&str>) -> Server {
        let render = |accept: Option<&str>| ("text/plain", Bytes::from(format!("up 1 # {}", accept.unwrap_or("anything"))));
        let bound = Bound::to(SocketAddr::new(IpAddr::V4(ip), 0)).unwrap();
        bound.serve(Arc::new(render), token.map(Secret::new), Arc::default()).unwrap()
    }

    fn get(server: &Server, path: &str, header: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.address().port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
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
