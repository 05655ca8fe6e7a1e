//! The addresses of the page: below a path of the service's listener, or alone on one of its own. Open to everybody.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::plan::StatusPlace;
use crate::web::{ApiSlot, etag, gzip};

use super::render::{INDEX, NAMES, header_policy};
use super::shared::{ServedFile, StatusPages};

/// How long others may keep it.
const KEPT: &str = "public, max-age=15";

/// What requests are answered with.
#[derive(Clone)]
pub(in crate::web) struct Serving {
    pub(in crate::web) pages: Arc<StatusPages>,
    /// Empty until something is known.
    pub(in crate::web) api: Arc<ApiSlot>,
}

/// Answers what is asked below the page's path, before the service's own routes are looked at.
pub(in crate::web) async fn before_all(State(serving): State<Serving>, request: Request, next: Next) -> Response {
    let Some(StatusPlace::Path(path)) = serving.pages.place() else { return next.run(request).await };
    match request.uri().path().strip_prefix(&**path) {
        Some("") => to_the_folder(path),
        Some(rest) if rest.starts_with('/') => serving.answer(rest, request.method(), request.headers()).await,
        Some(_) | None => next.run(request).await,
    }
}

/// A listener's routes that are the page and nothing else.
pub(in crate::web) fn alone(serving: Serving) -> Router {
    Router::new().fallback(only).with_state(serving)
}

async fn only(State(serving): State<Serving>, request: Request) -> Response {
    serving.answer(request.uri().path(), request.method(), request.headers()).await
}

/// The addresses in the page are relative to a folder. The redirect is relative too, since a prefix may stand before the path.
fn to_the_folder(path: &str) -> Response {
    let last = path.rsplit('/').next().unwrap_or_default();
    secured((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, format!("{last}/")), (header::CACHE_CONTROL, KEPT.to_owned())]))
}

impl Serving {
    async fn answer(&self, path: &str, method: &Method, headers: &HeaderMap) -> Response {
        let name = match path {
            "/" => INDEX,
            other => other.strip_prefix('/').unwrap_or_default(),
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            return secured((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]));
        }
        let Some(api) = self.api.get() else { return not_now() };
        // For what is not there nothing is made.
        if !NAMES.contains(&name) || !self.pages.is_shown() {
            return secured((StatusCode::NOT_FOUND, "not found\n"));
        }
        let Some(page) = self.pages.get(&api).await else { return not_now() };
        let Some(file) = page.files.iter().find(|file| file.name == name) else {
            return secured((StatusCode::NOT_FOUND, "not found\n"));
        };
        sent(file, method, headers)
    }
}

fn sent(file: &ServedFile, method: &Method, headers: &HeaderMap) -> Response {
    let kept = [
        // What is compressed and what is not are the same page: the validator is a weak one.
        (header::ETAG, format!("W/{}", file.tag)),
        (header::CACHE_CONTROL, KEPT.to_owned()),
        (header::VARY, "accept-encoding".to_owned()),
    ];
    if etag::has(headers, &file.tag) {
        return secured((StatusCode::NOT_MODIFIED, kept));
    }
    let small = file.gzip.as_ref().filter(|_| gzip::is_accepted(headers));
    let body = small.unwrap_or(&file.plain);
    let encoding = small.map(|_| [(header::CONTENT_ENCODING, "gzip")]);
    let about = [(header::CONTENT_TYPE, file.media_type.to_owned()), (header::CONTENT_LENGTH, body.len().to_string())];
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(body.clone()) };
    secured((kept, about, encoding, body))
}

/// While the service starts or stops.
fn not_now() -> Response {
    secured((
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, "5"), (header::CACHE_CONTROL, "no-store")],
        "Nothing is known right now: the checks behind this page are starting or stopping.\n",
    ))
}

fn secured(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let policy = HeaderValue::try_from(header_policy()).expect("a policy is plain text");
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}
