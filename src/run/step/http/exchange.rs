//! Request and answer as text for a report: redacted first, then cut. URLs without what may be a credential.

use std::borrow::Cow;

use http::HeaderName;
use http::header::AUTHORIZATION;
use reqwest::Url;

use crate::outcome::{Exchange, Redactor, TextKind, is_credential, mask_credentials};
use crate::run::step::transcript::{self, BODY, LOOKED_AT};
use crate::run::step::user_info::has_user_info;

use super::request::HttpRequest;
use super::response::HttpResponse;

/// Bytes of a header value that a report keeps.
const HEADER: usize = 512;

/// Bytes of a URL that a report keeps.
const LONGEST_URL: usize = 8 << 10;

/// Draws an exchange. `credential` is what was sent behind the scheme's name in `authorization`: a token that was fetched is in no
/// list of secrets, and a target may echo it.
pub(super) fn render(
    request: &HttpRequest,
    credential: Option<&str>,
    response: Option<&HttpResponse>,
    redactor: &Redactor,
) -> Exchange {
    let mut truncated = false;
    let mut shown = |text: &str, whole: bool, most: usize, kind: TextKind| {
        let text = match credential {
            Some(credential) if !credential.is_empty() => Cow::Owned(text.replace(credential, Redactor::MASK)),
            Some(_) | None => Cow::Borrowed(text),
        };
        let (text, was_cut) = transcript::shown(&text, whole, most, kind, redactor);
        truncated |= was_cut;
        text
    };
    let mut header = |name: &HeaderName, value: &str| {
        let masked = is_credential(name.as_str());
        (name.to_string(), if masked { Redactor::MASK.to_owned() } else { shown(value, true, HEADER, TextKind::Text) })
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
    let sent_start = sent.start(LOOKED_AT);
    let sent_start = String::from_utf8_lossy(&sent_start);
    let request_body = shown(&sent_start, sent.len() <= LOOKED_AT, BODY, TextKind::Body);
    let response_body = response.map_or_else(String::new, |response| {
        shown(&response.text_start(LOOKED_AT), response.body.len() <= LOOKED_AT, BODY, TextKind::Body)
    });
    Exchange { request_headers, request_body, response_headers, response_body, truncated }
}

/// The URL for people. Of one that is longer than any server takes, only the start: each attempt's report has it.
pub(super) fn shown_url(url: &Url, redactor: &Redactor) -> String {
    let bare = bare(url);
    let (text, was_cut) = redactor.redact_start(bare.as_str(), LONGEST_URL, TextKind::Text);
    let mut text = if bare.query().is_some() { mask_credentials(&text).into_owned() } else { text };
    if was_cut {
        text.push('…');
    }
    text
}

/// The URL without user information.
pub(super) fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    if has_user_info(url) {
        // Only URLs without a host refuse this, and `render` makes none.
        let _ = bare.set_username("").and_then(|()| bare.set_password(None));
    }
    bare
}
