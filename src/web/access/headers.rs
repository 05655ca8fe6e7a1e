//! Headers of every answer: what a browser may do with it.

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

/// Nothing but our own style sheet, script and images, no frame around it, no form to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'self'";

const ALL: [(HeaderName, &str); 3] =
    [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "same-origin"), (header::CACHE_CONTROL, "no-store")];

/// Has browsers take every answer for what it says it is, also those of the API; for `axum::middleware::map_response`.
pub(in crate::web) async fn as_it_says(mut response: Response) -> Response {
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

/// Adds them where the page does not say otherwise itself, as a style sheet does that may be cached; for
/// `axum::middleware::map_response`.
pub(in crate::web) async fn secured(mut response: Response) -> Response {
    for (name, value) in ALL {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
