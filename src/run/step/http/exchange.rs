//! Request and answer as text for a report: redacted first, then cut.

use http::HeaderName;

use crate::outcome::{Exchange, Redactor};

use super::request::HttpRequest;
use super::response::HttpResponse;

/// Bytes of a body that a report keeps.
const BODY: usize = 4 << 10;

/// Bytes of a header value that a report keeps.
const HEADER: usize = 512;

/// Body bytes looked at; a secret that straddles the cut below must be seen whole.
const LOOKED_AT: usize = 2 * BODY;

/// Headers whose value is a credential whatever it is.
const CREDENTIALS: [HeaderName; 4] =
    [http::header::AUTHORIZATION, http::header::PROXY_AUTHORIZATION, http::header::COOKIE, http::header::SET_COOKIE];

/// Draws an exchange.
pub(super) fn draw(request: &HttpRequest, response: Option<&HttpResponse>, redactor: &Redactor) -> Exchange {
    let mut truncated = false;
    let header = |name: &HeaderName, value: &str| {
        let masked = CREDENTIALS.contains(name);
        let shown = if masked { Redactor::MASK.to_owned() } else { cut(redactor.redact(value).into_owned(), HEADER).0 };
        (name.to_string(), shown)
    };
    let mut body = |text: String| {
        let (text, was_cut) = cut(redactor.redact(&text).into_owned(), BODY);
        truncated |= was_cut;
        text
    };
    let request_body = body(cut(request.body.shown(), LOOKED_AT).0);
    let response_body = response.map_or_else(String::new, |response| {
        let start = &response.body[..response.body.len().min(LOOKED_AT)];
        body(String::from_utf8_lossy(start).into_owned())
    });
    Exchange {
        request_headers: request.headers.iter().map(|(name, value)| header(name, value)).collect(),
        request_body,
        response_headers: response
            .iter()
            .flat_map(|response| &response.headers)
            .map(|(name, value)| header(name, &String::from_utf8_lossy(value.as_bytes())))
            .collect(),
        response_body,
        truncated,
    }
}

/// At most so many bytes, cut between characters; and whether anything was cut off.
fn cut(mut text: String, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.truncate(end);
    (text, true)
}
