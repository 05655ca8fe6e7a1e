//! The same with the configuration that `serinus export alertmanager` prints: rings of the channel, and alerts of the exported rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use serinus::export::alertmanager;

use super::real::{Alertmanager, Labels, Receiver, Ring, SHORT, now, rfc3339, two_looks};
use crate::exports::service;
use crate::waiting::until;

/// The receiver of what wakes the owner of the rings and alerts here.
const OWNER: &str = "music-sync-page";

async fn hears(receiver: &Receiver, ring: &str, over: bool) {
    until(&format!("ring {ring}, over: {over}"), || async {
        let told = receiver.of(OWNER);
        told.iter().any(|told| if over { told.rings().1 } else { told.rings().0 }.contains(&ring)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_ring_notifies_its_owner_a_later_page_after_a_critical_one_too_and_all_end_together() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::exported(&receiver, &alertmanager(&service()), SHORT).await;
    let mut rings: Vec<Ring> = Vec::new();
    for (number, (severity, region)) in (1..).zip([("page", "eu"), ("critical", "us"), ("page", "ap")]) {
        rings.push(Ring::new("playlist-sync", number, severity, region));
        alertmanager.post(&[rings.last().unwrap().fires()]).await;
        hears(&receiver, &number.to_string(), false).await;
    }
    let told = receiver.told();
    assert!(told.iter().all(|told| told.route == OWNER && told.resolved.is_empty()), "{told:?}");
    assert_eq!(told.len(), 3, "a ring is a notification: {told:?}");
    alertmanager.post(&rings.iter().map(Ring::over).collect::<Vec<_>>()).await;
    for number in ["1", "2", "3"] {
        hears(&receiver, number, true).await;
    }
    two_looks(SHORT).await;
    assert_eq!(receiver.told().len(), 4, "their end is one: {:?}", receiver.told());
}

/// An alert as Prometheus sends it for an exported rule.
fn alert(name: &str, severity: &str, more: &[(&str, &str)]) -> Value {
    let base = [("alertname", name), ("severity", severity), ("probe", "playlist-sync"), ("owner", "music-sync")];
    let labels: Labels = base.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    json!({ "labels": labels, "annotations": {}, "startsAt": rfc3339(now()) })
}

#[tokio::test]
async fn of_what_the_rules_say_of_a_probe_the_worst_is_told_and_a_subject_of_it_is_told_beside() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::exported(&receiver, &alertmanager(&service()), SHORT).await;
    let probe = &[("kind", "probe"), ("scope", "probe/playlist-sync")][..];
    let subject = &[("kind", "subject"), ("scope", "subject/playlist-sync/s")][..];
    let alerts = [
        alert("SerinusProbeFailing", "critical", probe),
        alert("SerinusProbeFailing", "page", probe),
        alert("SerinusProbeFailing", "warn", probe),
        alert("SerinusSubjectFailing", "page", subject),
    ];
    alertmanager.post(&alerts).await;
    two_looks(SHORT).await;
    let told = receiver.told();
    let heard: BTreeSet<(String, String)> = told
        .iter()
        .flat_map(|told| &told.firing)
        .map(|labels| (labels["alertname"].clone(), labels["severity"].clone()))
        .collect();
    let expected = [("SerinusProbeFailing", "critical"), ("SerinusSubjectFailing", "page")];
    assert_eq!(heard, expected.map(|(name, severity)| (name.to_owned(), severity.to_owned())).into(), "{told:?}");
    assert!(told.iter().all(|told| told.route == OWNER), "{told:?}");
}

#[tokio::test]
async fn while_serinus_tells_alertmanager_by_itself_the_rules_on_its_state_repeat_nothing() {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::exported(&receiver, &alertmanager(&service()), SHORT).await;
    let mut ring = Ring::new("playlist-sync", 1, "page", "eu");
    ring.labels.insert("alertname".to_owned(), "SerinusProbeFailing".to_owned());
    let by_rule = alert("SerinusProbeFailing", "page", &[("kind", "probe"), ("scope", "probe/playlist-sync")]);
    alertmanager.post(&[ring.fires(), by_rule]).await;
    two_looks(SHORT).await;
    let told = receiver.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].rings().0, ["1"], "{told:?}");
}
