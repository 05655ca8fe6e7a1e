//! The Events API v2 of `PagerDuty`, after its public `OpenAPI` document.
//!
//! Each ring has its own `dedup_key`, since a further trigger of an open key wakes nobody.

use serde_json::{Value, json};

use crate::alert::message::{Action, Message, facts, is_link, line, lists, marked_title, rfc3339, short_key};
use crate::plan::Severity;

use super::http::Post;

/// Longest `dedup_key`.
const KEY: usize = 255;

/// Longest `payload.summary`.
const SUMMARY: usize = 1_024;

/// Longest link.
const LINK: usize = 2_000;

/// The event of a try for its key. Each open key of an incident is acknowledged and ended by its own try.
pub(super) fn request(base: &str, routing_key: &str, what: Action, key: &str, message: &Message) -> Post {
    Post::json(format!("{}/v2/enqueue", base.trim_end_matches('/')), &event(routing_key, what, key, message))
}

fn event(routing_key: &str, what: Action, key: &str, message: &Message) -> Value {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": match what {
            Action::Ring | Action::Change => "trigger",
            Action::Acknowledge => "acknowledge",
            Action::End => "resolve",
        },
        "dedup_key": short_key(key, KEY),
    });
    if matches!(what, Action::Ring | Action::Change) {
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
    let mut payload = json!({
        "summary": marked_title(message, SUMMARY),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::message::cases::{cases, monster};
    use super::*;

    fn event(message: &Message) -> Value {
        let post = request("https://events.pagerduty.com/", "R0", message.action, &message.key, message);
        assert_eq!(post.url, "https://events.pagerduty.com/v2/enqueue");
        assert!(post.body.len() <= 512 * 1_024, "{} bytes are more than the API takes", post.body.len());
        serde_json::from_slice(&post.body).unwrap()
    }

    /// The fields of an object are among these, and those that are needed are there.
    fn fields(object: &Value, needed: &[&str], allowed: &[&str]) {
        let names: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        for name in needed {
            assert!(names.contains(name), "`{name}` is missing in {names:?}");
        }
        let strangers: Vec<_> = names.iter().filter(|name| !needed.contains(name) && !allowed.contains(name)).collect();
        assert!(strangers.is_empty(), "the API knows no {strangers:?}");
    }

    fn text(value: &Value, longest: usize) -> &str {
        let text = value.as_str().unwrap();
        assert!(!text.is_empty() && text.chars().count() <= longest, "{} characters", text.chars().count());
        text
    }

    /// Field by field after the public document of the Events API v2.
    fn validate(event: &Value) {
        let action = event["event_action"].as_str().unwrap();
        assert!(["trigger", "acknowledge", "resolve"].contains(&action));
        let key = event["dedup_key"].as_str().unwrap();
        assert!(!key.is_empty() && key.len() <= 255);
        text(&event["routing_key"], 32);
        if action != "trigger" {
            return fields(event, &["routing_key", "event_action", "dedup_key"], &[]);
        }
        fields(event, &["routing_key", "event_action", "payload"], &["dedup_key", "client", "client_url", "links", "images"]);
        let payload = &event["payload"];
        fields(payload, &["summary", "source", "severity"], &["timestamp", "component", "group", "class", "custom_details"]);
        text(&payload["summary"], 1_024);
        text(&payload["source"], 255);
        assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
        chrono::DateTime::parse_from_rfc3339(payload["timestamp"].as_str().unwrap()).unwrap();
        for name in ["component", "group", "class"] {
            if let Some(value) = payload.get(name) {
                text(value, 255);
            }
        }
        assert!(payload.get("custom_details").is_none_or(Value::is_object));
        for link in event["links"].as_array().unwrap() {
            fields(link, &["href"], &["text"]);
            assert!(is_link(link["href"].as_str().unwrap()));
        }
    }

    #[test]
    fn every_event_is_as_the_api_is_documented() {
        for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
            for action in Action::ALL {
                for severity in Severity::ALL {
                    let message = Message { action, severity, ..message.clone() };
                    validate(&event(&message));
                    validate(&event(&message.shortest()));
                    let linked = Message { url: Some("https://serinus.example.com/incidents/1".to_owned()), ..message };
                    validate(&event(&linked));
                }
            }
        }
    }

    #[test]
    fn the_key_before_is_named_and_the_keys_of_a_long_scope_stay_apart() {
        let spread = cases().into_iter().find(|case| case.name == "spread").unwrap().message;
        let details = &event(&spread)["payload"]["custom_details"];
        assert_eq!(details["before"], "probe/premium-registration/1");
        let long = |number: u64| Message { key: format!("subject/p/{}/{number}", "s".repeat(300)), ..spread.clone() };
        (1..=3).for_each(|number| validate(&event(&long(number))));
        let keys: BTreeSet<String> = (1..=3).map(|number| event(&long(number))["dedup_key"].to_string()).collect();
        assert_eq!(keys.len(), 3);
    }
}
