//! The Events API v2 of `PagerDuty`, after its public `OpenAPI` document.

use ring::digest;
use serde_json::{Value, json};

use crate::alert::{Action, Notice};
use crate::plan::Severity;

use super::http::Post;
use super::text::{clip, facts, headline, hex, is_link, line, lists, occasion, rfc3339};

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
        "dedup_key": dedup_key(&notice.key),
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

/// The key itself if it is short enough; else as much of it as fits, and a digest that tells it from others that begin alike.
fn dedup_key(key: &str) -> String {
    if key.len() <= KEY {
        return key.to_owned();
    }
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let hash = hex(&digest.as_ref()[..16]);
    let room = KEY - hash.len() - 1;
    let cut = (0..=room).rev().find(|at| key.is_char_boundary(*at)).unwrap_or(0);
    format!("{}#{hash}", &key[..cut])
}
