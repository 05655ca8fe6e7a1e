//! Slack's incoming webhook, with blocks.
//!
//! Texts of targets and of probes are escaped, so that they cannot mention anybody or disguise a link.

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
    // A title that does not fit into the header follows in full.
    let whole = headline(message, usize::MAX);
    let cut = (whole.len() > HEADER).then(|| escaped(&message.title));
    let why = message.why.iter().map(|text| escaped(text));
    blocks.extend(section(None, &cut.into_iter().chain(why).collect::<Vec<_>>()));
    for (title, lines) in lists(message) {
        let lines: Vec<String> = lines.iter().map(|line| with_link(line, message)).collect();
        blocks.extend(section(Some(title), &lines));
    }
    let facts: Vec<String> = facts(message).into_iter().map(|(name, value)| format!("*{name}:* {}", linked(&value))).collect();
    blocks.extend(section(None, &facts));
    blocks
}

/// A section of as many whole lines as fit. Lines are never cut, since that could cut an escape.
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

/// Makes links of the words that are our URLs of runs and traces. Texts of targets never become links.
fn with_link(line: &str, message: &Message) -> String {
    let ours = |word: &str| {
        let mut links = message.evidence.iter().flat_map(|evidence| [&evidence.run_url, &evidence.trace_url]);
        links.any(|link| link.as_deref() == Some(word))
    };
    let word = |word: &str| match word.strip_suffix(',') {
        Some(before_comma) if ours(before_comma) => linked(before_comma) + ",",
        None if ours(word) => linked(word),
        Some(_) | None => escaped(word),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A URL as a link, anything else as text.
fn linked(value: &str) -> String {
    match url::Url::parse(value) {
        // A parsed URL has no unescaped space, `<` or `>`.
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
    use super::super::super::message::cases::{cases, monster};
    use super::*;

    fn body(message: &Message, shortest: bool) -> Value {
        serde_json::from_slice(&request("https://hooks.example.com/x", Some("#oncall"), message, shortest).body).unwrap()
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
    fn validate(body: &Value) {
        let known = ["text", "blocks", "unfurl_links", "unfurl_media", "channel"];
        assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
        let fallback = body["text"].as_str().unwrap();
        assert!(!fallback.is_empty() && fallback.chars().count() <= 4_000);
        markup(fallback);
        let blocks = body.get("blocks").map_or(&[][..], |blocks| blocks.as_array().unwrap());
        assert!(blocks.len() <= 50);
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
        for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
            for url in [None, Some("https://serinus.example.com/incidents/1".to_owned())] {
                let message = Message { url, ..message.clone() };
                validate(&body(&message, false));
                validate(&body(&message.shortest(), true));
            }
        }
    }

    #[test]
    fn a_link_that_a_target_said_is_none_and_our_own_is_one() {
        let mut message = cases().remove(0).message;
        message.evidence[0].seen = vec![("json.next".to_owned(), "see https://evil.example.com/".to_owned())];
        let text = body(&message, false).to_string();
        assert!(text.contains("see https://evil.example.com/") && !text.contains("<https://evil"), "{text}");
        assert!(text.contains("<https://traces.example.com/"), "{text}");
    }

    #[test]
    fn a_title_that_has_no_room_in_a_header_is_said_in_full() {
        let message = Message { title: "word ".repeat(48).trim().to_owned(), ..cases().remove(0).message };
        let blocks = body(&message, false)["blocks"].clone();
        assert!(blocks[0]["text"]["text"].as_str().unwrap().ends_with('…'));
        assert!(blocks[1]["text"]["text"].as_str().unwrap().contains(&message.title));
    }
}
