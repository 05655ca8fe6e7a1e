//! The Events API v2 of `PagerDuty`, after its public `OpenAPI` document.
//!
//! Each ring has a `dedup_key` of its own, so that each makes noise; whoever has one open and hears of it again under the same
//! key is not woken. All open keys of an incident end together.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::alert::message::{Message, What, facts, is_link, line, lists, rfc3339, short_key};
use crate::alert::told::Open;
use crate::plan::Severity;

use super::http::Post;

/// Longest `dedup_key`.
const KEY: usize = 255;

/// Longest `payload.summary`.
const SUMMARY: usize = 1_024;

/// Longest link.
const LINK: usize = 2_000;

/// The events of a try: a ring and a change are one, under the try's key; an acknowledgement and an end are one for each key
/// that is open.
pub(super) fn requests(base: &str, routing_key: &str, what: What, key: &str, opens: &[Open], message: &Message) -> Vec<Post> {
    let keys: BTreeSet<&str> = match what {
        What::Ring | What::Change => BTreeSet::from([key]),
        What::Acknowledge | What::End => opens.iter().map(|open| open.key.as_str()).chain([key]).collect(),
    };
    keys.into_iter()
        .map(|key| Post::json(format!("{}/v2/enqueue", base.trim_end_matches('/')), &event(routing_key, what, key, message)))
        .collect()
}

fn event(routing_key: &str, what: What, key: &str, message: &Message) -> Value {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": match what {
            What::Ring | What::Change => "trigger",
            What::Acknowledge => "acknowledge",
            What::End => "resolve",
        },
        "dedup_key": short_key(key, KEY),
    });
    if matches!(what, What::Ring | What::Change) {
        event["payload"] = payload(message);
        event["links"] = links(message);
        event["client"] = "Serinus".into();
        if let Some(url) = message.url.as_deref().filter(|url| is_link(url)) {
            event["client_url"] = url.into();
        }
    }
    event
}

fn payload(message: &Message) -> Value {
    let test = if message.test { "[TEST] " } else { "" };
    let mut payload = json!({
        "summary": line(&format!("{test}{}", message.title), SUMMARY),
        "source": line(message.probe.as_deref().unwrap_or(&message.scope), 255),
        "severity": match message.severity {
            Severity::Critical => "critical",
            Severity::Page => "error",
            Severity::Warn => "warning",
        },
        "timestamp": rfc3339(message.since_ms),
        "component": line(&message.scope, 255),
    });
    let details = details(message);
    if !details.is_empty() {
        payload["custom_details"] = details.into();
    }
    let class = message.evidence.first().map(|evidence| evidence.reason.as_str());
    let class = class.or(message.members.first().and_then(|member| member.reason.as_deref()));
    for (name, value) in [("group", message.owner.as_deref()), ("class", class)] {
        if let Some(value) = value.map(|value| line(value, 255)).filter(|value| !value.is_empty()) {
            payload[name] = value.into();
        }
    }
    payload
}

fn details(message: &Message) -> serde_json::Map<String, Value> {
    let mut details = serde_json::Map::new();
    if !message.why.is_empty() {
        details.insert("why".to_owned(), message.why.join(" ").into());
    }
    for (title, lines) in lists(message) {
        details.insert(title.to_lowercase(), lines.into());
    }
    for (name, value) in facts(message) {
        details.insert(name.to_lowercase(), value.into());
    }
    details
}

fn links(message: &Message) -> Value {
    let mut all = vec![("Runbook".to_owned(), &message.runbook), ("Incident".to_owned(), &message.url)];
    for evidence in &message.evidence {
        all.push((format!("Run in {}", evidence.region), &evidence.run_url));
        all.push((format!("Trace in {}", evidence.region), &evidence.trace_url));
    }
    let links = all.into_iter().filter_map(|(text, href)| {
        let href = href.as_deref().filter(|href| is_link(href) && href.len() <= LINK)?;
        Some(json!({ "href": href, "text": text }))
    });
    links.collect()
}
