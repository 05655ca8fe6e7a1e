//! Debian's Alertmanager: each ring is an alert, nobody hears an end before the end, and peers that were away learn of all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use serinus::alert::channel::{Sender, labels};
use serinus::alert::message::{Action, Message};
use serinus::alert::tries::{Open, Outcome, RefusalKind};
use serinus::plan::{ChannelKind, Severity};

use super::support::{as_what, attempt, channel, end, message, ring, secrets, sender, short};
use crate::alertmanager;
use crate::http_server::{Target, answer, answering};
use crate::programs::{Program, free_port};
use crate::waiting::until;

/// How often open alerts are repeated here.
const RESEND: Duration = Duration::from_secs(1);

/// A real Alertmanager, and the receiver that it notifies.
struct Alertmanager {
    _program: Program,
    _folder: tempfile::TempDir,
    url: String,
    notified: Target,
}

impl Alertmanager {
    /// Groups by probe, as most people do.
    async fn start() -> Self {
        let notified = answering(None, |_| answer(200, &[], "")).await;
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "route: {{receiver: hook, group_by: [probe], group_wait: 0s, group_interval: 1s}}\n\
             receivers:\n- name: hook\n  webhook_configs: [{{url: '{}', send_resolved: true}}]\n",
            notified.url("/")
        );
        std::fs::write(folder.path().join("alertmanager.yml"), text).unwrap();
        let port = free_port();
        let program = alertmanager::start(folder.path(), "data", port, None);
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/-/ready");
        let _ = rustls::crypto::ring::default_provider().install_default();
        until("Alertmanager being ready", || async {
            reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        Self { _program: program, _folder: folder, url, notified }
    }

    /// The alerts that fire.
    async fn firing(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("{}/api/v2/alerts", self.url)).await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Its notifications: the status of each, and status and ring of each alert in it.
    fn told(&self) -> Vec<(String, Vec<(String, String)>)> {
        let bodies = self.notified.seen().into_iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        bodies
            .map(|body| {
                let mut alerts: Vec<(String, String)> = body["alerts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|alert| (word(&alert["status"]), word(&alert["labels"]["ring"])))
                    .collect();
                alerts.sort();
                (word(&body["status"]), alerts)
            })
            .collect()
    }
}

fn kind(urls: &[&str]) -> ChannelKind {
    ChannelKind::Alertmanager {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        headers: Vec::new(),
        labels: vec![("team".to_owned(), "music".to_owned()), ("ring".to_owned(), "no".to_owned())],
        resend: RESEND,
    }
}

/// As it is kept when the ring is made.
fn opened(message: &Message) -> Open {
    let own = [("team".to_owned(), "music".to_owned()), ("ring".to_owned(), "no".to_owned())];
    Open { key: message.key.clone(), taken: false, acknowledged: 0, labels: labels(message, &own) }
}

async fn send(sender: &Sender, message: &Message, opens: &[Open]) -> Outcome {
    sender.send(&attempt("t", "am", message), message, opens, false).await
}

fn kept_alive(sender: &Sender) -> tokio::task::JoinHandle<()> {
    let sender = sender.clone();
    tokio::spawn(async move { sender.keep_alive(|| true).await })
}

#[tokio::test]
async fn each_ring_notifies_and_all_end_together() {
    let alertmanager = Alertmanager::start().await;
    let sender = sender(vec![channel("am", kind(&[&alertmanager.url]))], &secrets(&[]));
    let rounds = kept_alive(&sender);
    let (one, two) =
        (ring(1), Message { severity: Severity::Critical, number: 2, key: ring(2).key, ..message("critical_later") });
    assert_eq!(send(&sender, &one, &[opened(&one)]).await, Outcome::Taken);
    until("the first ring", || async { (!alertmanager.told().is_empty()).then_some(()) }).await;
    let opens = [opened(&one), opened(&two)];
    assert_eq!(send(&sender, &two, &opens).await, Outcome::Taken);
    let rang = |count: usize| {
        let told = alertmanager.told();
        async move { told.iter().any(|(_, alerts)| alerts.len() == count).then_some(()) }
    };
    until("the second ring", || rang(2)).await;
    let mut firing = alertmanager.firing().await;
    firing.sort_by_key(|alert| alert["labels"]["ring"].to_string());
    for (alert, severity, ring) in [(&firing[0], "page", "1"), (&firing[1], "critical", "2")] {
        let labels = &alert["labels"];
        assert_eq!((&labels["severity"], &labels["ring"]), (&severity.into(), &ring.into()));
        assert_eq!((&labels["alertname"], &labels["team"]), (&"SerinusProbeFailing".into(), &"music".into()));
        assert_eq!((&labels["probe"], &labels["owner"]), (&"premium-registration".into(), &"payments".into()));
        // The texts of both are those of now, and their labels those of their ring.
        assert_eq!(alert["annotations"]["summary"], "premium-registration fails in eu and us (6 of 9 canaries)");
    }
    assert_eq!((&firing[0]["labels"]["region"], &firing[1]["labels"].get("region")), (&"eu".into(), &None));
    let before = alertmanager.told();
    assert!(before.iter().all(|(status, _)| status == "firing"), "nobody hears an end before the end: {before:?}");
    let end = Message { key: two.key.clone(), ..end() };
    assert_eq!(send(&sender, &end, &opens).await, Outcome::Taken);
    until("the end", || async { alertmanager.told().iter().any(|(status, _)| status == "resolved").then_some(()) }).await;
    until("nothing firing", || async { alertmanager.firing().await.is_empty().then_some(()) }).await;
    let (_, last) = alertmanager.told().pop().unwrap();
    assert_eq!(last, [("resolved".to_owned(), "1".to_owned()), ("resolved".to_owned(), "2".to_owned())]);
    rounds.abort();
}

#[tokio::test]
async fn an_open_alert_is_repeated_with_a_moving_end_and_a_silent_change_notifies_nobody() {
    let alertmanager = Alertmanager::start().await;
    let sender = sender(vec![channel("am", kind(&[&alertmanager.url]))], &secrets(&[]));
    let rounds = kept_alive(&sender);
    let one = ring(1);
    let opens = [opened(&one)];
    assert_eq!(send(&sender, &one, &opens).await, Outcome::Taken);
    let ends_at = |alert: &Value| chrono::DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
    let first = alertmanager.firing().await.remove(0);
    let ahead = ends_at(&first).timestamp_millis() - one.at_ms;
    assert!((14 * 60_000..16 * 60_000).contains(&ahead), "it would end by itself after {ahead} ms");
    let change = Message { title: "more fails".to_owned(), ..as_what(Action::Change, ring(1)) };
    assert_eq!(send(&sender, &change, &opens).await, Outcome::Taken);
    let later = until("the end moving on", || async {
        let alert = alertmanager.firing().await.remove(0);
        (ends_at(&alert) > ends_at(&first) + Duration::from_secs(2)).then_some(alert)
    })
    .await;
    assert_eq!((&later["fingerprint"], &later["startsAt"]), (&first["fingerprint"], &first["startsAt"]));
    assert_eq!(later["annotations"]["summary"], "more fails");
    assert_eq!(alertmanager.told().len(), 1, "{:?}", alertmanager.told());
    rounds.abort();
}

#[tokio::test]
async fn what_an_earlier_process_opened_goes_on_with_its_labels_and_ends_by_them() {
    let alertmanager = Alertmanager::start().await;
    let one = ring(1);
    let open = opened(&one);
    let earlier = sender(vec![channel("am", kind(&[&alertmanager.url]))], &secrets(&[]));
    assert_eq!(send(&earlier, &one, std::slice::from_ref(&open)).await, Outcome::Taken);
    drop(earlier);
    let first = alertmanager.firing().await.remove(0);
    let sender = sender(vec![channel("am", kind(&[&alertmanager.url]))], &secrets(&[]));
    // The owner has changed since: it must still be the same alert.
    let now = Arc::new(Message { owner: Some("others".to_owned()), ..ring(1) });
    sender.hold(&"am".into(), &open, &now);
    let rounds = kept_alive(&sender);
    until("being repeated", || async {
        let firing = alertmanager.firing().await;
        assert_eq!(firing.len(), 1, "{firing:?}");
        (firing[0]["updatedAt"] != first["updatedAt"]).then_some(())
    })
    .await;
    let end = Message { owner: Some("others".to_owned()), key: one.key.clone(), ..end() };
    assert_eq!(send(&sender, &end, &[open]).await, Outcome::Taken);
    until("nothing firing", || async { alertmanager.firing().await.is_empty().then_some(()) }).await;
    rounds.abort();
}

/// A peer that takes what it is sent while it is switched on.
async fn peer() -> (Target, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&on);
    let peer = answering(None, move |_| answer(if switch.load(Ordering::SeqCst) { 200 } else { 503 }, &[], "")).await;
    (peer, on)
}

/// The ends of alerts that a peer was told since: how often each ring was told as ended, and as open.
fn told_since(peer: &Target, from: usize) -> (usize, usize) {
    let now = chrono::Utc::now();
    let bodies = peer.seen().into_iter().skip(from).map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
    let alerts: Vec<Value> = bodies.flat_map(|body| body.as_array().unwrap().clone()).collect();
    let over = |alert: &&Value| chrono::DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap() <= now;
    (alerts.iter().filter(over).count(), alerts.len() - alerts.iter().filter(over).count())
}

#[tokio::test]
async fn one_peer_that_takes_an_alert_is_enough_and_one_that_was_away_gets_it_and_four_ends() {
    let (here, _) = peer().await;
    let (away, on) = peer().await;
    on.store(false, Ordering::SeqCst);
    let sender = sender(vec![channel("am", kind(&[&here.url(""), &away.url("")]))], &secrets(&[]));
    let rounds = kept_alive(&sender);
    let one = ring(1);
    let opens = [opened(&one)];
    assert_eq!(send(&sender, &one, &opens).await, Outcome::Taken);
    on.store(true, Ordering::SeqCst);
    let before = away.seen().len();
    until("the peer that was away being told", || async { (away.seen().len() > before).then_some(()) }).await;
    on.store(false, Ordering::SeqCst);
    assert_eq!(send(&sender, &Message { key: one.key.clone(), ..end() }, &opens).await, Outcome::Taken);
    // It is away for longer than the other one needs for its four rounds.
    until("the end being told to the peer that is here", || async { (told_since(&here, 0).0 >= 4).then_some(()) }).await;
    let ended = away.seen().len();
    on.store(true, Ordering::SeqCst);
    until("the end being told to the peer that was away", || async { (told_since(&away, ended).0 >= 4).then_some(()) }).await;
    assert_eq!(told_since(&away, ended).1, 0, "after the end nobody is told that it is open");
    let silent = away.seen().len();
    tokio::time::sleep(RESEND * 3).await;
    assert!(away.seen().len() <= silent + 1, "an end that all peers took is not told for ever");
    rounds.abort();
}

#[tokio::test]
async fn a_ring_that_nobody_took_is_not_repeated_as_if_it_were_open() {
    for status in [400, 503] {
        let on = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&on);
        let peer = answering(None, move |_| answer(if switch.load(Ordering::SeqCst) { 200 } else { status }, &[], "")).await;
        let sender = sender(vec![channel("am", kind(&[&peer.url("")]))], &secrets(&[]));
        let (first, second) = (ring(1), ring(2));
        let refused = matches!(send(&sender, &first, &[]).await, Outcome::Refused(_));
        on.store(true, Ordering::SeqCst);
        assert_eq!(send(&sender, &second, &[]).await, Outcome::Taken);
        let before = peer.seen().len();
        let rounds = kept_alive(&sender);
        until("three rounds", || async { (peer.seen().len() >= before + 3).then_some(()) }).await;
        let bodies = peer.seen().into_iter().skip(before).map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        let rings: BTreeSet<String> = bodies
            .flat_map(|body| body.as_array().unwrap().clone())
            .map(|alert| alert["labels"]["ring"].as_str().unwrap().to_owned())
            .collect();
        // A ring without an answer is perhaps open.
        let expected = if refused { vec!["2"] } else { vec!["1", "2"] };
        assert_eq!((rings.iter().map(String::as_str).collect::<Vec<_>>(), refused), (expected, status == 400));
        rounds.abort();
    }
}

#[tokio::test]
async fn where_no_peer_takes_it_the_outcome_is_what_really_happened() {
    let refusing = answering(None, |_| answer(400, &[], "bad label")).await;
    let ill = answering(None, |_| answer(500, &[], "")).await;
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for (urls, expected) in [
        (&[refusing.url("/")][..], ("refused", RefusalKind::Unreadable)),
        (std::slice::from_ref(&nobody), ("refused", RefusalKind::Unreachable)),
        (&[nobody.clone(), refusing.url("")], ("refused", RefusalKind::Unreachable)),
        (&[refusing.url(""), ill.url("")], ("unknown", RefusalKind::Unreachable)),
    ] {
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let sender = sender(vec![channel("am", kind(&urls))], &secrets(&[]));
        let (word, kind) = short(&send(&sender, &ring(1), &[opened(&ring(1))]).await);
        assert_eq!((word, kind), (expected.0, Some(expected.1)), "{urls:?}");
    }
    assert_eq!(refusing.seen()[0].path(), "/api/v2/alerts");
}
