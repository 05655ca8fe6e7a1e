//! Answers as gzip, for whoever asks for it: a scrape of ten thousand canaries has tens of megabytes, and its text repeats itself.

use std::io::Write as _;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most bytes of a page.
const PAGE_BYTES: usize = 64 << 20;

/// Whether an `Accept-Encoding` names gzip, or everything, with a weight above zero.
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let ranges = || {
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','))
    };
    let weight = |coding: &str| {
        let named = ranges().find(|range| range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(coding)));
        named.map(|range| {
            let q = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
            // A weight that is no number counts as zero, because every client understands plain text.
            q.map_or(1.0, |q| q.trim().parse::<f64>().unwrap_or(0.0))
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// The body as gzip, at the fastest level: better compression would cost more CPU time than the saved traffic is worth.
pub(super) fn compressed(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

/// Compresses the answer of a page for who asks for that. An event stream is left as it is: it is made for being sent at once.
pub(super) async fn page(request: Request, next: Next) -> Response {
    let is_asked = is_accepted(request.headers());
    let response = next.run(request).await;
    let is_text = |value: &HeaderValue| value.as_bytes().starts_with(b"text/");
    if !is_asked || !response.headers().get(header::CONTENT_TYPE).is_some_and(is_text) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, PAGE_BYTES).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let to_compress = plain.clone();
    // It may be megabytes, and others wait for this thread.
    let made = tokio::task::spawn_blocking(move || compressed(&to_compress)).await;
    match made.map_err(std::io::Error::from).flatten() {
        Ok(small) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, small.into())
        }
        Err(error) => {
            tracing::debug!(%error, "a page is sent as it is, since it could not be compressed");
            Response::from_parts(parts, plain.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn gzip_is_what_is_asked_for_by_name_or_with_everything_and_not_refused() {
        for (asked, expected) in [
            (&["gzip"][..], true),
            (&["GZip;q=0.5, br"], true),
            (&["br", "deflate, gzip"], true),
            (&["*"], true),
            (&["identity, *;q=0.1"], true),
            (&["gzip;q=0"], false),
            (&["gzip;q=0, *"], false),
            (&["*;q=0"], false),
            (&["gzip;q=much"], false),
            (&["br, x-gzip2"], false),
            (&[""], false),
            (&[], false),
        ] {
            let headers = asked.iter().map(|value| (header::ACCEPT_ENCODING, value.parse().unwrap())).collect();
            assert_eq!(is_accepted(&headers), expected, "{asked:?}");
        }
    }

    #[test]
    fn what_was_compressed_is_what_comes_out() {
        let body = "serinus_runs_total{probe=\"sync\",region=\"eu\",verdict=\"passed\"} 7\n".repeat(1_000);
        let compressed = compressed(body.as_bytes()).unwrap();
        assert!(compressed.len() < body.len() / 20, "{} of {}", compressed.len(), body.len());
        let mut out = String::new();
        flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut out).unwrap();
        assert!(out == body);
    }
}
