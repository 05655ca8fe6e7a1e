//! Errors for programs, as RFC 9457 has them: `application/problem+json`.
//!
//! Owns the form alone. Whoever refuses something says why in one sentence, and people get a page of the same sentence instead.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::outcome::visible;

/// The media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// Why something was refused or went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// One sentence.
    detail: String,
    /// The same sentence, for programs that are older than `detail`.
    error: String,
}

/// The answer that refuses something.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    let detail = visible(detail).into_owned();
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        error: detail.clone(),
        detail,
    };
    let body = serde_json::to_vec(&problem).expect("texts and numbers have a JSON spelling");
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], body).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_problem_says_its_status_and_one_sentence_twice() {
        let answer = problem(StatusCode::NOT_FOUND, "no run `x\u{1b}` is kept");
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = futures::executor::block_on(axum::body::to_bytes(answer.into_body(), 1 << 20)).unwrap();
        let detail = "no run `x\\u001b` is kept";
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({ "type": "about:blank", "title": "Not Found", "status": 404, "detail": detail, "error": detail })
        );
    }
}
