//! What is assumed of PagerDuty and of chats, and of an Alertmanager with the times of its defaults.

use std::time::Duration;

use serde_json::{Value, json};

use super::real::rfc3339;
use crate::readers::Sound;
use crate::readers::alertmanager::{Alertmanager, GroupBy, Route};
use crate::readers::chat::{Chat, Says};
use crate::readers::pagerduty::PagerDuty;

fn second(seconds: u64) -> Duration {
    Duration::from_secs(1_763_724_828 + seconds)
}

fn event(action: &str, key: &str, severity: &str) -> Value {
    json!({
        "routing_key": "0123456789abcdef0123456789abcdef",
        "event_action": action,
        "dedup_key": key,
        "payload": { "summary": format!("{key} fails"), "source": "serinus", "severity": severity },
        "links": [{ "href": "https://serinus.example.com/incidents/i1", "text": "incident" }],
    })
}

#[test]
fn one_key_rings_once_while_it_is_open_and_is_a_new_incident_after_its_end() {
    let mut duty = PagerDuty::default();
    for (at, action, key) in
        [(0, "trigger", "a/1"), (1, "trigger", "a/1"), (2, "trigger", "a/2"), (3, "resolve", "a/1"), (4, "trigger", "a/1")]
    {
        assert_eq!(duty.take(second(at), &event(action, key, "error")).status, 202);
    }
    let rang: Vec<_> = duty.beliefs.rang().map(|rang| (rang.key.as_str(), rang.at)).collect();
    assert_eq!(rang, [("a/1", second(0)), ("a/2", second(2)), ("a/1", second(4))]);
    assert_eq!(duty.beliefs.open().keys().collect::<Vec<_>>(), ["a/1", "a/2"]);
    assert_eq!(duty.incidents.iter().map(|incident| incident.ended).collect::<Vec<_>>(), [Some(second(3)), None, None]);
}

#[test]
fn an_acknowledged_incident_stays_open_and_silent_and_what_is_not_open_is_neither_acknowledged_nor_ended() {
    let mut duty = PagerDuty::default();
    for (at, action, severity) in
        [(0, "resolve", "error"), (1, "acknowledge", "error"), (2, "trigger", "error"), (3, "acknowledge", "error")]
    {
        assert!(duty.take(second(at), &event(action, "a/1", severity)).is_taken());
    }
    duty.take(second(4), &event("trigger", "a/1", "critical"));
    let incident = duty.incident("a/1").expect("it is open");
    assert!(incident.acknowledged);
    assert_eq!((incident.severity.as_str(), incident.log.len()), ("critical", 3));
    assert_eq!(duty.beliefs.heard.iter().map(|heard| heard.sound).collect::<Vec<_>>(), [Sound::Rang, Sound::Changed]);
    duty.resolved_by_hand(second(5), "a/1");
    assert!(duty.beliefs.open().is_empty());
}

#[test]
fn an_event_that_breaks_the_schema_is_refused_and_changes_nothing() {
    let long = |letters: usize| "x".repeat(letters);
    let changes: [(&str, Value, bool); 19] = [
        ("/routing_key", json!(""), false),
        ("/event_action", json!("open"), false),
        ("/dedup_key", json!(long(255)), true),
        ("/dedup_key", json!(long(256)), false),
        ("/payload/summary", json!(long(1_024)), true),
        ("/payload/summary", json!(long(1_025)), false),
        ("/payload/summary", json!(""), false),
        ("/payload/source", Value::Null, false),
        ("/payload/severity", json!("page"), false),
        ("/payload/timestamp", json!("2026-01-01T00:00:00Z"), true),
        ("/payload/timestamp", json!(1), false),
        ("/payload/custom_details", json!({ "regions": ["eu"] }), true),
        ("/payload/custom_details", json!(long(600_000)), false),
        ("/payload/unknown", json!(1), false),
        ("/unknown", json!(1), false),
        ("/links", json!([{ "text": "x" }]), false),
        ("/links", json!([{ "href": "javascript:alert(1)" }]), false),
        ("/images", json!([{ "src": "https://a.example.com/a.png", "alt": "x" }]), true),
        ("/client_url", json!(7), false),
    ];
    for (path, value, taken) in changes {
        let mut broken = event("trigger", "a/1", "error");
        let (parent, name) = path.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[name] = value;
        let mut duty = PagerDuty::default();
        assert_eq!(duty.take(second(0), &broken).is_taken(), taken, "{path}");
        assert_eq!(duty.beliefs.open().len(), usize::from(taken), "{path}");
    }
}

#[test]
fn a_chat_reads_each_message_and_believes_what_has_no_end_to_be_open() {
    let mut chat = Chat::default();
    let (one, two) = ("i1".to_owned(), "i2".to_owned());
    chat.take(second(0), "m1", Says::Open, &[one.clone(), two.clone()], &Value::Null);
    chat.take(second(1), "m2", Says::More, std::slice::from_ref(&one), &Value::Null);
    chat.take(second(2), "m1", Says::Open, std::slice::from_ref(&one), &Value::Null);
    chat.take(second(3), "m3", Says::Over, std::slice::from_ref(&two), &Value::Null);
    chat.take(second(4), "m4", Says::Over, &["i3".to_owned()], &Value::Null);
    assert_eq!(chat.beliefs.open().keys().collect::<Vec<_>>(), [&one]);
    assert_eq!(chat.beliefs.rang().count(), 3);
    assert_eq!(chat.twice().into_iter().collect::<Vec<_>>(), ["m1"]);
    assert_eq!((chat.strange_ends, chat.read.len()), (vec!["i3".to_owned()], 5));
}

fn alert(ring: u32, start: u64, end: u64) -> Value {
    json!([{
        "labels": { "alertname": "SerinusProbeFailing", "probe": "p", "severity": "page", "ring": ring.to_string() },
        "annotations": { "summary": "p fails" },
        "startsAt": rfc3339(second(start)),
        "endsAt": rfc3339(second(end)),
    }])
}

/// What the receiver got: after how many seconds, of how many that fire and how many that are over.
fn notified(alertmanager: &Alertmanager) -> Vec<(u64, usize, usize)> {
    let seconds = |at: Duration| at.saturating_sub(second(0)).as_secs();
    alertmanager.notified.iter().map(|one| (seconds(one.at), one.firing.len(), one.resolved.len())).collect()
}

/// The same was seen with the real one.
#[test]
fn with_default_times_a_further_ring_comes_with_the_next_look_or_alone_after_the_wait() {
    for (group_by, expected) in [
        (GroupBy::Labels(vec!["probe"]), vec![(30, 1, 0), (330, 2, 0), (630, 3, 0), (930, 0, 3)]),
        (GroupBy::All, vec![(30, 1, 0), (90, 1, 0), (375, 1, 0), (675, 0, 1), (690, 0, 1), (930, 0, 1)]),
    ] {
        let mut alertmanager = Alertmanager::new(Route::default_times(group_by), second(0));
        for (ring, start) in [(1, 0), (2, 60), (3, 345)] {
            alertmanager.take(second(start), &alert(ring, start, 10_000));
        }
        for (ring, start) in [(1, 0), (2, 60), (3, 345)] {
            alertmanager.take(second(660), &alert(ring, start, 660));
        }
        assert_eq!(alertmanager.beliefs.open().len(), 3, "the receiver is not told yet");
        alertmanager.advance(second(2_000));
        assert_eq!(notified(&alertmanager), expected);
        assert!(alertmanager.beliefs.open().is_empty());
    }
}

#[test]
fn what_lapses_is_told_as_over_what_goes_on_is_repeated_and_a_receiver_may_not_want_ends() {
    let route = Route { send_resolved: false, ..Route::default_times(GroupBy::All) };
    let mut alertmanager = Alertmanager::new(route, second(0));
    alertmanager.take(second(0), &alert(1, 0, 400));
    alertmanager.take(second(0), &alert(2, 0, 20_000));
    alertmanager.advance(second(15_000));
    assert_eq!(notified(&alertmanager), [(30, 1, 0), (30, 1, 0), (14_730, 1, 0)]);
    assert_eq!(alertmanager.beliefs.open().len(), 2, "of the end nobody told its reader");
    alertmanager.restart(second(15_001), true);
    assert_eq!(alertmanager.firing(), json!([]));
    alertmanager.take(second(15_002), &alert(2, 0, 20_000));
    alertmanager.advance(second(16_000));
    assert_eq!(notified(&alertmanager).len(), 3, "what was said is remembered");
    alertmanager.restart(second(16_001), false);
    alertmanager.take(second(16_002), &alert(2, 0, 20_000));
    assert_eq!(notified(&alertmanager).len(), 4);
}
