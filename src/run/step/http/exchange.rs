//! Request and answer as text for a report: redacted first, then cut.

use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::outcome::{Exchange, Redactor, is_credential, mask_credentials};

use super::request::HttpRequest;
use super::response::HttpResponse;

/// Bytes of a body that a report keeps.
const BODY: usize = 4 << 10;

/// Bytes of a header value that a report keeps.
const HEADER: usize = 512;

/// Longest that a secret is taken to be, in any spelling: what is redacted reaches so far beyond what is shown.
const LONGEST_SECRET: usize = 256 << 10;

/// Bytes of a body that are looked at for what is shown of it. Its last [`LONGEST_SECRET`] bytes, which may be a part of a secret, are
/// never shown.
const WINDOW: usize = BODY + LONGEST_SECRET;

/// Draws an exchange. `credential` is what was sent behind the scheme's name in `authorization`: a token that was fetched is in no
/// list of secrets, and a target may echo it.
pub(super) fn draw(
    request: &HttpRequest,
    credential: Option<&str>,
    response: Option<&HttpResponse>,
    redactor: &Redactor,
) -> Exchange {
    let mut truncated = false;
    // Redacted and then cut: of a secret that is cut first, the rest would not be known for one.
    let mut shown = |text: &str, most: usize, is_whole: bool| {
        let text = redactor.redact(text);
        let text = match credential {
            Some(credential) if !credential.is_empty() => text.replace(credential, Redactor::MASK),
            Some(_) | None => text.into_owned(),
        };
        let most = if is_whole { most } else { most.min(text.len().saturating_sub(LONGEST_SECRET)) };
        let (text, was_cut) = cut(text, most);
        truncated |= was_cut;
        mask_credentials(&text).into_owned()
    };
    let mut header = |name: &HeaderName, value: &str| {
        let masked = is_credential(name.as_str());
        (name.to_string(), if masked { Redactor::MASK.to_owned() } else { shown(value, HEADER, true) })
    };
    let mut request_headers: Vec<_> = request.headers.iter().map(|(name, value)| header(name, value)).collect();
    if credential.is_some() && !request.headers.iter().any(|(name, _)| name == AUTHORIZATION) {
        request_headers.push(header(&AUTHORIZATION, ""));
    }
    let response_headers = response
        .iter()
        .flat_map(|response| &response.headers)
        .map(|(name, value)| header(name, &String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let sent = &request.body.content;
    let request_body = shown(&String::from_utf8_lossy(&sent.start(WINDOW)), BODY, sent.len() <= WINDOW);
    let response_body =
        response.map_or_else(String::new, |response| shown(&response.text_start(WINDOW), BODY, response.body.len() <= WINDOW));
    Exchange { request_headers, request_body, response_headers, response_body, truncated }
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
