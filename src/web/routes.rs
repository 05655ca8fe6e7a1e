//! The routes: what each asks of who calls it.
//!
//! Every route asks for a name that may be called (see `hosts`). `/metrics` and the API ask who calls (see `access`) where a token
//! is configured, as it must be unless the address is loopback. `/healthz` and `/readyz` are open: they say `ok` or `not ready` and
//! nothing else, and orchestrators cannot send a token. A route of the API is declared in `api`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::access::{self, AccessState};
use super::api::{self, Failure};
use super::api_slot::ApiSlot;
use super::etag;
use super::gzip;
use super::hosts::Hosts;
use super::pages::{self, LiveHub};
use super::problem::{self, problem};
use super::status_page::{self, Serving, StatusPages};

/// Renders the metrics for what the scraper accepts (the `Accept` header, if it sent one): content type and body.
pub(crate) type RenderMetrics = dyn Fn(Option<&str>) -> (&'static str, Bytes) + Send + Sync;

/// Bytes of a request's body; what can be asked for is short.
const BODY: usize = 64 << 10;

/// What the routes are about.
#[derive(Clone)]
pub(crate) struct RouterState {
    /// What `/metrics` says.
    pub(crate) render: Arc<RenderMetrics>,
    /// Who may do what.
    pub(crate) access: Arc<AccessState>,
    /// By which names it may be called.
    pub(crate) hosts: Arc<Hosts>,
    /// What `/readyz` says.
    pub(crate) ready: Arc<AtomicBool>,
    /// What requests are given.
    pub(crate) api: Arc<ApiSlot>,
    /// What everybody may see.
    pub(crate) status_page: Arc<StatusPages>,
}

/// All routes; what streams ends when it is to stop.
pub(super) fn routes(shared: RouterState, stop: &CancellationToken) -> Router {
    let access = Arc::clone(&shared.access);
    let reads = middleware::from_fn_with_state(Arc::clone(&access), access::api_reads);
    let guarded = Router::new().route("/metrics", get(metrics)).route_layer(reads);
    let open = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(readyz));
    let nowhere = || async { problem(StatusCode::NOT_FOUND, "there is no such route; config/README.md lists those of the API") };
    let live = Arc::new(LiveHub::new(pages::reading(), stop.clone()));
    let all = open.merge(guarded).merge(api(&shared, &live)).merge(pages(&shared, live)).fallback(nowhere);
    let serving = Serving { pages: Arc::clone(&shared.status_page), api: Arc::clone(&shared.api) };
    let all = all.layer(middleware::from_fn_with_state(serving, status_page::before_all));
    let all = all.layer(middleware::from_fn_with_state(shared.clone(), by_name)).with_state(shared);
    let all = all.layer(middleware::map_response(access::as_it_says));
    // A layer of a router runs after it has found the route, which the prefix of a public URL would keep it from.
    Router::new().fallback_service(all).layer(middleware::from_fn_with_state(access, access::arrive))
}

fn api(shared: &RouterState, live: &Arc<LiveHub>) -> Router<RouterState> {
    let access = &shared.access;
    let reading = api::reading().layer(middleware::from_fn(etag::validated));
    // A stream has no end that could be waited for to validate it.
    let reading = reading.merge(api::following().layer(Extension(Arc::clone(live))));
    let reading = reading.route_layer(middleware::from_fn_with_state(Arc::clone(access), access::api_reads));
    let changing = api::changing().route_layer(middleware::from_fn_with_state(Arc::clone(access), access::api_changes));
    let own = api::own().route_layer(middleware::from_fn_with_state(Arc::clone(access), access::api_own));
    reading
        .merge(changing)
        .layer(middleware::from_fn_with_state(shared.clone(), started))
        .merge(own)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(with_problems))
}

/// What people look at. Pages that ask who looks are guarded by `access::pages`.
fn pages(shared: &RouterState, live: Arc<LiveHub>) -> Router<RouterState> {
    let known = pages::reading()
        .layer(middleware::from_fn(gzip::page))
        .merge(pages::following())
        .merge(pages::acting())
        .layer(Extension(live))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared.access), access::pages))
        .layer(middleware::from_fn_with_state(shared.clone(), started));
    access::login_routes(Arc::clone(&shared.access))
        .merge(known)
        .merge(pages::open())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::map_response(access::secured))
}

/// Makes every refusal a problem, including those made before a handler is called, and what becomes of a handler that panics.
async fn with_problems(request: Request, next: Next) -> Response {
    let Ok(response) = AssertUnwindSafe(next.run(request)).catch_unwind().await else {
        return Failure::internal().into_response();
    };
    let status = response.status();
    let is_problem = |value: &HeaderValue| value == problem::MEDIA_TYPE;
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().get(header::CONTENT_TYPE).is_some_and(is_problem)
    {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, BODY).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = if said.is_empty() { status.canonical_reason().unwrap_or("refused") } else { &*said };
    let mut answer = problem(status, said);
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

/// Refuses requests to a name that nobody has allowed.
async fn by_name(State(shared): State<RouterState>, request: Request, next: Next) -> Response {
    match shared.hosts.admit(request.version(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => problem(status, &why),
    }
}

/// Gives the handlers their handles, once there are any.
async fn started(State(shared): State<RouterState>, mut request: Request, next: Next) -> Response {
    let Some(api) = shared.api.get() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the service is starting");
    };
    request.extensions_mut().insert(api);
    // What is followed for long finds there who answers by then.
    request.extensions_mut().insert(Arc::clone(&shared.api));
    next.run(request).await
}

async fn readyz(State(shared): State<RouterState>) -> Response {
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

async fn metrics(State(shared): State<RouterState>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let as_gzip = gzip::is_accepted(&headers);
    let rendered = tokio::task::spawn_blocking(move || {
        let (content_type, body) = (shared.render)(accept.as_deref());
        let body = if as_gzip { gzip::compressed(&body)? } else { body };
        Ok::<_, std::io::Error>((content_type, body))
    });
    let (content_type, body) = match rendered.await.map_err(std::io::Error::from).flatten() {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let kind = [(header::CONTENT_TYPE, content_type), (header::VARY, "accept, accept-encoding")];
    let encoding = as_gzip.then_some([(header::CONTENT_ENCODING, "gzip")]);
    (kind, encoding, Body::from(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    async fn panics() {
        panic!("it is on purpose")
    }

    async fn ask(path: &str) -> (u16, HeaderMap, Value) {
        let routes = Router::new()
            .route("/panics", get(panics))
            .route("/text", get(|| async { (StatusCode::BAD_REQUEST, "no\u{1b}") }))
            .route("/bare", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .route("/changes", post(|| async {}))
            .route("/fine", get(|| async { "1" }))
            .layer(middleware::from_fn(with_problems));
        let answer = routes.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, BODY).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn whoever_refuses_it_a_refusal_is_a_problem_and_so_is_a_panic() {
        for (path, status, detail) in [
            ("/panics", 500, "a defect"),
            ("/text", 400, "no\\u001b"),
            ("/bare", 503, "Service Unavailable"),
            ("/changes", 405, "Method Not Allowed"),
        ] {
            let (code, headers, body) = ask(path).await;
            assert_eq!(
                (code, &headers[header::CONTENT_TYPE]),
                (status, &HeaderValue::from_static(problem::MEDIA_TYPE)),
                "{path}"
            );
            assert!(body["detail"].as_str().unwrap().contains(detail), "{path}: {body}");
            assert_eq!(body["status"], status);
        }
        assert_eq!(ask("/changes").await.1[header::ALLOW], "POST");
        let (status, headers, _) = ask("/fine").await;
        assert_eq!((status, headers[header::CONTENT_TYPE].as_bytes()), (200, &b"text/plain; charset=utf-8"[..]));
    }
}
