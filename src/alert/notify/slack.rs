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

#[cfg(test)]
mod tests {
    use super::super::testing::{monster, notice};
    use super::*;

    fn message(notice: &Notice) -> Value {
        serde_json::from_slice(&request("https://hooks.example.com/x", Some("#oncall"), notice).body).unwrap()
    }

    /// Text in which only our own links begin with `<`, and everything else that Slack reads as markup is escaped.
    fn markup(text: &str) {
        for (at, _) in text.match_indices('<') {
            let rest = &text[at + 1..];
            assert!(rest.starts_with("http://") || rest.starts_with("https://"), "not ours: {}", clip(rest));
            let inner = rest.split('>').next().unwrap();
            assert!(!inner.contains(['|', ' ', '\n']), "{}", clip(inner));
        }
        for (at, _) in text.match_indices('&') {
            let rest = &text[at..];
            assert!(["&amp;", "&lt;", "&gt;"].iter().any(|escape| rest.starts_with(escape)), "{}", clip(rest));
        }
        assert_eq!(text.matches('<').count(), text.matches('>').count());
    }

    fn clip(text: &str) -> String {
        text.chars().take(60).collect()
    }

    /// Block by block after Slack's public reference of blocks and incoming webhooks.
    fn validate(message: &Value) {
        let known = ["text", "blocks", "unfurl_links", "unfurl_media", "channel"];
        assert!(message.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
        let fallback = message["text"].as_str().unwrap();
        assert!(!fallback.is_empty() && fallback.chars().count() <= 4_000);
        markup(fallback);
        let blocks = message["blocks"].as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()));
        for block in blocks {
            let text = &block["text"];
            let words = text["text"].as_str().unwrap();
            let length = words.chars().count();
            assert_eq!(block.as_object().unwrap().len(), 2);
            match block["type"].as_str().unwrap() {
                "header" => {
                    assert_eq!(text["type"], "plain_text");
                    assert!((1..=150).contains(&length) && !words.contains('\n'));
                }
                "section" => {
                    assert_eq!((&text["type"], &text["verbatim"]), (&json!("mrkdwn"), &json!(true)));
                    assert!((1..=3_000).contains(&length), "{length}");
                    markup(words);
                }
                other => panic!("`{other}` is not among the blocks we use"),
            }
        }
    }

    #[test]
    fn every_message_keeps_within_slacks_limits_and_mentions_nobody() {
        use crate::alert::Action;
        for action in [Action::Trigger, Action::Acknowledge, Action::Resolve] {
            for notice in [notice("k/1"), monster()] {
                validate(&message(&Notice { action, ..notice }));
            }
        }
    }

    #[test]
    fn a_page_says_everything_there_is_to_know() {
        let message = message(&notice("k/1"));
        assert_eq!((&message["text"], &message["channel"]), (&json!("[PAGE] playlist-sync fails in eu"), &json!("#oncall")));
        let all = message.to_string();
        for fact in [
            "*Since:* 2023-11-14 22:13:20 UTC (for 2m)",
            "*Owner:* music-sync",
            "<https://runbooks.example.com/playlist-sync>",
            "<https://serinus.example.com/runs/01HF>",
            "<https://traces.example.com/4bf92f3577b34da6a3ce929d0e0e4736>",
            "expected: json.tracks | length == cell.tracks",
            "json.tracks | length: 9",
            "eu platform=p1: 2 failures",
        ] {
            assert!(all.contains(fact), "{fact} is not in {all}");
        }
    }
}
