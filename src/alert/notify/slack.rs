//! Slack's incoming webhook, with blocks.
//!
//! What a target or a probe's author wrote is escaped, so that it can neither mention anybody nor disguise a link.

use serde_json::{Value, json};

use crate::alert::Notice;

use super::http::Post;
use super::text::{facts, headline, is_link, line, lists, occasion};

/// Characters of a header block.
const HEADER: usize = 150;

/// Characters of a section's text, after escaping.
const SECTION: usize = 3_000;

/// Characters of the text that notifications show; Slack would allow more.
const FALLBACK: usize = 300;

/// The message that tells of `notice`.
pub(super) fn request(url: &str, channel: Option<&str>, notice: &Notice) -> Post {
    let mut message = json!({
        "text": escaped(&headline(notice, FALLBACK)),
        "blocks": blocks(notice),
        "unfurl_links": false,
        "unfurl_media": false,
    });
    if let Some(channel) = channel {
        message["channel"] = channel.into();
    }
    Post::json(url.to_owned(), &message)
}

fn blocks(notice: &Notice) -> Vec<Value> {
    let mut blocks = vec![json!({
        "type": "header",
        // A header is plain text: nothing in it is markup.
        "text": { "type": "plain_text", "text": headline(notice, HEADER), "emoji": false },
    })];
    let sentences: Vec<String> =
        notice.summary.as_deref().into_iter().chain(occasion(notice)).map(|text| escaped(&line(text, 500))).collect();
    let facts: Vec<String> = facts(notice).into_iter().map(|(name, value)| format!("*{name}:* {}", linked(&value))).collect();
    blocks.extend(section(None, &sentences));
    blocks.extend(section(None, &facts));
    for (title, lines) in lists(notice) {
        let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
        blocks.extend(section(Some(title), &lines));
    }
    blocks
}

/// A section of whole lines, as many as fit. Nothing is cut inside a line, since that could cut an escape.
fn section(title: Option<&str>, lines: &[String]) -> Option<Value> {
    if lines.is_empty() {
        return None;
    }
    let mut text = title.map(|title| format!("*{title}*")).unwrap_or_default();
    for (at, line) in lines.iter().enumerate() {
        let rest = format!("\nand {} more lines", lines.len() - at);
        let is_last = at + 1 == lines.len();
        let room = SECTION - if is_last { 0 } else { rest.len() };
        if text.chars().count() + 1 + line.chars().count() > room {
            text.push_str(&rest);
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    // Verbatim: Slack looks for no mention, channel or link of its own in it.
    Some(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } }))
}

/// A URL as a link, anything else as text.
fn linked(value: &str) -> String {
    match url::Url::parse(value) {
        // Parsed, it has no space, `<`, `>` or `|` in it that is not escaped.
        Ok(url) if is_link(value) => format!("<{}>", escaped(url.as_str()).replace('|', "%7C")),
        Ok(_) | Err(_) => escaped(value),
    }
}

/// Without links and mentions: all of them begin with `<`.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            char => safe.push(char),
        }
    }
    safe
}
