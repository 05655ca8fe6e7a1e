//! PagerDuty's Events API v2, as its documents describe it. It cannot be tried here; this is what is assumed, and from where:
//!
//! | assumed | document |
//! |---|---|
//! | `trigger` with a `dedup_key` of which nothing is open makes an alert and an incident, which notifies. While one is open with that key the event is appended to its log and nobody is notified | "Event Management", Deduplicate Alerts (support.pagerduty.com/main/docs/event-management) |
//! | keys are case-sensitive, at most 255 characters; without one, each event is an incident of its own | the same; "Send an Alert Event" (developer.pagerduty.com/docs/events-api-v2/trigger-events) |
//! | `acknowledge` silences it: an acknowledged incident notifies nobody, also if it receives new triggers | "Events API v2 Overview" (developer.pagerduty.com/docs/events-api-v2/overview) |
//! | `resolve` ends it. A later trigger with the same key does not open it again: it is a new incident | the same |
//! | `acknowledge` and `resolve` of what is not open are taken (202) and do nothing | the same |
//! | nobody is notified when something is acknowledged or resolved, unless they ask to be | "Incidents" (support.pagerduty.com/main/docs/incidents) |
//! | required: `routing_key`, `event_action`; of a trigger `payload.summary` (at most 1,024 characters), `.source`, `.severity`; 512 KB in all; 202 taken, 400 never again, 429 and 5xx again | "Send an Alert Event" |
//! | an incident's title stays that of its first alert | "Alerts" (support.pagerduty.com/docs/alerts) |
//!
//! Not assumed, because it depends on how an account is set up: alert grouping (further keys then join the open incident and
//! notify nobody for its window: "Time-Based Alert Grouping"), urgency by severity, nobody on call (such events are dropped:
//! "Alerts"), and what somebody does by hand, which is here [`PagerDuty::acknowledged_by_hand`] and
//! [`PagerDuty::resolved_by_hand`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Answer, Beliefs, Sound};

const LONGEST_KEY: usize = 255;
const LONGEST_SUMMARY: usize = 1_024;
const LARGEST: usize = 512 * 1_024;

/// Fields that the schema knows, of an event.
const EVENT: [&str; 8] = ["routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"];

/// Fields that the schema knows, of its payload.
const PAYLOAD: [&str; 8] = ["summary", "timestamp", "severity", "source", "component", "group", "class", "custom_details"];

/// An incident as PagerDuty shows it.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) key: String,
    pub(crate) opened: Duration,
    /// That of its first event.
    pub(crate) title: String,
    /// That of its latest event.
    pub(crate) severity: String,
    pub(crate) acknowledged: bool,
    pub(crate) ended: Option<Duration>,
    /// All its events.
    pub(crate) log: Vec<(Duration, Value)>,
}

/// An account with one service, and who is on call.
#[derive(Debug, Clone, Default)]
pub(crate) struct PagerDuty {
    /// All there were, in order.
    pub(crate) incidents: Vec<Incident>,
    /// Where in `incidents` the open one of a key is.
    open: BTreeMap<String, usize>,
    pub(crate) beliefs: Beliefs,
}

impl PagerDuty {
    /// Takes an event.
    pub(crate) fn take(&mut self, at: Duration, event: &Value) -> Answer {
        if let Err(why) = readable(event) {
            return Answer::unreadable(why);
        }
        let made = format!("without-key-{}", self.incidents.len());
        let key = text(event, "dedup_key").unwrap_or(&made).to_owned();
        match (text(event, "event_action").unwrap_or_default(), self.open.get(&key).copied()) {
            ("trigger", None) => self.opens(at, &key, event),
            ("trigger", Some(place)) => {
                let incident = &mut self.incidents[place];
                incident.severity = severity(event);
                incident.log.push((at, event.clone()));
                self.beliefs.notice(at, Sound::Changed, &key, event);
            }
            ("acknowledge", Some(place)) => {
                self.incidents[place].log.push((at, event.clone()));
                self.incidents[place].acknowledged = true;
            }
            ("resolve", Some(place)) => {
                self.incidents[place].log.push((at, event.clone()));
                self.ends(at, &key, event);
            }
            _ => {}
        }
        Answer { status: 202, body: format!(r#"{{"status":"success","message":"Event processed","dedup_key":"{key}"}}"#) }
    }

    fn opens(&mut self, at: Duration, key: &str, event: &Value) {
        let title = event.pointer("/payload/summary").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.open.insert(key.to_owned(), self.incidents.len());
        self.incidents.push(Incident {
            key: key.to_owned(),
            opened: at,
            title,
            severity: severity(event),
            acknowledged: false,
            ended: None,
            log: vec![(at, event.clone())],
        });
        self.beliefs.notice(at, Sound::Rang, key, event);
    }

    fn ends(&mut self, at: Duration, key: &str, event: &Value) {
        if let Some(place) = self.open.remove(key) {
            self.incidents[place].ended = Some(at);
            self.beliefs.notice(at, Sound::Ended, key, event);
        }
    }

    /// The open incident of a key.
    pub(crate) fn incident(&self, key: &str) -> Option<&Incident> {
        self.open.get(key).map(|place| &self.incidents[*place])
    }

    /// Somebody presses the button; the program is not told.
    pub(crate) fn acknowledged_by_hand(&mut self, key: &str) {
        if let Some(place) = self.open.get(key) {
            self.incidents[*place].acknowledged = true;
        }
    }

    /// Somebody ends it; the program is not told.
    pub(crate) fn resolved_by_hand(&mut self, at: Duration, key: &str) {
        self.ends(at, key, &Value::Null);
    }
}

fn text<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event[name].as_str().filter(|text| !text.is_empty())
}

fn severity(event: &Value) -> String {
    event.pointer("/payload/severity").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Holds an event against the schema. Fields that it does not know are refused here, though PagerDuty ignores them: what is
/// said in one of them is said to nobody.
fn readable(event: &Value) -> Result<(), String> {
    known(event, &EVENT)?;
    if event.to_string().len() > LARGEST {
        return Err(format!("the event is larger than {LARGEST} bytes"));
    }
    text(event, "routing_key").ok_or("`routing_key` is missing")?;
    let key = text(event, "dedup_key");
    if key.is_some_and(|key| key.chars().count() > LONGEST_KEY) {
        return Err(format!("`dedup_key` is longer than {LONGEST_KEY} characters"));
    }
    match text(event, "event_action") {
        Some("trigger") => payload(&event["payload"])?,
        Some("acknowledge" | "resolve") if key.is_some() => {}
        Some("acknowledge" | "resolve") => return Err("`dedup_key` is missing".to_owned()),
        other => return Err(format!("`event_action` is {other:?}")),
    }
    each(event, "links", &["href", "text"], "href")?;
    each(event, "images", &["src", "href", "alt"], "src")?;
    for name in ["client", "client_url"] {
        if event.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("`{name}` is no text"));
        }
    }
    Ok(())
}

fn payload(payload: &Value) -> Result<(), String> {
    known(payload, &PAYLOAD)?;
    let summary = text(payload, "summary").ok_or("`payload.summary` is missing")?;
    if summary.chars().count() > LONGEST_SUMMARY {
        return Err(format!("`payload.summary` is longer than {LONGEST_SUMMARY} characters"));
    }
    text(payload, "source").ok_or("`payload.source` is missing")?;
    if !matches!(text(payload, "severity"), Some("critical" | "error" | "warning" | "info")) {
        return Err(format!("`payload.severity` is {}", payload["severity"]));
    }
    for name in ["component", "group", "class"] {
        if payload.get(name).is_some_and(|value| !value.is_string()) {
            return Err(format!("`payload.{name}` is no text"));
        }
    }
    let timestamp = payload.get("timestamp").map(|time| time.as_str().and_then(super::alertmanager::time));
    if timestamp == Some(None) {
        return Err(format!("`payload.timestamp` is {}", payload["timestamp"]));
    }
    if payload.get("custom_details").is_some_and(|details| !details.is_object()) {
        return Err("`payload.custom_details` is no object".to_owned());
    }
    Ok(())
}

/// Looks at `links` and `images`: lists of objects of texts, of which one is a link that must be there.
fn each(event: &Value, name: &str, fields: &[&str], needed: &str) -> Result<(), String> {
    let Some(list) = event.get(name) else { return Ok(()) };
    for one in list.as_array().ok_or(format!("`{name}` is no list"))? {
        known(one, fields)?;
        if !text(one, needed).is_some_and(|link| link.starts_with("http://") || link.starts_with("https://")) {
            return Err(format!("`{needed}` of `{name}` is no link: {one}"));
        }
    }
    Ok(())
}

fn known(object: &Value, fields: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or(format!("`{object}` is no object"))?;
    match object.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(stranger) => Err(format!("no field is called `{stranger}`")),
        None => Ok(()),
    }
}
