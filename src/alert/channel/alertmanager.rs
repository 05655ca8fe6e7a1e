//! Alertmanager's API v2: each ring is one alert, known by its labels.
//!
//! Labels are made when the ring is made and never change; `ring` tells the rings of an incident apart, so that each notifies.
//! Annotations are the current text. An alert there ends by itself at its `endsAt`, so that one whose sender died does not stay
//! for ever; the [`OpenAlerts`](super::open_alerts::OpenAlerts) therefore repeats what is open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::alert::message::{Message, clip, is_link, line, marked_title, plain, rfc3339};
use crate::base::time::signed_millis;

use super::http::Post;

/// How far ahead an alert's end is set. The sender may be away for this long; if it is dead, its alerts end then.
const AHEAD: Duration = Duration::from_mins(15);

/// An alert's end is at least this many rounds ahead, and an end is repeated for as many rounds.
pub(super) const ROUNDS: u32 = 4;

/// Bytes of a label's value.
const LABEL: usize = 500;

/// Bytes of the long annotation.
const DESCRIPTION: usize = 12_000;

/// A channel's settings with its headers.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) channel: Arc<str>,
    pub(super) urls: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) resend: Duration,
    pub(super) timeout: Duration,
}

/// The labels that identify a ring's alert while it is open, to be stored in [`Open::labels`](crate::alert::tries::Open). `own`
/// are the channel's labels; they do not replace ours.
pub fn labels(message: &Message, own: &[(String, String)]) -> Vec<(String, String)> {
    let mut labels: BTreeMap<String, String> = own.iter().cloned().collect();
    labels.extend(message.cell.iter().map(|(key, value)| (label_name(key), line(value, LABEL))));
    let region = match message.regions.as_slice() {
        [one] => Some(one),
        // Another region's process may use the same ring number.
        _ => message.origin.as_ref(),
    };
    let scope = message.probe.is_none().then_some(&message.scope);
    let ours = [
        ("alertname", Some(name(&message.scope).to_owned())),
        ("severity", Some(message.severity.as_str().to_owned())),
        ("ring", Some(message.number.to_string())),
        ("probe", message.probe.clone()),
        ("scope", scope.cloned()),
        ("owner", message.owner.clone()),
        ("subject", message.subject.clone()),
        ("region", region.cloned()),
    ];
    for (name, value) in ours {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(name.to_owned(), line(&value, LABEL));
        }
    }
    labels.into_iter().collect()
}

/// A matrix key as Alertmanager takes it for a name.
fn label_name(key: &str) -> String {
    let tame: String = key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if tame.starts_with(|first: char| first.is_ascii_digit()) { format!("_{tame}") } else { tame }
}

/// The name of the alert, by the kind of problem.
fn name(scope: &str) -> &'static str {
    match scope.split('/').next().unwrap_or_default() {
        "probe" => "SerinusProbeFailing",
        "subject" => "SerinusSubjectFailing",
        "subjects" => "SerinusSubjectsFailing",
        "no-data" => "SerinusNoData",
        "blind" => "SerinusRegionBlind",
        "leak" => "SerinusTestDataLeaked",
        "restarts" => "SerinusRestarting",
        "channel" => "SerinusChannelBroken",
        "test" => "SerinusTest",
        _ => "SerinusIncident",
    }
}

/// What an alert says.
pub(super) fn annotations(message: &Message) -> BTreeMap<String, String> {
    let title = marked_title(message, LABEL);
    let mut annotations =
        BTreeMap::from([("description".to_owned(), clip(&plain(&title, message), DESCRIPTION)), ("summary".to_owned(), title)]);
    let first = message.evidence.first();
    let links = [
        ("runbook_url", &message.runbook),
        ("incident_url", &message.url),
        ("run_url", first.map_or(&None, |evidence| &evidence.run_url)),
        ("trace_url", first.map_or(&None, |evidence| &evidence.trace_url)),
    ];
    for (name, link) in links {
        if let Some(link) = link.as_deref().filter(|link| is_link(link)) {
            annotations.insert(name.to_owned(), line(link, 2_000));
        }
    }
    annotations
}

/// The alert as the API takes it.
pub(super) fn alert(
    labels: &[(String, String)],
    message: &Message,
    ended_ms: Option<i64>,
    now_ms: i64,
    resend: Duration,
) -> Value {
    let starts = message.since_ms.min(now_ms);
    let ahead = signed_millis(AHEAD.max(resend * ROUNDS));
    // An alert that ends before it starts is refused, and the wall clock may be set back.
    let ends = ended_ms.unwrap_or_else(|| now_ms.saturating_add(ahead)).max(starts + 1);
    let labels: BTreeMap<&str, &str> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations(message),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
    });
    if let Some(link) = message.url.as_deref().filter(|link| is_link(link)) {
        alert["generatorURL"] = link.into();
    }
    alert
}

/// The request that brings these alerts to a peer.
pub(super) fn request(to: &Receiver, url: &str, alerts: &[Value]) -> Post {
    let mut post = Post::json(format!("{}/api/v2/alerts", url.trim_end_matches('/')), &Value::from(alerts.to_vec()));
    post.headers.extend(to.headers.iter().cloned());
    post
}

#[cfg(test)]
mod tests {
    use super::super::super::message::cases::{cases, monster};
    use super::*;

    fn case(name: &str) -> Message {
        cases().into_iter().find(|case| case.name == name).unwrap().message
    }

    fn labels_of(message: &Message) -> BTreeMap<String, String> {
        labels(message, &[("team".to_owned(), "music".to_owned()), ("ring".to_owned(), "mine".to_owned())]).into_iter().collect()
    }

    #[test]
    fn region_and_cell_are_labels_where_the_ring_has_only_one_of_them() {
        let has = |name: &str| {
            let labels = labels_of(&case(name));
            ["region", "platform"].map(|label| labels.get(label).cloned())
        };
        let some = |value: &str| Some(value.to_owned());
        assert_eq!(has("one_canary"), [some("eu"), some("ios")]);
        assert_eq!(has("one_cell_everywhere"), [None, some("ios")]);
        assert_eq!(has("one_region"), [some("eu"), None]);
        assert_eq!(has("everything"), [None, None]);
        assert_eq!(has("region_blind"), [some("eu"), None]);
    }

    #[test]
    fn the_channels_own_labels_do_not_replace_ours_and_another_process_has_other_ones() {
        let labels = labels_of(&case("everything"));
        assert_eq!((&*labels["ring"], &*labels["team"], &*labels["severity"]), ("1", "music", "page"));
        assert_eq!((&*labels["probe"], &*labels["owner"]), ("premium-registration", "payments"));
        let others = labels_of(&Message { origin: Some("us".to_owned()), ..case("everything") });
        assert_eq!(others["region"], "us");
        assert_eq!(labels_of(&case("channel_broken"))["scope"], "channel/oncall-chat");
    }

    #[test]
    fn every_label_has_a_name_that_alertmanager_takes_and_no_alert_is_large() {
        for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
            let message = Message {
                cell: BTreeMap::from([("user-agent 2".to_owned(), "x".to_owned()), ("2nd".to_owned(), "y".to_owned())]),
                ..message
            };
            let labels = labels(&message, &[]);
            let fits = |name: &str| {
                !name.starts_with(|first: char| first.is_ascii_digit())
                    && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            };
            assert!(labels.iter().all(|(name, value)| fits(name) && !value.is_empty()), "{labels:?}");
            let size = alert(&labels, &message, None, message.at_ms, Duration::from_mins(1)).to_string().len();
            assert!(size < 32 << 10, "{size} bytes");
        }
    }

    #[test]
    fn an_alert_ends_after_it_starts_whatever_the_clock_did() {
        let message = case("one_canary");
        let moment = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap().timestamp_millis();
        let hour_ago = message.since_ms - 3_600_000;
        let ends = |ended, now, resend| moment(&alert(&[], &message, ended, now, resend)["endsAt"]);
        for (ended, now) in [(Some(hour_ago), hour_ago), (None, hour_ago), (Some(hour_ago), message.at_ms)] {
            let alert = alert(&[], &message, ended, now, Duration::from_mins(1));
            assert!(moment(&alert["startsAt"]) < moment(&alert["endsAt"]));
        }
        assert_eq!(ends(None, message.at_ms, Duration::from_mins(1)), message.at_ms + 15 * 60_000);
        assert_eq!(ends(None, message.at_ms, Duration::from_mins(10)), message.at_ms + 40 * 60_000, "four rounds at least");
    }
}
