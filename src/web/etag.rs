//! Validators of answers: an `ETag` for each body, and 304 for who has that body already (RFC 9110, section 13).
//!
//! It is one layer around routes whose answers are finite and made in memory, and hashes what they say. The work of making an answer
//! is done all the same; what is saved is sending it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::access::{Caller, Via};
use super::problem::problem;

/// The most bytes of an answer.
const MOST: usize = 64 << 20;
/// Bytes of the hash that are told: what clashes is only sent once more than necessary.
const TOLD: usize = 16;

/// Gives an answer its validator, and leaves its body out where the caller has it.
pub(super) async fn validated(mut request: Request, next: Next) -> Response {
    // The answer to a HEAD has no body to hash; what stands around this layer leaves out the one to a GET.
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    let known = request.headers().clone();
    let is_shared = request.extensions().get::<Caller>().is_none_or(|caller| matches!(caller.via, Via::Open));
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too long");
    };
    let tag = tag(&body);
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(if is_shared { "no-cache" } else { "private, no-cache" }));
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept, authorization, cookie"));
    let is_known = has(&known, &tag);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known {
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return (StatusCode::NOT_MODIFIED, parts.headers).into_response();
    }
    Response::from_parts(parts, Body::from(body))
}

/// A strong validator, with its quotes.
pub(super) fn tag(body: &[u8]) -> String {
    let hash = digest(&SHA256, body);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..TOLD]))
}

/// Whether `If-None-Match` names this validator, weak or strong, or anything at all.
pub(super) fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut named = lines.flat_map(|line| line.split(',')).map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(method: &str, path: &str, known: Option<&str>) -> (u16, HeaderMap, String) {
        let routes = Router::new()
            .route("/a", get(|| async { "a" }))
            .route("/b", get(|| async { "b" }))
            .route("/none", get(|| async { StatusCode::NOT_FOUND }))
            .layer(from_fn(validated));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, MOST).await.unwrap();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn who_has_an_answer_already_is_not_sent_it_again() {
        let (status, headers, body) = ask("GET", "/a", None).await;
        assert_eq!((status, body.as_str()), (200, "a"));
        let tag = headers[header::ETAG].to_str().unwrap();
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == (TOLD * 8).div_ceil(6) + 2, "{tag}");
        for known in [tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
            let (status, again, body) = ask("GET", "/a", Some(known)).await;
            assert_eq!((status, body.as_str()), (304, ""), "{known}");
            assert_eq!(again[header::ETAG], tag);
            assert!(!again.contains_key(header::CONTENT_TYPE));
        }
        for other in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(ask("GET", "/a", Some(other)).await.0, 200, "{other}");
        }
        assert_eq!(ask("GET", "/b", Some(tag)).await.0, 200, "another body has another validator");
    }

    #[tokio::test]
    async fn a_head_has_the_validator_of_the_get_and_no_body() {
        let (_, of_get, _) = ask("GET", "/a", None).await;
        let (status, of_head, body) = ask("HEAD", "/a", None).await;
        assert_eq!((status, body.as_str()), (200, ""));
        assert_eq!(of_head[header::ETAG], of_get[header::ETAG]);
        assert_eq!(of_head[header::CONTENT_LENGTH], "1");
    }

    #[tokio::test]
    async fn a_refusal_has_no_validator() {
        let (status, headers, _) = ask("GET", "/none", Some("*")).await;
        assert_eq!(status, 404);
        assert!(!headers.contains_key(header::ETAG));
    }
}
