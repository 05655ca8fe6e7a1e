//! Requests and answers as text: what stands in the store, made harmless, pretty where it is JSON, and bounded.

use std::fmt::Write as _;

use serde_json::Value;

use crate::outcome::{visible, visible_block};
use crate::web::model::words;

use super::details::{Attempt, Exchange, Http, Observed};
use super::fold;

/// Characters of a body that are shown of the attempt that decided a step, and of every other one.
pub(super) const DECIDING: usize = 32_000;
pub(super) const OTHERS: usize = 4_000;
/// Headers that are shown of a message.
const HEADERS: usize = 100;

/// What was sent and what came back, each as one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Message {
    /// `at 5.5 s: 200 in 158 ms`.
    pub(in crate::web) title: String,
    /// What was asked.
    pub(in crate::web) request: String,
    /// What came back; empty where nothing did.
    pub(in crate::web) answer: String,
    /// What one must know of both: what was cut off, what is not kept.
    pub(in crate::web) notes: Vec<String>,
}

/// What is kept of an attempt, if anything is.
pub(super) fn of(attempt: &Attempt, most: usize) -> Option<Message> {
    let mut message = match (&attempt.http, &attempt.observed) {
        (Some(http), _) => over_http(http, attempt.exchange.as_ref(), most),
        (None, Some(observed)) => of_other_kind(observed, most),
        (None, None) => return None,
    };
    let (at, took) = (words::took(attempt.started()), words::took(attempt.took()));
    message.title = format!("at {at}: {} in {took}", fold::answer(attempt));
    Some(message)
}

fn over_http(http: &Http, exchange: Option<&Exchange>, most: usize) -> Message {
    let mut message = Message { request: visible(&format!("{} {}", http.method, http.url)).into_owned(), ..Message::default() };
    if let Some(status) = http.status {
        let version = http.version.as_deref().unwrap_or("?");
        message.answer = visible(&format!("HTTP/{version} {status}")).into_owned();
    }
    let mut notes = Vec::new();
    match exchange {
        Some(exchange) => {
            add(&mut message.request, &exchange.request_headers, &exchange.request_body, most, &mut notes);
            if http.status.is_some() {
                add(&mut message.answer, &exchange.response_headers, &exchange.response_body, most, &mut notes);
            }
            if exchange.truncated {
                notes.push("cut off when it was kept (truncated)".to_owned());
            }
        }
        None if http.status.is_some() => {
            let bytes = words::count(usize::try_from(http.body_bytes).unwrap_or(usize::MAX), "byte", "bytes");
            let _ = write!(message.answer, "\n\n({bytes})");
            notes.push("headers and bodies of an attempt that held are not kept".to_owned());
        }
        None => {}
    }
    for withheld in http.withheld.iter().take(20) {
        let headers = withheld.headers.join(", ");
        notes.push(visible(&format!("redirect {} to {} went without {headers}", withheld.redirect, withheld.to)).into_owned());
    }
    if http.reused {
        notes.push("connection reused".to_owned());
    }
    message.notes = notes;
    message
}

fn of_other_kind(observed: &Observed, most: usize) -> Message {
    let mut message = Message { request: visible(&observed.asked).into_owned(), ..Message::default() };
    for (name, value) in observed.facts.iter().take(HEADERS) {
        let line = format!("{}: {}", visible(name).replace('_', " "), fold::text(value));
        message.answer = if message.answer.is_empty() { line } else { format!("{}\n{line}", message.answer) };
    }
    if let Some(transcript) = &observed.transcript {
        add(&mut message.request, &[], &transcript.sent, most, &mut message.notes);
        add(&mut message.answer, &[], &transcript.received, most, &mut message.notes);
        if transcript.truncated {
            message.notes.push("cut off when it was kept (truncated)".to_owned());
        }
    }
    message
}

fn add(text: &mut String, headers: &[(String, String)], body: &str, most: usize, notes: &mut Vec<String>) {
    for (name, value) in headers.iter().take(HEADERS) {
        let _ = write!(text, "\n{}: {}", visible(name), visible(&words::clip(value, 2_000)));
    }
    if headers.len() > HEADERS {
        notes.push(format!("{} more headers", headers.len() - HEADERS));
    }
    if !body.is_empty() {
        let (shown, left) = shown_body(body, most);
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&shown);
        if left > 0 {
            notes.push(format!("{} more characters are kept; the API gives them", words::thousands(left)));
        }
    }
}

/// A body, in lines where it is JSON, and how many characters of it are left out.
fn shown_body(body: &str, most: usize) -> (String, usize) {
    let pretty = match body.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<Value>(body)) {
        Some(Ok(value)) => serde_json::to_string_pretty(&value).unwrap_or_else(|_unwritable| body.to_owned()),
        Some(Err(_)) | None => body.to_owned(),
    };
    let left = pretty.chars().count().saturating_sub(most);
    let kept: String = pretty.chars().take(most).collect();
    (visible_block(&kept).into_owned(), left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shown_in_lines_and_what_steers_is_spelled_out() {
        assert_eq!(shown_body("{\"a\":[1.10,\"\u{202e}\"]}", 100).0, "{\n  \"a\": [\n    1.10,\n    \"\\u202e\"\n  ]\n}");
        assert_eq!(shown_body("{not json\0", 100).0, "{not json\\u0000");
    }

    #[test]
    fn a_body_of_a_megabyte_is_shown_in_part() {
        let body = "é".repeat(1_000_000);
        let (shown, left) = shown_body(&body, OTHERS);
        assert_eq!((shown.chars().count(), left), (OTHERS, 1_000_000 - OTHERS));
    }

    #[test]
    fn what_is_kept_is_told_with_what_is_not() {
        let http = Http {
            method: "GET".to_owned(),
            url: "http://a/\n".to_owned(),
            status: Some(200),
            version: Some("1.1".to_owned()),
            body_bytes: 1,
            ..Http::default()
        };
        let message = over_http(&http, None, 10);
        assert_eq!((message.request.as_str(), message.answer.as_str()), ("GET http://a/\\n", "HTTP/1.1 200\n\n(1 byte)"));
        assert_eq!(message.notes, ["headers and bodies of an attempt that held are not kept"]);
        let exchange = Exchange {
            response_headers: vec![("x-a".to_owned(), "b".to_owned())],
            response_body: "hello you".to_owned(),
            truncated: true,
            ..Exchange::default()
        };
        let message = over_http(&http, Some(&exchange), 5);
        assert_eq!(message.answer, "HTTP/1.1 200\nx-a: b\n\nhello");
        assert_eq!(message.notes.len(), 2, "{:?}", message.notes);
    }
}
