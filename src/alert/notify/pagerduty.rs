//! The Events API v2 of `PagerDuty`, after its public `OpenAPI` document.

use serde_json::{Value, json};

use crate::alert::{Action, Notice};
use crate::plan::Severity;

use super::http::Post;
use super::text::{clip, facts, headline, is_link, line, lists, occasion, rfc3339, short_key};

/// Longest `dedup_key`.
const KEY: usize = 255;

/// Longest `payload.summary`.
const SUMMARY: usize = 1_024;

/// The event that tells of `notice`.
pub(super) fn request(base: &str, routing_key: &str, notice: &Notice, public_url: Option<&str>) -> Post {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": match notice.action {
            Action::Trigger => "trigger",
            Action::Acknowledge => "acknowledge",
            Action::Resolve => "resolve",
        },
        "dedup_key": short_key(&notice.key, KEY),
    });
    if notice.action == Action::Trigger {
        event["payload"] = payload(notice);
        event["links"] = links(notice);
        event["client"] = "Serinus".into();
        if let Some(url) = public_url.filter(|url| is_link(url)) {
            event["client_url"] = url.into();
        }
    }
    Post::json(format!("{}/v2/enqueue", base.trim_end_matches('/')), &event)
}

fn payload(notice: &Notice) -> Value {
    let mut payload = json!({
        "summary": headline(notice, SUMMARY),
        "source": line(notice.probe.as_deref().unwrap_or(&notice.scope), 255),
        "severity": match notice.severity {
            Severity::Critical => "critical",
            Severity::Page => "error",
            Severity::Warn => "warning",
        },
        "timestamp": rfc3339(notice.since_ms),
        "component": line(&notice.scope, 255),
        "custom_details": details(notice),
    });
    let reason = notice.failure.as_ref().map(|failure| line(&failure.reason, 255));
    for (name, value) in [("group", notice.owner.as_ref().map(|owner| line(owner, 255))), ("class", reason)] {
        if let Some(value) = value {
            payload[name] = value.into();
        }
    }
    payload
}

fn details(notice: &Notice) -> Value {
    let mut details = serde_json::Map::new();
    let sentences = notice.summary.as_deref().into_iter().chain(occasion(notice)).collect::<Vec<_>>().join(" ");
    details.insert("what".to_owned(), clip(&sentences, SUMMARY).into());
    for (name, value) in facts(notice) {
        details.insert(name.to_lowercase(), value.into());
    }
    for (title, lines) in lists(notice) {
        details.insert(title.to_lowercase(), lines.into());
    }
    Value::Object(details)
}

fn links(notice: &Notice) -> Value {
    let all = [
        ("Runbook", &notice.runbook),
        ("Incident", &notice.links.incident),
        ("Run", &notice.links.run),
        ("Trace", &notice.links.trace),
    ];
    let links = all.into_iter().filter_map(|(text, href)| {
        let href = href.as_deref().filter(|href| is_link(href) && href.len() <= 2_000)?;
        Some(json!({ "href": href, "text": text }))
    });
    links.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::{monster, notice};
    use super::*;

    fn event(notice: &Notice) -> Value {
        let post = request("https://events.pagerduty.com/", "R0", notice, Some("https://serinus.example.com"));
        assert_eq!(post.url, "https://events.pagerduty.com/v2/enqueue");
        assert!(post.body.len() <= 512 * 1_024, "{} bytes are more than the API takes", post.body.len());
        serde_json::from_slice(&post.body).unwrap()
    }

    /// The fields of an object are among these, and these are there.
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
        assert!(payload["custom_details"].is_object());
        for link in event["links"].as_array().unwrap() {
            fields(link, &["href"], &["text"]);
            assert!(is_link(link["href"].as_str().unwrap()));
        }
        assert!(is_link(event["client_url"].as_str().unwrap()));
    }

    #[test]
    fn every_event_is_as_the_api_is_documented() {
        for action in [Action::Trigger, Action::Acknowledge, Action::Resolve] {
            for notice in [notice("k/1"), monster()] {
                for severity in Severity::ALL {
                    validate(&event(&Notice { action, severity, ..notice.clone() }));
                }
            }
        }
    }

    #[test]
    fn a_page_says_everything_there_is_to_know() {
        let event = event(&notice("k/1"));
        let payload = &event["payload"];
        assert_eq!(payload["summary"], "[PAGE] playlist-sync fails in eu");
        assert_eq!((&payload["severity"], &payload["group"]), (&json!("error"), &json!("music-sync")));
        assert_eq!(payload["timestamp"], "2023-11-14T22:13:20.000Z");
        let details = &payload["custom_details"];
        assert_eq!(
            details["what was seen"][1],
            "expected: json.tracks | length == cell.tracks (probes/playlist_sync.toml:41:15)"
        );
        assert_eq!(details["what was seen"][2], "json.tracks | length: 9");
        assert_eq!(details["canaries"][0], "eu platform=p1: 2 failures since 2023-11-14 22:13:20 UTC (expectation)");
        assert_eq!(event["links"][0], json!({ "href": "https://runbooks.example.com/playlist-sync", "text": "Runbook" }));
        assert_eq!(event["links"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn three_thousand_canaries_make_one_page_with_a_list() {
        let canaries = event(&monster())["payload"]["custom_details"]["canaries"].clone();
        assert_eq!(canaries.as_array().unwrap().len(), 21);
        assert_eq!(canaries[20], "and 2,980 more");
    }
}
