//! Why somebody may not, as a page for people and as a problem for programs.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::web::problem::problem;

use super::arrival::Base;

/// A page that says why not.
#[derive(Template)]
#[template(path = "refused.html", config = "src/web/pages/askama.toml")]
struct Refused<'p> {
    base: &'p str,
    title: &'p str,
    message: &'p str,
}

/// Whether a person is to read the answer.
pub(super) fn is_for_people(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted.any(|accept| accept.contains("text/html"))
}

/// A refusal in the form that is wanted.
pub(super) fn refused(status: StatusCode, message: &str, base: &Base, headers: &HeaderMap) -> Response {
    if is_for_people(headers) {
        let title = status.canonical_reason().unwrap_or("Refused");
        return (status, page(&Refused { base: &base.0, title, message })).into_response();
    }
    problem(status, message)
}

/// A rendered page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
