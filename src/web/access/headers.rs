//! Headers of every page: what a browser may do with it.

use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

/// Nothing but our own style sheet, script and images, no frame around it, no form to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'self'";

const ALL: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Adds them where the page does not say otherwise itself, as a style sheet does that may be cached; for
/// `axum::middleware::map_response`.
pub(in crate::web) async fn secured(mut response: Response) -> Response {
    for (name, value) in ALL {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
