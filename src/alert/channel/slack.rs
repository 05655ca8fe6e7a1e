//! Slack's incoming webhook, with blocks.
//!
//! What a target or a probe's author wrote is escaped, so that it can neither mention anybody nor disguise a link.

use serde_json::{Value, json};

use crate::alert::message::{Message, facts, headline, is_link, lists};

use super::http::Post;

/// Characters of a header block.
const HEADER: usize = 150;

/// Characters of a section's text, after escaping.
const SECTION: usize = 3_000;

/// Characters of the text that notifications show; Slack would allow more.
const FALLBACK: usize = 300;

/// The request that tells of `message`; the shortest has no blocks.
pub(super) fn request(url: &str, channel: Option<&str>, message: &Message, shortest: bool) -> Post {
    let headline = headline(message, FALLBACK);
    let mut body = json!({ "text": escaped(&headline), "unfurl_links": false, "unfurl_media": false });
    if shortest {
        if let Some(url) = &message.url {
            body["text"] = format!("{} {}", escaped(&headline), linked(url)).into();
        }
    } else {
        body["blocks"] = blocks(message).into();
    }
    if let Some(channel) = channel {
        body["channel"] = channel.into();
    }
    Post::json(url.to_owned(), &body)
}

fn blocks(message: &Message) -> Vec<Value> {
    let mut blocks = vec![json!({
        "type": "header",
        // A header is plain text: nothing in it is markup.
        "text": { "type": "plain_text", "text": headline(message, HEADER), "emoji": false },
    })];
    // A title that has no room there is said in full.
    let whole = headline(message, usize::MAX);
    let cut = (whole.len() > HEADER).then(|| escaped(&message.title));
    let why = message.why.iter().map(|text| escaped(text));
    blocks.extend(section(None, &cut.into_iter().chain(why).collect::<Vec<_>>()));
    for (title, lines) in lists(message) {
        let lines: Vec<String> = lines.iter().map(|line| with_links(line)).collect();
        blocks.extend(section(Some(title), &lines));
    }
    let facts: Vec<String> = facts(message).into_iter().map(|(name, value)| format!("*{name}:* {}", linked(&value))).collect();
    blocks.extend(section(None, &facts));
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

/// A line whose words that are links of ours become links.
fn with_links(line: &str) -> String {
    match line.rsplit_once(' ') {
        // Only the last word, where runs and traces stand: what a target said is never one.
        Some((before, last)) if line.starts_with("  ") && is_link(last) => format!("{} {}", escaped(before), linked(last)),
        Some(_) | None => escaped(line),
    }
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
